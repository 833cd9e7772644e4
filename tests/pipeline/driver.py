"""Runs a machine to its end in memory: a virtual clock, and a service that answers at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from customlabels import asl


class CallRefused(Exception):
    """The error that a task ends with, under its Step Functions name.

    heard: the service does the work all the same; only its answer is lost
    """

    def __init__(self, error: str, cause: str = "made up for the test", heard: bool = False) -> None:
        super().__init__(error)
        self.error, self.cause, self.heard = error, cause, heard


class Service(Protocol):
    """Answers a task; raises CallRefused.

    answer: what whoever holds a task's token says; None says nothing, until the task times out
    """

    answer: Any

    def call(self, service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Ending:
    """How an execution ended, and the ways it took: (state, next state) for each change of state."""

    status: str
    text: str
    output: Any
    error: str | None
    cause: str | None
    states: tuple[str, ...]
    ways: frozenset[tuple[str, str]]
    events: int
    seconds: float


def run(
    machine: asl.Machine,
    service: Service,
    execution_input: Mapping[str, Any],
    refusals: Mapping[str, list[CallRefused | None]] | None = None,
    execution_name: str = "run-1",
) -> Ending:
    """Run to the end.

    refusals: state name -> what its calls are answered with, in order; None reaches the service
    """
    left = {state: list(answers) for state, answers in (refusals or {}).items()}
    now = start = 1_800_000_000.0
    happening: asl.Happening = asl.ExecutionStarted(
        input=json.dumps(execution_input),
        execution_arn=f"arn:aws:states:eu-west-1:123456789012:execution:pipeline:{execution_name}",
        execution_name=execution_name,
        role_arn="arn:aws:iam::123456789012:role/pipeline",
        machine_arn="arn:aws:states:eu-west-1:123456789012:stateMachine:pipeline",
        machine_name="pipeline",
        start_time=now,
    )
    state: asl.Execution | None = None
    events: list[asl.Event] = []
    open_tasks: list[asl.ScheduleTask] = []
    coming: list[asl.Happening] = []
    while True:
        decision = asl.decide(machine, state, happening, now, f"seed-{len(events)}", asl.Rules())
        state = decision.state
        events += decision.events
        for command in decision.commands:
            if isinstance(command, asl.Finish):
                return _ending(command, events, now - start)
            if isinstance(command, asl.ScheduleTask):
                open_tasks.append(command)
        if decision.ready:
            happening = asl.Continue()
        elif coming:
            happening = coming.pop(0)
        elif open_tasks:
            task = open_tasks.pop(0)
            happening = asl.TaskStarted(task.task_id)
            coming += _answer(service, task, left)
        else:
            wakeup = asl.next_wakeup(state)
            assert wakeup is not None, "the execution waits for nothing"
            now, happening = max(now, wakeup), asl.TimerDue()


def _answer(
    service: Service, task: asl.ScheduleTask, left: dict[str, list[CallRefused | None]]
) -> Iterator[asl.Happening]:
    name, operation = task.resource.split(":")[-2:]
    operation, _, pattern = operation.partition(".")
    refusal = left[task.state_name].pop(0) if left.get(task.state_name) else None
    try:
        answer = None if refusal and not refusal.heard else service.call(name, operation, task.parameters)
    except CallRefused as refused:
        refusal = refused
    if refusal is None and pattern:
        yield asl.TaskSubmitted(task.task_id, json.dumps(answer))
        answer = service.answer
        refusal = CallRefused("States.Timeout") if answer is None else answer
        refusal = refusal if isinstance(refusal, CallRefused) else None
    if refusal is None:
        yield asl.TaskSucceeded(task.task_id, json.dumps(answer))
    elif refusal.error == "States.Timeout":
        yield asl.TaskTimedOut(task.task_id)
    else:
        yield asl.TaskFailed(task.task_id, refusal.error, refusal.cause)


def _ending(finish: asl.Finish, events: list[asl.Event], seconds: float) -> Ending:
    entered = {event.id: event for event in events if event.type.endswith("StateEntered")}
    left = {event.id: event for event in events if event.type.endswith("StateExited")}
    names = {event.id: (event.details or {})["name"] for event in [*entered.values(), *left.values()]}
    return Ending(
        status=finish.status,
        text=finish.output or "",
        output=json.loads(finish.output) if finish.output is not None else None,
        error=finish.error,
        cause=finish.cause,
        states=tuple(names[number] for number in entered),
        ways=frozenset(
            (names[event.previous_id], names[event.id])
            for event in entered.values()
            if event.previous_id in left
        ),
        events=len(events),
        seconds=seconds,
    )
