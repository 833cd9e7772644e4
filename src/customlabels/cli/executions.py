"""`execution` and `verify`: any state machine's runs at a Step Functions endpoint, ours or AWS's.

Layer: cli. Thin over boto3: what the service refuses is told in its own words.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from customlabels.asl import Difference, differences
from customlabels.cli.endpoint import connect
from customlabels.cli.exits import Exit, UsageError
from customlabels.cli.following import execution_result, exit_after
from customlabels.cli.places import Place
from customlabels.cli.printing import print_json, print_table, say, show, tell
from customlabels.settings import Settings

POLL_SECONDS = 0.4
SHOWN = 5  # differences; the first is usually the cause of the others
SHOWN_CHARACTERS = 300


def _arn(place: Place, name: str) -> str:
    """The ARN of an execution: as given, or of `MACHINE:NAME`, or a run of the pipeline, of this home."""
    if name.startswith("arn:"):
        return name
    if not place.is_home:
        raise UsageError(f"{name}: elsewhere than on the server of this home, give the execution's ARN")
    endpoint = connect(Settings.from_environment())
    machine, _, execution = name.rpartition(":")
    if not machine:
        return endpoint.execution_arn(name)
    return f"arn:aws:states:{endpoint.settings.region}:{endpoint.account}:execution:{machine}:{execution}"


def start_execution(place: Place, machine: str, text: str, name: str, *, wait: bool, as_json: bool) -> Exit:
    """Start a machine (its ARN, or a name in this home); text: the input, or `@FILE`."""
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{text[1:]}: {error}") from error
    states = place.reach().states
    named = {"name": name} if name else {}
    started = states.start_execution(stateMachineArn=_machine_arn(place, machine), input=text, **named)
    arn = started["executionArn"]
    if not wait:
        return tell({"ExecutionArn": arn}, arn, as_json=as_json)
    while (found := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(POLL_SECONDS)
    return _told(found, as_json=as_json)


def _machine_arn(place: Place, machine: str) -> str:
    if machine.startswith("arn:"):
        return machine
    execution = _arn(place, f"{machine}:x")
    return execution.replace(":execution:", ":stateMachine:").removesuffix(":x")


def describe_execution(place: Place, name: str, *, as_json: bool) -> Exit:
    """One execution with its output or error; the exit code is the one after its status."""
    return _told(place.reach().states.describe_execution(executionArn=_arn(place, name)), as_json=as_json)


def _told(description: dict[str, Any], *, as_json: bool) -> Exit:
    result = execution_result(description)
    if as_json:
        print_json(result)
    else:
        show(f"{result['Status']}  {result['ExecutionArn']}")
        for field in ("error", "cause", "output"):
            if field in description:
                show(f"{field:7} {description[field]}")
    return Exit.DONE if description["status"] == "RUNNING" else exit_after(result)


def show_history(place: Place, name: str, *, as_json: bool) -> Exit:
    """Every event; as JSON in the form of `aws stepfunctions get-execution-history`."""
    events = list(_events(place, name))
    if as_json:
        print_json({"events": events})
        return Exit.DONE
    rows = ((event["id"], event["previousEventId"], event["type"], _subject(event)) for event in events)
    print_table(("EVENT", "AFTER", "TYPE", ""), rows)
    return Exit.DONE


def _events(place: Place, name: str) -> Iterator[dict[str, Any]]:
    pages = (
        place.reach().states.get_paginator("get_execution_history").paginate(executionArn=_arn(place, name))
    )
    for page in pages:
        yield from page["events"]


def _subject(event: Mapping[str, Any]) -> str:
    details: Any = next((value for name, value in event.items() if name.endswith("EventDetails")), {})
    return str(details.get("name") or details.get("resource") or details.get("error") or "")


def stop_execution(place: Place, name: str, error: str, cause: str, *, as_json: bool) -> Exit:
    """End an execution as ABORTED."""
    told = {key: value for key, value in (("error", error), ("cause", cause)) if value}
    answer = place.reach().states.stop_execution(executionArn=_arn(place, name), **told)
    when = answer["stopDate"].isoformat()
    return tell({"Stopped": when}, f"stopped  {when}", as_json=as_json)


def redrive_execution(place: Place, name: str, *, as_json: bool) -> Exit:
    """Go on with a failed execution where it failed."""
    answer = place.reach().states.redrive_execution(executionArn=_arn(place, name))
    when = answer["redriveDate"].isoformat()
    return tell({"Redriven": when}, f"redriven  {when}", as_json=as_json)


def verify_execution(place: Place, name: str, file: Path, *, as_json: bool) -> Exit:
    """Compare an execution's history with one that AWS gave; FAILED where they differ."""
    recorded = read_history(file)
    local = json.loads(json.dumps(list(_events(place, name)), default=str))
    found = differences(local, recorded)
    if as_json:
        print_json(
            {
                "Same": not found,
                "Events": len(local),
                "RecordedEvents": len(recorded),
                "Differences": [
                    {"Event": one.event, "Path": one.path, "Local": one.local, "Recorded": one.other}
                    for one in found
                ],
            }
        )
    elif found:
        _show_differences(found, len(local), len(recorded))
    else:
        show(f"SAME  {len(local)} events")
    return Exit.FAILED if found else Exit.DONE


def _show_differences(found: list[Difference], local: int, recorded: int) -> None:
    show(f"DIFFERENT  {len(found)} differences; {local} events here, {recorded} recorded")
    for one in found[:SHOWN]:
        show(f"event {one.event}  {one.path or 'the event itself'}")
        show(f"  here      {_shown(one.local)}")
        show(f"  recorded  {_shown(one.other)}")
    if len(found) > SHOWN:
        say(f"{len(found) - SHOWN} more: see them with --json")


def _shown(value: Any) -> str:
    text = "(nothing)" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."


def read_history(file: Path) -> list[dict[str, Any]]:
    """The events of a file that `aws stepfunctions get-execution-history` wrote, one page after the other.

    Raises UsageError.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: {error}") from error
    events: list[dict[str, Any]] = []
    decode = json.JSONDecoder().raw_decode
    at = 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        try:
            page, at = decode(text, at)
        except ValueError as error:
            raise UsageError(f"{file}: {error}") from error
        pages = page if isinstance(page, list) else [page]
        for one in pages:
            found = one.get("events", [one] if "type" in one else None) if isinstance(one, dict) else None
            if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
                raise UsageError(f'{file}: expected {{"events": [...]}}, as get-execution-history prints it')
            events += found
    if not events or not all({"id", "type"} <= event.keys() for event in events):
        raise UsageError(f"{file}: it has no events with id and type")
    return events
