"""An execution: the snapshot that is remembered between two decisions, and the working copy during one.

The snapshot is plain JSON, names states by place and name, and carries a version. Each thread of control
(the root, a branch, an iteration) keeps the id of its own last event, so `previousEventId` is right in the
midst of others. Timers are times in it, not things that run.
"""

import copy
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Self

from customlabels.asl.documents import Document, Json, format_time
from customlabels.asl.expressions import Scope
from customlabels.asl.happenings import CancelTask, Command, Event, ExecutionStarted, Rules
from customlabels.asl.machines import Flow, Machine, State
from customlabels.errors import InvalidInput

VERSION = 1
RETRYING_KINDS = ("Task", "Parallel", "Map")  # their context object has State.RetryCount


@dataclass
class Thread:
    """One thread of control; changed only inside a decision, on a copy.

    phase: "enter" (the state is next), "again" (its work is to be repeated), "woken" (its wait is over),
    "waiting", "retrying" (until `wake`), "task", "started", "submitted" (until the task ends), "children"
    (until they end)
    last: id of the thread's last event    entered, entered_at: id and time of the state's entered event
    before: id of the event before that one
    retries: matches by the retrier's index    item: index and value of a Map's item
    task: id of the open task's scheduling event    results: output texts of the children by index
    """

    id: int = 0
    workflow: str = ""
    state: str = ""
    input: str = ""
    last: int = 0
    parent: int | None = None
    index: int = 0
    phase: str = "enter"
    before: int = 0
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
        return {name: value for name, value in vars(self).items() if value != BLANK[name]}


BLANK = vars(Thread())


@dataclass(frozen=True)
class Execution:
    """An execution as it started, and where it is. status: RUNNING, SUCCEEDED, FAILED, ABORTED or TIMED_OUT.

    next_event, next_thread: the next ids    ready: threads that can go on at once    deadline: epoch seconds
    redrive_count: how often it was let go on after a bad end
    """

    started: ExecutionStarted
    status: str = "RUNNING"
    next_event: int = 1
    next_thread: int = 1
    threads: tuple[Thread, ...] = ()
    ready: tuple[int, ...] = ()
    deadline: float | None = None
    redrive_count: int = 0

    def to_json(self) -> dict[str, Json]:
        """Plain JSON that from_json reads, to be written out at once: it shares its values."""
        threads = [thread.to_json() for thread in self.threads]
        return {"version": VERSION, **vars(self), "started": vars(self.started), "threads": threads}

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Self:
        """The snapshot of to_json; raises InvalidInput for another version or other data."""
        values = dict(data)
        found = values.pop("version", None)
        if found != VERSION:
            raise InvalidInput(f"execution snapshot of version {found}; this engine reads version {VERSION}")
        try:
            values["started"] = ExecutionStarted(**values["started"])
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
    times = (execution.deadline, *(thread.wake for thread in execution.threads))
    return min((time for time in times if time is not None), default=None)


class HistoryFull(Exception):
    """The next event would be one too many."""


@dataclass(frozen=True)
class Leave:
    """A state's work is done. next: None ends the workflow; flow: how the result becomes the output."""

    result: Document
    next: str | None
    flow: Flow


class Run:
    """The working copy: the threads during one decision, and what was decided so far.

    queue: ids of the threads that can go on, in order    items: of Map threads, read once a decision
    """

    def __init__(self, machine: Machine, execution: Execution, now: float, seed: str, rules: Rules) -> None:
        self.machine, self.execution, self.now, self.rules = machine, execution, now, rules
        self.chance = Random(seed)
        self.threads = {thread.id: copy.copy(thread) for thread in execution.threads}
        for thread in self.threads.values():
            thread.retries, thread.results = dict(thread.retries), dict(thread.results)
        self.queue = deque(execution.ready)
        self.next_event, self.next_thread = execution.next_event, execution.next_thread
        self.status = execution.status
        self.events: list[Event] = []
        self.commands: list[Command] = []
        self.items: dict[int, list[Json]] = {}
        self._input = Document(text=execution.started.input)

    def snapshot(self) -> Execution:
        """The execution after this decision."""
        return replace(
            self.execution,
            status=self.status,
            next_event=self.next_event,
            next_thread=self.next_thread,
            threads=tuple(self.threads.values()),
            ready=tuple(thread for thread in self.queue if thread in self.threads),
        )

    def state(self, thread: Thread) -> State[Any]:
        """The state that the thread is in."""
        return self.machine.workflows[thread.workflow].states[thread.state]

    def emit(self, kind: str, previous: int, details: Mapping[str, Json] | None = None) -> int:
        """Add an event to the history and return its id; raises HistoryFull."""
        if self.next_event >= self.rules.max_events and not kind.startswith("Execution"):
            raise HistoryFull
        event = Event(self.next_event, previous, kind, self.now, details)
        self.events.append(event)
        self.next_event += 1
        return event.id

    def advance(self, thread: Thread, kind: str, details: Mapping[str, Json] | None = None) -> None:
        """Add an event that follows the thread's last one and becomes its last."""
        thread.last = self.emit(kind, thread.last, details)

    def spawn(self, parent: Thread, index: int, workflow: str, text: str, last: int) -> Thread:
        """A child thread at the start of a workflow, ready to go; it sees the parent's variables."""
        child = Thread(
            id=self.next_thread,
            workflow=workflow,
            state=self.machine.workflows[workflow].start_at,
            input=text,
            last=last,
            parent=parent.id,
            index=index,
            variables=dict(parent.variables),
            item=parent.item,
        )
        self.next_thread += 1
        self.threads[child.id] = child
        self.queue.append(child.id)
        return child

    def children(self, thread: Thread) -> list[Thread]:
        """The threads that work for this one, in the order of their index."""
        found = (child for child in self.threads.values() if child.parent == thread.id)
        return sorted(found, key=lambda child: child.index)

    def drop(self, thread: Thread) -> None:
        """Forget a thread and all below it; its open tasks are cancelled."""
        for child in self.children(thread):
            self.drop(child)
        if thread.task is not None:
            self.commands.append(CancelTask(thread.task))
        del self.threads[thread.id]

    def scope(self, thread: Thread, *, item: list[Json] | None = None, token: str | None = None) -> Scope:
        """What the thread sees; item: of the Map iteration about to start; token: of its task."""

        def context() -> Json:
            return self._context(thread, item or thread.item, token)

        return Scope(Document(text=thread.input), context, thread.variables, self.chance, self.now)

    def entered(self, thread: Thread, *, item: list[Json] | None = None, token: str | None = None) -> Scope:
        """The same over the effective input of the thread's state; raises Failure."""
        return self.state(thread).flow.enter(self.scope(thread, item=item, token=token))

    def _context(self, thread: Thread, item: list[Json] | None, token: str | None) -> Json:
        started = self.execution.started
        state: dict[str, Json] = {"EnteredTime": format_time(thread.entered_at), "Name": thread.state}
        if self.state(thread).kind in RETRYING_KINDS:
            state["RetryCount"] = thread.retry_count
        context: dict[str, Json] = {
            "Execution": {
                "Id": started.execution_arn,
                "Input": self._input.value,
                "StartTime": format_time(started.start_time),
                "Name": started.execution_name,
                "RoleArn": started.role_arn,
                "RedriveCount": self.execution.redrive_count,
            },
            "StateMachine": {"Id": started.machine_arn, "Name": started.machine_name},
            "State": state,
        }
        if item is not None:
            context["Map"] = {"Item": {"Index": item[0], "Value": item[1]}}
        if token is not None:
            context["Task"] = {"Token": token}
        return context
