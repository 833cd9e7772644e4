"""One run's next advance: what has happened to it is fed to the interpreter, what follows is collected.

Layer: workflows. Pure: the result is written elsewhere, in one transaction, if the run is still as it was
read; otherwise all of it is dropped and computed anew.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial

from customlabels.asl import (
    CancelTask,
    Event,
    ExecutionStarted,
    Finish,
    Happening,
    Machine,
    Rules,
    ScheduleTask,
    TaskStarted,
    decide,
    next_wakeup,
    parse,
)
from customlabels.asl import Execution as Snapshot
from customlabels.workflows.journal import Advance, Run
from customlabels.workflows.redriving import point_of_failure
from customlabels.workflows.tasks import TaskRow, is_activity, token_of


@lru_cache(maxsize=64)
def machine_of(definition: str) -> Machine:
    """The machine of a definition that was checked when it was written."""
    return parse(definition)


def snapshot_text(snapshot: Snapshot) -> str:
    """A snapshot as it is stored."""
    return json.dumps(snapshot.to_json(), separators=(",", ":"))


def read_snapshot(text: str) -> Snapshot:
    """The snapshot of a text; InvalidInput for another version's."""
    return Snapshot.from_json(json.loads(text))


def first_happening(run: Run) -> ExecutionStarted:
    """The start of a run."""
    machine_name = run.machine_arn.rpartition(":")[2]
    name = run.name.partition(":")[0]  # of an express execution a number of its own follows
    return ExecutionStarted(
        run.input, run.arn, name, run.role_arn, run.machine_arn, machine_name, run.started_at
    )


class Advancing:
    """An advance in the making. Raises InvalidInput where definition, snapshot or happening are unusable."""

    def __init__(self, run: Run, now: float, rules: Rules) -> None:
        """now: epoch seconds, of every event that follows."""
        self._run = run
        self._now = now
        self._rules = replace(rules, token_of=partial(token_of, run.arn))
        self._machine = machine_of(run.definition)
        self._snapshot = None if run.state is None else read_snapshot(run.state)
        self._kept: Snapshot | None = None  # of an end that is not the good one: from before it
        self._advance = Advance(run, run.seq, run.state)

    def feed(self, happening: Happening) -> None:
        """Let the interpreter decide about one happening; after the end nothing has an effect."""
        advance = self._advance
        if advance.end:
            return
        # The same run at the same number draws the same chances, also when a power cut makes us decide again.
        seed = f"{advance.run.arn}#{advance.seq}"
        decision = decide(self._machine, self._snapshot, happening, self._now, seed, self._rules)
        if decision.state.status not in ("RUNNING", "SUCCEEDED"):
            conditions = (self._now, seed, self._rules)
            self._kept = point_of_failure(self._machine, self._snapshot, happening, decision, conditions)
        self._snapshot = decision.state
        advance.seq += 1
        advance.events += decision.events
        for command in decision.commands:
            if isinstance(command, ScheduleTask):
                advance.added.append(self._task(command))
            elif isinstance(command, CancelTask):
                advance.cancelled.append(token_of(advance.run.arn, command.task_id))
            elif isinstance(command, Finish):
                advance.end = command

    def change_task(self, task: TaskRow, happening: Happening, changed: TaskRow) -> None:
        """Feed news of a task and have its row changed; nothing for a task not wanted any more."""
        if not self._advance.end and task.token not in self._advance.cancelled:
            self.feed(happening)
            self._advance.changed.append((task, changed))

    def begin_tasks(self, waiting: list[TaskRow], begin: Callable[[TaskRow], TaskRow | None]) -> None:
        """Begin tasks that waited, and those scheduled just now, as far as `begin` has a place for them.

        Their started events are in the advance: a task runs only after the commit that tells of it.
        """
        advance = self._advance
        for task in [*waiting, *advance.added]:
            if advance.end or task.token in advance.cancelled or task.status == "OFFERED":
                continue
            started = begin(task)
            if started is None:
                break
            self.feed(TaskStarted(task.event_id))
            if task in advance.added:
                advance.added[advance.added.index(task)] = started
            else:
                advance.changed.append((task, started))

    def result(self) -> Advance:
        """The advance, to be written."""
        assert self._snapshot is not None
        advance = self._advance
        # 0 asks for "at once"; the time of asking keeps the runs in the order of their turns.
        due = next_wakeup(self._snapshot)
        advance.ready_at = self._now if due == 0 else due
        kept = self._kept if advance.end else self._snapshot
        advance.state = None if kept is None else snapshot_text(kept)
        return advance

    def _task(self, command: ScheduleTask) -> TaskRow:
        arn = self._run.arn
        return TaskRow(
            token=token_of(arn, command.task_id),
            execution_arn=arn,
            event_id=command.task_id,
            resource=command.resource,
            parameters=json.dumps(command.parameters, separators=(",", ":")),
            timeout_seconds=command.timeout_seconds,
            heartbeat_seconds=command.heartbeat_seconds,
            created_at=self._now,
            status="OFFERED" if is_activity(command.resource) else "SCHEDULED",
        )


def broken_off(run: Run, last_event: int, error: Exception, now: float) -> Advance:
    """The end of a run that the interpreter fails on: a defect, which deciding again would only repeat."""
    cause = f"The engine cannot go on with this execution: {type(error).__name__}: {error}"
    details = {"error": "States.Runtime", "cause": cause}
    event = Event(last_event + 1, last_event, "ExecutionFailed", now, details)
    end = Finish("FAILED", error="States.Runtime", cause=cause)
    return Advance(run, run.seq + 1, run.state, events=[event], end=end)
