"""A state machine as parsed: frozen values that the interpreter walks.

A machine holds workflows by their place in the definition: the root at "", a branch at
"/States/Both/Branches[0]", a Map's processor at "/States/Each/ItemProcessor". A snapshot names a state by
the place of its workflow and its own name, so it needs no copy of the definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from customlabels.asl.choices import Rule
from customlabels.asl.dataflow import JSON_PATH, DataFlow
from customlabels.asl.documents import Document, Json
from customlabels.asl.expressions import Expression, Literal, Template
from customlabels.asl.paths import Path
from customlabels.asl.resources import Resource

__all__ = [
    "Body",
    "Catcher",
    "ChoiceBody",
    "FailBody",
    "Machine",
    "MapBody",
    "ParallelBody",
    "PassBody",
    "Retrier",
    "State",
    "SucceedBody",
    "TaskBody",
    "WaitBody",
    "Workflow",
]


@dataclass(frozen=True)
class PassBody:
    """result: the constant of `Result`, None without one."""

    result: Document | None


@dataclass(frozen=True)
class WaitBody:
    """Exactly one is set: seconds (a number or a path), or the point in time (epoch seconds or a path)."""

    seconds: float | Path | None
    until: float | Path | None


@dataclass(frozen=True)
class ChoiceBody:
    """The rules in order, and where to go when none holds."""

    rules: tuple[Rule, ...]
    default: str | None


@dataclass(frozen=True)
class TaskBody:
    """timeout, heartbeat: seconds, or a path to them; credentials: the role that runs the task."""

    resource: Resource
    timeout: int | Path | None
    heartbeat: int | Path | None
    credentials: Template | None


@dataclass(frozen=True)
class ParallelBody:
    """branches: places of workflows."""

    branches: tuple[str, ...]


@dataclass(frozen=True)
class MapBody:
    """processor: the place of a workflow; max_concurrency: 0 is without a limit."""

    processor: str
    items: Path
    selector: Template | None
    max_concurrency: int | Path


@dataclass(frozen=True)
class SucceedBody:
    """A Succeed state has no work."""


@dataclass(frozen=True)
class FailBody:
    """error, cause: None where the state gives none."""

    error: Literal | Expression | None
    cause: Literal | Expression | None


Body = PassBody | WaitBody | ChoiceBody | TaskBody | ParallelBody | MapBody | SucceedBody | FailBody


@dataclass(frozen=True)
class Retrier:
    """max_delay_seconds: None is without a bound; full_jitter: the delay is drawn from 0 to its length."""

    errors: tuple[str, ...]
    interval_seconds: int = 1
    backoff_rate: float = 2.0
    max_attempts: int = 3
    max_delay_seconds: int | None = None
    full_jitter: bool = False

    def delay(self, failures: int, draw: float) -> float | None:
        """Seconds before the next attempt; None when the attempts are used up.

        failures: how often this retrier has matched in this state so far, from 1    draw: 0..1, for jitter
        """
        if failures > self.max_attempts:
            return None
        longest = float(self.max_delay_seconds) if self.max_delay_seconds is not None else LONGEST_DELAY
        try:
            delay = min(self.interval_seconds * self.backoff_rate ** (failures - 1), longest)
        except OverflowError:
            delay = longest
        return delay * draw if self.full_jitter else delay


LONGEST_DELAY = 31_622_400.0  # seconds: the service's own bound of MaxDelaySeconds


@dataclass(frozen=True)
class Catcher:
    """flow: ResultPath and Assign of the catcher, as a data flow of its own."""

    errors: tuple[str, ...]
    next: str
    flow: DataFlow


@dataclass(frozen=True)
class State:
    """kind is the type as written (`Pass`); next: None where the state ends its workflow."""

    name: str
    kind: str
    body: Body
    flow: DataFlow = JSON_PATH
    next: str | None = None
    retriers: tuple[Retrier, ...] = ()
    catchers: tuple[Catcher, ...] = ()


@dataclass(frozen=True)
class Workflow:
    """States with an entry: the machine's own, a branch, or a Map's processor."""

    start_at: str
    states: Mapping[str, State]


@dataclass(frozen=True)
class Machine:
    """A checked definition. timeout_seconds: of the whole execution, None is without a limit."""

    definition: Mapping[str, Json]
    workflows: Mapping[str, Workflow]
    timeout_seconds: int | None = None

    def state(self, workflow: str, name: str) -> State:
        """The state of that name in the workflow at that place."""
        return self.workflows[workflow].states[name]
