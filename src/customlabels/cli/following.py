"""Follow an execution: print each state as it is entered, a training's progress, and the verdict.

Layer: cli. The history is the only thing needed, so a lost terminal goes on with `customlabels follow`.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from customlabels.cli.exits import AFTER_DECISION, AFTER_STATUS, Exit
from customlabels.cli.places import Reached
from customlabels.cli.printing import say, show

POLL_SECONDS = 0.4
# Elsewhere calls are counted and history is slow: from the first to the second, with jitter.
FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 2.0, 30.0
OPEN = ("RUNNING", "PENDING_REDRIVE")
APPROVAL = "publish.waitForTaskToken"
PROGRESS_EVERY_SECONDS = 5.0
# States that do something: the checks and passes between them say nothing to somebody who waits.
TOLD = ("TaskStateEntered", "ParallelStateEntered", "MapStateEntered", "FailStateEntered")


PROGRESS = {
    "Stage": "{}",
    "ValidationF1": "validation F1 {:.3f}",
    "ImagesPerSecond": "{:.0f} images/s",
    "SecondsLeft": "{:.0f} s left",
}


@dataclass
class Follower:
    """What has been printed so far of one execution."""

    endpoint: Reached
    arn: str
    say: Callable[[str], None] = say
    last_event_id: int = 0
    states_seen: set[str] = field(default_factory=set)
    version_arn: str = ""
    started_at: float = 0.0
    progress_at: float = 0.0
    progress_said: str = ""

    def new_events(self) -> Iterator[dict[str, Any]]:
        """Events that have not been seen yet, in order."""
        pages: Any = self.endpoint.states.get_paginator("get_execution_history").paginate(
            executionArn=self.arn, reverseOrder=True, PaginationConfig={"PageSize": 100}
        )
        fresh: list[dict[str, Any]] = []
        for event in (event for page in pages for event in page["events"]):
            if event["id"] <= self.last_event_id:
                break
            fresh.append(event)
        if fresh:
            self.last_event_id = fresh[0]["id"]
        yield from reversed(fresh)

    def print_news(self) -> bool:
        """Say what has happened since the last call; whether anything has."""
        before = self.last_event_id
        for event in self.new_events():
            self._note_version(event)
            if event["type"] in TOLD:
                self._entered(event)
        self._print_progress()
        return self.last_event_id > before

    def _entered(self, event: dict[str, Any]) -> None:
        name = event["stateEnteredEventDetails"]["name"]
        # The states of a poll loop come again and again: once is enough for a reader.
        if name in self.states_seen:
            return
        self.states_seen.add(name)
        passed = event["timestamp"].timestamp() - self.started_at
        self.say(f"  {passed:7.1f} s  {name}")

    def _note_version(self, event: dict[str, Any]) -> None:
        details = event.get("taskSucceededEventDetails", {})
        if details.get("resource") == "createProjectVersion":
            self.version_arn = json.loads(details.get("output", "{}")).get("ProjectVersionArn", "")

    def _print_progress(self) -> None:
        ours = self.endpoint.customlabels
        if not ours or not self.version_arn or time.monotonic() - self.progress_at < PROGRESS_EVERY_SECONDS:
            return
        self.progress_at = time.monotonic()
        training = ours.describe_training(ProjectVersionArn=self.version_arn)
        text = progress_line(training)
        if text and text != self.progress_said:
            self.progress_said = text
            self.say(f"             {text}")


def progress_line(training: dict[str, Any]) -> str:
    """A training's progress in one line; empty where there is nothing to say yet."""
    if training["Status"] != "TRAINING_IN_PROGRESS":
        return ""
    if training["State"] == "QUEUED":
        return "waiting for another training to end"
    told = [form.format(training[name]) for name, form in PROGRESS.items() if name in training]
    if training.get("Steps"):
        told.insert(1, f"{training.get('Step', 0) / training['Steps']:.0%}")
    return "  ".join(told)


def follow(endpoint: Reached, arn: str) -> dict[str, Any]:
    """Print an execution's way until it ends or waits for a person; returns its description."""
    description: dict[str, Any] = endpoint.states.describe_execution(executionArn=arn)
    follower = Follower(endpoint, arn, started_at=description["startDate"].timestamp())
    pause = FIRST_POLL_SECONDS
    while True:
        description = endpoint.states.describe_execution(executionArn=arn)
        has_news = follower.print_news()
        if description["status"] not in OPEN or (has_news and approval_token(endpoint.states, arn)):
            return description
        pause = FIRST_POLL_SECONDS if has_news else min(pause * 1.5, LAST_POLL_SECONDS)
        time.sleep(POLL_SECONDS if endpoint.customlabels else pause * random.uniform(0.7, 1.0))


def approval_token(states: Any, arn: str) -> str | None:
    """The token with which a person answers a run that waits for approval; None where it does not wait."""
    events = states.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=10)["events"]
    for event in events:
        if event["type"] not in ("TaskSubmitted", "TaskStarted", "TaskScheduled"):
            return None
        details = event.get("taskScheduledEventDetails", {})
        if details.get("resource") == APPROVAL:
            return str(json.loads(details["parameters"])["Message"]["TaskToken"])
    return None


def execution_result(description: dict[str, Any]) -> dict[str, Any]:
    """An execution as `--json` prints it: its place, status, and the output or the error."""
    result = {
        "ExecutionArn": description["executionArn"],
        "Name": description["name"],
        "Status": description["status"],
        "StartDate": description["startDate"].isoformat(),
    }
    if "stopDate" in description:
        result["StopDate"] = description["stopDate"].isoformat()
    for name in ("error", "cause"):
        if name in description:
            result[name.capitalize()] = description[name]
    if "output" in description:
        output = json.loads(description["output"])
        result |= output if isinstance(output, dict) else {"Output": output}
    return result


def exit_after(result: dict[str, Any]) -> Exit:
    """The exit code that tells a script how an execution ended, or that it waits for a person."""
    if result["Status"] in OPEN:
        return Exit.UNDECIDED
    if result["Status"] == "SUCCEEDED":
        return AFTER_DECISION.get(result.get("Decision", ""), Exit.DONE)
    return AFTER_STATUS.get(result["Status"], Exit.FAILED)


def show_verdict(result: dict[str, Any], flags: str = "") -> None:
    """The verdict with its numbers on stdout, and the next command to type, with `flags`, on stderr."""
    name = result["ExecutionArn"] if flags else result["Name"]
    if result["Status"] in OPEN:
        show(f"WAITING  {result['Name']} waits for approval")
        say(
            f"approve it:  customlabels approve {name}{flags}\nrefuse it:   customlabels refuse {name}{flags}"
        )
        return
    if result["Status"] != "SUCCEEDED":
        show(f"{result['Status']}  {result['Name']}")
        show(f"{result.get('Error', 'no error name')}: {result.get('Cause', 'no cause given')}")
        say(f"every step:  customlabels follow {name}{flags}")
        if "ReportPage" in result:
            say(f"read why:    {result['ReportPage']}")
        return
    version = result.get("ProjectVersionArn", "")
    score, threshold = result.get("F1Score"), result.get("F1Threshold", 0)
    sign = ">" if score is not None and score > threshold else "<="
    shown = "no F1 score" if score is None else f"F1 {score:.4f} {sign} {threshold}"
    show(f"{result.get('Decision', 'DONE')}  {shown}  (test set)")
    for reason in result.get("Reasons", []):
        show(f"  {reason}")
    show(f"model   {version}")
    show(f"report  {result.get('Report', '')}")
    say(f"read why: {result.get('ReportPage') or f'customlabels report {name}{flags}'}")
    project = version.split("/")[1] if version.count("/") > 1 else ""
    if result.get("Decision") == "DEPLOYED":
        if not flags:
            say(f"ask it:   customlabels detect {project} IMAGE")
        say(f"stop it:  customlabels stop {version if flags else project}{flags}")
