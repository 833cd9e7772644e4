"""What a history says of its states: each visit of one, with its times, attempts and how it ended.

Layer: console. Pure; events go in as the API gives them, in order, a few or all at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Event = Mapping[str, Any]
FAILURES = ("Failed", "TimedOut")  # endings of the types of events that a Retry or a Catch may answer
BAD_ENDS = ("ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted")
WAITS_FOR_TOKEN = ".waitForTaskToken"  # noqa: S105 - a pattern of ASL


@dataclass
class Visit:
    """One stay in a state. `entered` and the others of `events` are event ids; times are epoch seconds."""

    name: str
    kind: str
    entered: int
    began: float
    status: str = "RUNNING"
    ended: float | None = None
    attempts: int = 0
    waits_for_token: bool = False
    error: str = ""
    cause: str = ""
    events: list[int] = field(default_factory=list)


class Journal:
    """The visits of one execution, as far as its events were taken."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.visits: list[Visit] = []
        self.last_event = 0
        self.last_time = 0.0
        self.trained = 0  # the event whose output names the version that was trained
        self._before: dict[int, int] = {}  # event -> the one that led to it
        self._at: dict[int, Visit] = {}  # event -> its visit
        self._cut_off: list[Visit] = []  # by the end of the execution
        self.take(events)

    def take(self, events: Iterable[Event]) -> None:
        """Go on with the next events."""
        for event in events:
            self.last_event, self.last_time = event["id"], event["timestamp"]
            self._before[event["id"]] = event.get("previousEventId", 0)
            self._note(event)

    @property
    def statuses(self) -> dict[str, str]:
        """How each state fared, by name; of several visits one that is open, else the last."""
        last = {visit.name: visit.status for visit in self.visits}
        return last | {visit.name: visit.status for visit in self.visits if visit.ended is None}

    def last_visit(self, name: str) -> Visit | None:
        """The last stay in the state of this name."""
        return next((visit for visit in reversed(self.visits) if visit.name == name), None)

    def rows(self) -> dict[str, list[Visit]]:
        """The visits by state, in the order in which states were first entered."""
        found: dict[str, list[Visit]] = {}
        for visit in self.visits:
            found.setdefault(visit.name, []).append(visit)
        return found

    def state_of(self, event: int) -> str:
        """The name of the state that an event belongs to; empty for one of the execution itself."""
        visit = self._at.get(event)
        return visit.name if visit else ""

    def _note(self, event: Event) -> None:
        type_, details = event["type"], details_of(event)
        if type_.endswith("StateEntered"):
            kind = type_.removesuffix("StateEntered")
            visit = Visit(details["name"], kind, event["id"], event["timestamp"])
            self.visits.append(visit)
        elif type_ in BAD_ENDS:
            for open_one in self.visits:
                if open_one.ended is None:
                    open_one.status, open_one.ended = "FAILED", event["timestamp"]
                    self._cut_off.append(open_one)
            return
        elif type_ == "ExecutionRedriven":  # it goes on in the states in which it was cut off
            for open_one in self._cut_off:
                open_one.status, open_one.ended = "RUNNING", None
            self._cut_off.clear()
            return
        else:
            name = details.get("name") if type_.endswith("StateExited") else None
            found = next((v for v in self._ways(event["id"]) if name in (None, v.name)), None)
            if found is None or (name is None and found.ended is not None):
                return
            visit = found
            self._went_on(visit, event)
        visit.events.append(event["id"])
        self._at[event["id"]] = visit

    def _ways(self, event: int) -> Iterator[Visit]:
        """The visits on the way to an event, the last first, each once for each of its events."""
        while event := self._before.get(event, 0):
            if event in self._at:
                yield self._at[event]

    def _went_on(self, visit: Visit, event: Event) -> None:
        type_, details = event["type"], details_of(event)
        if type_.endswith("StateExited"):
            visit.status = "CAUGHT" if visit.status == "RETRYING" else "SUCCEEDED"
            visit.ended = event["timestamp"]
        elif type_.endswith(FAILURES):
            visit.status = "RETRYING"
            visit.error, visit.cause = details.get("error", ""), details.get("cause", "")
        elif type_ == "TaskSucceeded" and details.get("resource") == "createProjectVersion":
            self.trained = event["id"]
        elif type_.endswith("Scheduled"):
            visit.status = "RUNNING"
            visit.attempts += 1
            visit.waits_for_token = str(details.get("resource", "")).endswith(WAITS_FOR_TOKEN)


def details_of(event: Event) -> Mapping[str, Any]:
    """What an event says beyond its type; empty for one that says nothing."""
    return next((value for name, value in event.items() if name.endswith("EventDetails")), {})


def kind_of(event: Event) -> str:
    """Which of the filters of the event table an event is for."""
    type_ = event["type"]
    if type_.endswith((*FAILURES, "Aborted")):
        return "errors"
    return "states" if "State" in type_ else "tasks"
