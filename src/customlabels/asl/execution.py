"""The snapshot of an execution: all that must be remembered between two decisions.

It is plain JSON, names states by place and name, and carries a version. Each thread of control (the root,
a branch, an iteration) keeps the id of its own last event, so `previousEventId` is right in the midst of
others. Timers are times in it, not things that run.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

from customlabels.asl.documents import Json
from customlabels.errors import InvalidInput

__all__ = ["Execution", "Thread", "next_wakeup"]

VERSION = 1


@dataclass
class Thread:
    """One thread of control; changed only inside a decision, on a copy.

    phase: "enter" (the state is next), "again" (its work is to be repeated), "woken" (its wait is over),
    "waiting", "retrying" (until `wake`), "task", "started", "submitted" (until the task ends), "children"
    (until they end)
    last: id of the thread's last event    entered, entered_at: id and time of the state's entered event
    retries: matches by the retrier's index    item: index and value of a Map's item
    task: id of the open task's scheduling event    results: output texts of the children by index
    """

    id: int
    workflow: str
    state: str
    input: str
    last: int
    parent: int | None = None
    index: int = 0
    phase: str = "enter"
    entered: int = 0
    entered_at: float = 0.0
    variables: dict[str, Json] = field(default_factory=dict)
    item: list[Json] | None = None
    retries: dict[str, int] = field(default_factory=dict)
    retry_count: int = 0
    wake: float | None = None
    task: int | None = None
    results: dict[str, str] = field(default_factory=dict)
    started_children: int = 0
    total_children: int = 0

    def to_json(self) -> dict[str, Json]:
        """Only what differs from the defaults, so that many threads stay small."""
        blank = Thread(0, "", "", "", 0)
        return {
            name: value
            for name, value in asdict(self).items()
            if name in ("id", "workflow", "state", "input", "last") or value != getattr(blank, name)
        }


@dataclass(frozen=True)
class Execution:
    """The state of an execution. status: RUNNING, SUCCEEDED, FAILED, ABORTED or TIMED_OUT.

    next_event, next_thread: the next ids    ready: threads that can go on at once    deadline: epoch seconds
    """

    arn: str
    name: str
    role_arn: str
    machine_arn: str
    machine_name: str
    input: str
    start_time: float
    status: str = "RUNNING"
    next_event: int = 1
    next_thread: int = 1
    threads: tuple[Thread, ...] = ()
    ready: tuple[int, ...] = ()
    deadline: float | None = None

    def to_json(self) -> dict[str, Json]:
        """Plain JSON that from_json reads."""
        values = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        values["threads"] = [thread.to_json() for thread in self.threads]
        return {"version": VERSION, **values, "ready": list(self.ready)}

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Execution:
        """The snapshot of to_json; raises InvalidInput for another version or other data."""
        values = copy.deepcopy(dict(data))
        version = values.pop("version", None)
        if version != VERSION:
            raise InvalidInput(
                f"execution snapshot of version {version}; this engine reads version {VERSION}"
            )
        try:
            values["threads"] = tuple(Thread(**thread) for thread in values["threads"])
            values["ready"] = tuple(values["ready"])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise InvalidInput(f"execution snapshot: {error}") from None


def next_wakeup(execution: Execution) -> float | None:
    """When a TimerDue is needed next, in epoch seconds; 0.0 for at once, None for never."""
    if execution.status != "RUNNING":
        return None
    if execution.ready:
        return 0.0
    times = [thread.wake for thread in execution.threads if thread.wake is not None]
    if execution.deadline is not None:
        times.append(execution.deadline)
    return min(times, default=None)
