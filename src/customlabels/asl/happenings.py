"""What comes into a decision and what goes out of it.

In: a happening (the execution starts, a task ends, a timer is due). Out: events for the history, commands
for the shell. All are plain frozen values.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from customlabels.asl.documents import Json
from customlabels.errors import InvalidInput


@dataclass(frozen=True)
class ExecutionStarted:
    """The first happening. input: the JSON text as the caller wrote it; start_time: epoch seconds."""

    input: str
    execution_arn: str
    execution_name: str
    role_arn: str
    machine_arn: str
    machine_name: str
    start_time: float


@dataclass(frozen=True)
class TaskHappening:
    """News of the task that was scheduled under this id."""

    task_id: int


@dataclass(frozen=True)
class TaskStarted(TaskHappening):
    """Someone took the task. worker: the name that an activity's worker gave."""

    worker: str | None = None


@dataclass(frozen=True)
class TaskSubmitted(TaskHappening):
    """The call of a `.sync` or `.waitForTaskToken` task was accepted; output: its answer, a JSON text."""

    output: str


@dataclass(frozen=True)
class TaskSucceeded(TaskHappening):
    """The task ended well. output: its result, a JSON text."""

    output: str


@dataclass(frozen=True)
class TaskFailed(TaskHappening):
    """The task failed; error and cause are None where the failing side gave none."""

    error: str | None = None
    cause: str | None = None


class TaskTimedOut(TaskHappening):
    """The task took longer than its TimeoutSeconds."""


class TaskHeartbeatMissed(TaskHappening):
    """The task gave no sign of life for its HeartbeatSeconds."""


@dataclass(frozen=True)
class TimerDue:
    """It is time to look at the waits, the retries and the execution's deadline; `now` decides which."""


@dataclass(frozen=True)
class Continue:
    """Go on with a decision that came back with `ready`."""


@dataclass(frozen=True)
class Abort:
    """Someone stops the execution."""

    error: str | None = None
    cause: str | None = None


Happening = ExecutionStarted | TaskHappening | TimerDue | Continue | Abort


@dataclass(frozen=True)
class Event:
    """One event of the history. details: None for the types that have none. timestamp: epoch seconds."""

    id: int
    previous_id: int
    type: str
    timestamp: float
    details: Mapping[str, Json] | None = None

    def to_api(self) -> dict[str, Json]:
        """The event as GetExecutionHistory reports it."""
        event: dict[str, Json] = {
            "timestamp": self.timestamp,
            "type": self.type,
            "id": self.id,
            "previousEventId": self.previous_id,
        }
        if self.details is not None:
            subject = re.sub(r".+(StateEntered|StateExited)", r"\1", self.type)  # one for all types of state
            event[f"{subject[0].lower()}{subject[1:]}EventDetails"] = dict(self.details)
        return event


def reported(name: str, text: str) -> dict[str, Json]:
    """A text in the details of an event, and that all of it is there."""
    return {name: text, f"{name}Details": {"truncated": False}}


def given(**details: Json) -> dict[str, Json]:
    """The details of an event that have a value."""
    return {name: value for name, value in details.items() if value is not None}


@dataclass(frozen=True)
class ScheduleTask:
    """Run this task. task_id: the id of its scheduling event; it names the task in every later happening.

    parameters: the JSON value for the resource; timeout and heartbeat: seconds, None without one.
    """

    task_id: int
    state_name: str
    resource: str
    parameters: Json
    timeout_seconds: int | None = None
    heartbeat_seconds: int | None = None


@dataclass(frozen=True)
class CancelTask:
    """The result of this task is not wanted any more."""

    task_id: int


@dataclass(frozen=True)
class Finish:
    """The execution is over. status: SUCCEEDED (with output), FAILED, ABORTED or TIMED_OUT."""

    status: str
    output: str | None = None
    error: str | None = None
    cause: str | None = None


Command = ScheduleTask | CancelTask | Finish


@dataclass(frozen=True)
class Rules:
    """What the shell may set.

    wait_scale: below 1 it shortens Wait states; such a wait lasts at least wait_floor_seconds, and never
    longer than it is written    max_events, max_payload_bytes: the limits of the service
    events_per_decision: about how many events one decision makes before it comes back with `ready`
    token_of: the task token for a task id; pure    missing: ARNs of activities that do not exist
    """

    wait_scale: float = 1.0
    wait_floor_seconds: float = 0.25
    max_events: int = 25_000
    max_payload_bytes: int = 262_144
    events_per_decision: int = 500
    token_of: Callable[[int], str] = "task-{}".format
    missing: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not (0 <= self.wait_scale < math.inf and 0 <= self.wait_floor_seconds < math.inf):
            raise InvalidInput("wait scale and floor must be numbers of 0 or more")
        if self.max_events < 2 or self.max_payload_bytes < 2 or self.events_per_decision < 1:
            raise InvalidInput("the limits of events and payload must be at least 2, events per decision 1")

    def wait(self, seconds: float) -> float:
        """How long a wait of so many seconds lasts."""
        return min(seconds, max(self.wait_floor_seconds, seconds * self.wait_scale))
