"""The working copy of an execution during one decision: its threads, and what was decided so far."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from customlabels.asl.dataflow import DataFlow
from customlabels.asl.documents import Document, Json
from customlabels.asl.execution import Execution, Thread
from customlabels.asl.expressions import Scope
from customlabels.asl.happenings import CancelTask, Command, Event, Rules
from customlabels.asl.machines import Machine, State
from customlabels.asl.timestamps import format_time

__all__ = ["Block", "HistoryFull", "Leave", "Run", "Step"]

RETRYING_KINDS = ("Task", "Parallel", "Map")  # their context object has State.RetryCount


class HistoryFull(Exception):
    """The next event would be one too many."""


@dataclass(frozen=True)
class Block:
    """The thread waits for a happening."""


@dataclass(frozen=True)
class Leave:
    """The state's work is done.

    result: what it gave    next: where to go (None ends the workflow)    flow: how the result becomes output
    """

    result: Document
    next: str | None
    flow: DataFlow


Step = Block | Leave


class Run:
    """One decision in the making. `queue` holds the ids of the threads that can go on, in order."""

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
        self.items: dict[
            int, list[Json]
        ] = {}  # of Map threads: read once a decision, not kept in the snapshot
        self._input = Document(text=execution.input)

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

    def state(self, thread: Thread) -> State:
        """The state that the thread is in."""
        return self.machine.state(thread.workflow, thread.state)

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
        return sorted(
            (child for child in self.threads.values() if child.parent == thread.id),
            key=lambda child: child.index,
        )

    def drop(self, thread: Thread) -> None:
        """Forget a thread and all below it; its open tasks are cancelled."""
        for child in self.children(thread):
            self.drop(child)
        if thread.task is not None:
            self.commands.append(CancelTask(thread.task))
        del self.threads[thread.id]

    def scope(self, thread: Thread, *, item: list[Json] | None = None, token: str | None = None) -> Scope:
        """What the thread's state sees; item: of the Map iteration about to start; token: of its task."""

        def context() -> Json:
            return self._context(thread, item if item is not None else thread.item, token)

        return Scope(Document(text=thread.input), context, thread.variables, self.chance)

    def _context(self, thread: Thread, item: list[Json] | None, token: str | None) -> Json:
        execution = self.execution
        state: dict[str, Json] = {"EnteredTime": format_time(thread.entered_at), "Name": thread.state}
        if self.state(thread).kind in RETRYING_KINDS:
            state["RetryCount"] = thread.retry_count
        context: dict[str, Json] = {
            "Execution": {
                "Id": execution.arn,
                "Input": self._input.value,
                "StartTime": format_time(execution.start_time),
                "Name": execution.name,
                "RoleArn": execution.role_arn,
                "RedriveCount": 0,
            },
            "StateMachine": {"Id": execution.machine_arn, "Name": execution.machine_name},
            "State": state,
        }
        if item is not None:
            context["Map"] = {"Item": {"Index": item[0], "Value": item[1]}}
        if token is not None:
            context["Task"] = {"Token": token}
        return context
