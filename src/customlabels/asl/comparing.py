"""Two histories of one definition, event by event: what differs though nothing about the run explains it.

Times, accounts, regions, request ids and the names that each run has for itself are left out; ids,
predecessors, types and all other details have to be the same. Branches and iterations that ran side by side
may have come in another order: then each event needs one of its kind under the same kind of predecessor.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from customlabels.asl.documents import Json

ARN = re.compile(r"arn:aws[a-z-]*:(?P<service>[a-z0-9-]+):[a-z0-9-]*:\d*:(?P<resource>[^\s\"',\\]+)")
# What each run has for itself in an ARN's resource comes after this, by service; elsewhere is nothing.
RUN_NAMES = {
    "states": re.compile(r"^(execution:|stateMachine:|express:|mapRun:).+"),
    "iam": re.compile(r"^(role/).+"),
    "rekognition": re.compile(r"(/)\d{13}(?=/|$)"),
}
TEXTS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)"), "<time>"),
    (re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"), "<id>"),
    (re.compile(r"(Request ID: )[^\s,;)]+"), r"\1<id>"),
)
# Members that say when, where and by whom, wherever they stand.
LEFT_OUT = {"timestamp", "region", "roleArn", "RoleArn", "SdkHttpMetadata", "SdkResponseMetadata"}
LEFT_OUT |= {"TaskToken", "taskToken", "RequestId"}
FORKS = ("ParallelStateStarted", "MapStateStarted")
# Their predecessor is whichever branch or iteration ended last.
JOINS = re.compile(r"(?:Parallel|Map)State(?:Succeeded|Failed|Aborted|Exited)")

Event = Mapping[str, Json]


@dataclass(frozen=True)
class Difference:
    """Where two histories part. event: the number in the history    path: "" for the whole event."""

    event: int
    path: str
    local: Json
    other: Json


def differences(local: Sequence[Event], other: Sequence[Event]) -> list[Difference]:
    """What is different between two histories as the API tells them, in the order of the events."""
    ours, theirs = ([_normal(event) for event in sorted(events, key=_id)] for events in (local, other))
    found = list(_in_order(ours, theirs))
    if found and any(event.get("type") in FORKS for event in ours):
        found = list(_in_any_order(ours, theirs))
    return found


def _id(event: Event) -> int:
    return int(event.get("id", 0))


def _normal(value: Json) -> Json:
    """A value without what each run has for itself; JSON texts become what they hold."""
    if isinstance(value, Mapping):
        return {_text(name): _normal(inner) for name, inner in value.items() if name not in LEFT_OUT}
    if isinstance(value, list):
        return [_normal(inner) for inner in value]
    if not isinstance(value, str):
        return value
    if value[:1] in ("{", "["):
        try:
            return _normal(json.loads(value))
        except ValueError:
            pass
    return _text(value)


def _text(text: str) -> str:
    for pattern, shown in TEXTS:
        text = pattern.sub(shown, text)
    return ARN.sub(_without_place, text)


def _without_place(match: re.Match[str]) -> str:
    service, resource = match["service"], match["resource"]
    if service in RUN_NAMES:
        resource = RUN_NAMES[service].sub(r"\1<name>", resource)
    return f"arn:aws:{service}:::{resource}"


def _in_order(ours: Sequence[Event], theirs: Sequence[Event]) -> Iterator[Difference]:
    for number, (mine, yours) in enumerate(zip_longest(ours, theirs), 1):
        for path, one, two in _unequal(mine, yours, ""):
            yield Difference(number, path, one, two)


def _unequal(one: Any, two: Any, path: str) -> Iterator[tuple[str, Json, Json]]:
    if isinstance(one, dict) and isinstance(two, dict):
        for name in sorted(one.keys() | two.keys()):
            yield from _unequal(one.get(name), two.get(name), f"{path}.{name}".lstrip("."))
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for index, (first, second) in enumerate(zip(one, two, strict=True)):
            yield from _unequal(first, second, f"{path}[{index}]")
    elif one != two or type(one) is not type(two):
        yield path, one, two


def _in_any_order(ours: Sequence[Event], theirs: Sequence[Event]) -> Iterator[Difference]:
    mine, yours = _kinds(ours), _kinds(theirs)
    for number, kind in enumerate(mine, 1):
        if kind in yours:
            yours.remove(kind)
        else:
            yield Difference(number, "", ours[number - 1], None)
    left = _kinds(theirs)
    for kind in yours:
        at = left.index(kind)
        yield Difference(at + 1, "", None, theirs[at])


def _kinds(events: Sequence[Event]) -> list[str]:
    """Each event as a text, with what it is and follows, without the ids."""
    by_id = {event["id"]: event for event in events}

    def kind(event: Event) -> str:
        follows = None
        if not JOINS.fullmatch(str(event["type"])):
            follows = _who(by_id.get(event.get("previousEventId")))
        bare = {name: value for name, value in event.items() if name not in ("id", "previousEventId")}
        return json.dumps([bare, follows], sort_keys=True)

    return [kind(event) for event in events]


def _who(event: Event | None) -> list[Json]:
    if event is None:
        return []
    details: Json = next((value for name, value in event.items() if name.endswith("EventDetails")), {})
    return [event["type"], details.get("name"), details.get("index")]
