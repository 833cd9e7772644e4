"""A shell without a disk: it runs an execution with a clock that jumps and tasks that are told their end."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from customlabels.asl import (
    MAP_RUN,
    Continue,
    Decision,
    Event,
    Execution,
    ExecutionStarted,
    Finish,
    Happening,
    Machine,
    Rules,
    ScheduleTask,
    TaskFailed,
    TaskSucceeded,
    TimerDue,
    child_inputs,
    decide,
    exceeds,
    next_wakeup,
    parse,
)

START = 1_700_000_000.0
ACCOUNT = "arn:aws:states:us-east-1:111111111111"

Script = Callable[[ScheduleTask], Sequence[Happening]]


def no_tasks(task: ScheduleTask) -> Sequence[Happening]:
    return [TaskFailed(task.task_id, "Test.NoTask", "this test has no tasks")]


def started(text: str, start_time: float = START) -> ExecutionStarted:
    return ExecutionStarted(
        input=text,
        execution_arn=f"{ACCOUNT}:execution:machine:run-1",
        execution_name="run-1",
        role_arn="arn:aws:iam::111111111111:role/test-sfn-role",
        machine_arn=f"{ACCOUNT}:stateMachine:machine",
        machine_name="machine",
        start_time=start_time,
    )


@dataclass
class Shell:
    """Runs one execution; `decisions` are all that were made, `events` their events in order."""

    machine: Machine
    script: Script = no_tasks
    rules: Rules = field(default_factory=Rules)
    now: float = START
    through_json: bool = True
    decisions: list[Decision] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    tasks: list[ScheduleTask] = field(default_factory=list)
    ended: Finish | None = None

    def map_run(self, command: ScheduleTask) -> Happening:
        """Carry out the plan of a distributed Map whose items are its own: each child is an execution."""
        plan, execution = command.parameters, self.decisions[-1].state
        inputs = child_inputs(self.machine, execution, command.task_id, 0, plan["Items"], self.now, "seed")
        children = [
            Shell(parse(plan["Definition"]), self.script, self.rules, self.now).run(text) for text in inputs
        ]
        failed = [child for child in children if child.status != "SUCCEEDED"]
        if exceeds(len(failed), len(children), plan):
            cause = "The specified tolerated failure threshold was exceeded"
            return TaskFailed(command.task_id, "States.ExceedToleratedFailureThreshold", cause)
        outputs = ",".join(str(child.output) for child in children if child.output is not None)
        return TaskSucceeded(command.task_id, f"[{outputs}]")

    def tell(self, happening: Happening) -> Decision:
        """One decision; the snapshot goes through JSON text, as in a database row."""
        state = self.decisions[-1].state if self.decisions else None
        if state is not None and self.through_json:
            state = Execution.from_json(json.loads(json.dumps(state.to_json())))
        seed = f"run-1/{len(self.events)}"
        decision = decide(self.machine, state, happening, self.now, seed, self.rules)
        self.decisions.append(decision)
        self.events.extend(decision.events)
        for command in decision.commands:
            if isinstance(command, Finish):
                self.ended = command
        return decision

    def run(self, text: str = "{}", most: int = 20_000) -> Finish:
        """Until the execution ends; `most` bounds the decisions."""
        waiting: deque[list[Happening]] = deque()
        happening: Happening = started(text, self.now)
        for _ in range(most):
            decision = self.tell(happening)
            if self.ended is not None:
                return self.ended
            for command in decision.commands:
                if isinstance(command, ScheduleTask):
                    self.tasks.append(command)
                    inline = command.resource == MAP_RUN and command.parameters["Items"] is not None
                    waiting.append([self.map_run(command)] if inline else list(self.script(command)))
            if decision.ready:
                happening = Continue()
            elif waiting:
                happenings = waiting.popleft()
                happening = happenings.pop(0)
                if happenings:
                    waiting.append(happenings)
            else:
                wakeup = next_wakeup(decision.state)
                assert wakeup is not None, "the execution waits for nothing"
                self.now = max(self.now, wakeup)
                happening = TimerDue()
        raise AssertionError(f"not over after {most} decisions")

    def history(self) -> list[dict[str, Any]]:
        """As GetExecutionHistory reports it."""
        return [event.to_api() for event in self.events]

    def types(self) -> list[str]:
        return [event.type for event in self.events]
