"""A state machine as parsed: frozen values that the interpreter walks.

A machine holds workflows by their place in the definition: the root at "", a branch at
"/States/Both/Branches[0]", a Map's processor at "/States/Each/ItemProcessor". A snapshot names a state by
the place of its workflow and its own name, so it needs no copy of the definition.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Protocol, Self, TypeAlias, TypeVar

from customlabels.asl.choices import Condition
from customlabels.asl.documents import Document, Json
from customlabels.asl.expressions import Expression, Scope, Template, read_field
from customlabels.asl.failures import Failure
from customlabels.asl.jsonata import Query
from customlabels.asl.paths import WHOLE, Path, PathMissing, write_path

Number: TypeAlias = int | Path | Query  # of a field: written out, or to be read when the state is entered
Note: TypeAlias = Callable[[str, Document], None]
Items: TypeAlias = Path | Query | Template | None  # of a Map; None is the state's input

EMPTY = Document(text="{}", value={})
MAX_SECONDS = 99_999_999  # of a wait or a timeout, as the service bounds them; not of a point in time
MOST_ITEMS = 100_000_000  # of one map run, as the service bounds them
LONGEST_DELAY = 31_622_400  # seconds: the service's own bound of MaxDelaySeconds

FUNCTION = re.compile(
    r"arn:[a-z0-9-]+:lambda:[a-z0-9-]*:[a-z0-9-]*:function:[A-Za-z0-9_-]+(?::[A-Za-z0-9$_-]+)?"
)
ACTIVITY = re.compile(r"arn:[a-z0-9-]+:states:[a-z0-9-]+:\d+:activity:[^\s\[\]{}?*\"#%\\^|~`$&,;:/<>]{1,80}")
SERVICE = re.compile(
    r"arn:[a-z0-9-]+:states:::(?P<type>aws-sdk:[a-z0-9]+|[a-z0-9-]+):"
    r"(?P<resource>[A-Za-z][A-Za-z0-9]*(?:\.sync:2|\.sync|\.waitForTaskToken)?)"
)


@dataclass(frozen=True)
class DataFlow:
    """How data enters and leaves a state of JSONPath: the fields that move it. None is the JSON null.

    InputPath -> Parameters -> (the state's work) -> ResultSelector -> ResultPath -> OutputPath; Assign sees
    the result and the variables as they were. Every method may raise Failure. The interpreter knows no more
    of a query language than the three.
    """

    input_path: Path | None = WHOLE
    parameters: Template | None = None
    result_selector: Template | None = None
    result_path: tuple[str | int, ...] | None = ()
    output_path: Path | None = WHOLE
    assign: Template | None = None

    def enter(self, scope: Scope) -> Scope:
        """The scope over the effective input."""
        return scope.over(_select(self.input_path, scope))

    def arguments(self, scope: Scope) -> Document:
        """What goes to the state's work; the scope is that of `enter`."""
        return scope.input if self.parameters is None else Document(value=self.parameters(scope))

    def outcome(
        self, raw: Document, result: Document, scope: Scope, note: Note | None = None
    ) -> tuple[Document, dict[str, Json]]:
        """Output and assigned variables; raw is the state's whole input, result what its work gave.

        note: is told what comes out of each filter
        """
        if self.result_selector is not None:
            result = Document(value=self.result_selector(scope.over(result)))
        if note is not None:
            note("afterResultSelector", result)
        assigned = self.assign(scope.over(result)) if self.assign is not None else {}
        if self.result_path is None:
            result = raw
        elif self.result_path:
            try:
                result = Document(value=write_path(raw.value, self.result_path, result.value))
            except PathMissing:
                text = f'Unable to apply step "{self.result_path[-1]}" to input {raw.text}'
                raise Failure("States.ResultPathMatchFailure", text, located=True) from None
        if note is not None:
            note("afterResultPath", result)
        return _select(self.output_path, scope.over(result)), assigned


def _select(path: Path | None, scope: Scope) -> Document:
    if path is None:
        return EMPTY
    return scope.input if path.text == "$" else Document(value=read_field(path, scope))


class Flow(Protocol):
    """What the interpreter knows of a query language: how data enters and leaves a state. See DataFlow."""

    def enter(self, scope: Scope) -> Scope:
        """The scope over the effective input."""
        ...

    def arguments(self, scope: Scope) -> Document:
        """What goes to the state's work; the scope is that of `enter`."""
        ...

    def outcome(self, raw: Document, result: Document, scope: Scope) -> tuple[Document, dict[str, Json]]:
        """Output and assigned variables; raw is the state's whole input, result what its work gave."""
        ...


@dataclass(frozen=True)
class Resource:
    """What a task runs. Whether the shell can run it is the shell's affair; here it only has a name.

    family: "Task", "LambdaFunction" or "Activity", with which the event types begin
    kind, name: `resourceType` and `resource` of the history, empty where the events have none
    """

    arn: str
    family: str
    kind: str = ""
    name: str = ""

    @classmethod
    def of_arn(cls, arn: str) -> Self | None:
        """The resource of an ARN; None for a text that names none."""
        match = SERVICE.fullmatch(arn)
        if match:
            return cls(arn, "Task", match["type"], match["resource"])
        if FUNCTION.fullmatch(arn):
            return cls(arn, "LambdaFunction")
        return cls(arn, "Activity") if ACTIVITY.fullmatch(arn) else None


@dataclass(frozen=True)
class WaitBody:
    """Exactly one is set: seconds, or the point in time (epoch seconds where it is written out)."""

    seconds: Number | None
    until: float | Path | Query | None


@dataclass(frozen=True)
class Rule:
    """A rule of a Choice: where to go, and how data leaves, when its condition holds."""

    condition: Condition
    next: str | None
    flow: Flow


@dataclass(frozen=True)
class ChoiceBody:
    """The rules in order, and where to go when none holds."""

    rules: tuple[Rule, ...]
    default: str | None


@dataclass(frozen=True)
class TaskBody:
    """timeout, heartbeat: seconds; credentials: the role that runs the task."""

    resource: Resource
    timeout: Number | None
    heartbeat: Number | None
    credentials: Template | None


@dataclass(frozen=True)
class Outside:
    """Where items come from, or results go: a call, and how to read or write what it moves."""

    resource: str
    parameters: Template | None
    config: Json
    most_items: Number | None = None


@dataclass(frozen=True)
class Batch:
    """How many items make the input of one child, and what they all get."""

    input: Template | None
    most_items: Number | None
    most_bytes: Number | None


@dataclass(frozen=True)
class Distributed:
    """What a Map has when its iterations are executions of their own.

    definition: of such an execution, as JSON text    label: None where a name is made up
    """

    definition: str
    execution_type: str
    label: str | None
    reader: Outside | None
    batch: Batch | None
    writer: Outside | None


@dataclass(frozen=True)
class MapBody:
    """processor: the place of a workflow; items: None is the state's input; max_concurrency: 0 is no limit.

    tolerated_count, tolerated_percentage: of failed items of a distributed Map, None where it is not said
    """

    processor: str
    items: Items
    selector: Template | None
    max_concurrency: Number
    tolerated_count: Number | None = None
    tolerated_percentage: float | Path | Query | None = None
    distributed: Distributed | None = None


@dataclass(frozen=True)
class FailBody:
    """error, cause: None where the state gives none."""

    error: Expression | None
    cause: Expression | None


B = TypeVar("B")


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
        longest = self.max_delay_seconds or LONGEST_DELAY
        try:
            delay = min(self.interval_seconds * self.backoff_rate ** (failures - 1), longest)
        except OverflowError:
            delay = longest
        return delay * draw if self.full_jitter else delay


@dataclass(frozen=True)
class Catcher:
    """flow: ResultPath and Assign, or Output and Assign, of the catcher, as a data flow of its own."""

    errors: tuple[str, ...]
    next: str | None
    flow: Flow


@dataclass(frozen=True)
class State(Generic[B]):
    """kind: the type as written (`Pass`)    next: None where the state ends its workflow, and in a Choice

    body: what only its type has; of a Pass its constant Result (None without one), of a Parallel the places
    of its branches, of a Succeed nothing, of the others their ...Body
    """

    name: str
    kind: str
    flow: Flow
    body: B
    next: str | None = None
    retriers: tuple[Retrier, ...] = ()
    catchers: tuple[Catcher, ...] = ()


@dataclass(frozen=True)
class Workflow:
    """States with an entry: the machine's own, a branch, or a Map's processor."""

    start_at: str
    states: Mapping[str, State[Any]]


@dataclass(frozen=True)
class Machine:
    """A checked definition. timeout_seconds: of the whole execution, None is without a limit."""

    workflows: Mapping[str, Workflow]
    timeout_seconds: int | None = None

    @cached_property
    def activities(self) -> frozenset[str]:
        """The ARNs of the activities that its tasks name."""
        states = (state for workflow in self.workflows.values() for state in workflow.states.values())
        tasks = (state.body.resource for state in states if state.kind == "Task")
        return frozenset(resource.arn for resource in tasks if resource.family == "Activity")
