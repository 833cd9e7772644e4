"""One state alone, as TestState runs it: by the interpreter itself, which is told nothing of it.

A state under test is a machine of its own, its data flows are watched. A Map or a Parallel, whose inside is
not run, stands there as a Map whose iterations are one task elsewhere. What comes back to the state (a
task's end, a timer) is fed again from the start for each question, since decisions are pure: once as the
state is, and once without Retry and Catch, to learn what went wrong.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from customlabels.asl.distributed import EXCEEDED, batched, child_inputs, exceeds
from customlabels.asl.documents import Json, compact
from customlabels.asl.execution import Execution, Thread
from customlabels.asl.failures import Failure
from customlabels.asl.happenings import (
    Command,
    Continue,
    Event,
    Finish,
    Happening,
    Rules,
    ScheduleTask,
    TaskFailed,
    TaskSucceeded,
    TaskTimedOut,
    given,
)
from customlabels.asl.interpreter import decide
from customlabels.asl.json_texts import part_of
from customlabels.asl.machines import DataFlow, Distributed, Machine, MapBody, State, Workflow
from customlabels.asl.paths import Path
from customlabels.asl.watching import Surroundings, Watched

NAME = "StateName"  # of every state under test: the service calls it so, whatever its definition says
ENTERED = 2  # the id that its entered event would have
ELSEWHERE = Distributed("{}", "STANDARD", None, None, None, None)

RESULTS = ("afterResultSelector", "afterResultPath")
LIMITS = ("maxConcurrency", "toleratedFailureCount", "toleratedFailurePercentage")
ITEMS = ("afterItemsPath", "afterItemSelector", "afterItemBatcher")
# What is told of a state's data besides its input, by its type.
TOLD: Mapping[str, Sequence[str]] = {
    "Pass": ("afterInputPath", "afterParameters", "result", *RESULTS),
    "Task": ("afterInputPath", "afterParameters", "afterArguments", "result", *RESULTS),
    "Parallel": RESULTS,
    "Map": ("afterInputPath", *ITEMS, *LIMITS, *RESULTS),
}
TOLD_OF_OTHERS = ("afterInputPath",)


@dataclass(frozen=True)
class Report:
    """What became of the state.

    status: SUCCEEDED, FAILED, RETRIABLE or CAUGHT_ERROR    data: the members of the API's inspectionData
    """

    status: str
    output: str | None
    error: str | None
    cause: str | None
    next_state: str | None
    data: Mapping[str, Json]


@dataclass(frozen=True)
class _Run:
    """The state after all that was told, and what it did on the way. thread: None once it is over."""

    machine: Machine
    execution: Execution
    thread: Thread | None
    events: Sequence[Event]
    finish: Finish | None
    asked: ScheduleTask | None
    notes: Mapping[str, Json]


class StateTest:
    """A state under test, from its start to its report."""

    def __init__(
        self, machine: Machine, state: State[Any], surroundings: Surroundings, seed: str, rules: Rules
    ) -> None:
        """state: one of the machine's    seed: feeds random functions, as in any decision"""
        self._machine, self._state, self._surroundings, self._seed = machine, state, surroundings, seed
        self._rules = replace(rules, events_per_decision=1)  # it ends where the next state would begin
        self._news: list[tuple[Happening, float]] = [(Continue(), surroundings.started.start_time)]
        self._inputs: Sequence[str] = ()

    def tell(self, happening: Happening, now: float) -> None:
        """What happened to the state: its task ended, its timer is due."""
        self._news.append((happening, now))
        self.__dict__.pop("_run", None)

    @property
    def task(self) -> ScheduleTask | None:
        """The task that the state waits for; of a Map and a Parallel, what stands for their inside."""
        thread = self._run.thread
        return self._run.asked if thread is not None and thread.task is not None else None

    @property
    def wake(self) -> float | None:
        """Until when a Wait waits, in epoch seconds."""
        thread = self._run.thread
        return thread.wake if thread is not None and thread.phase == "waiting" else None

    def answer(self, result: str, failed_iterations: int, now: float) -> None:
        """End the task with this result (JSON), or a Map with too many failed iterations."""
        if self.task is None:
            return
        if self._state.kind == "Map" and not self._make_inputs(now):
            return
        if self._tolerates(failed_iterations, result):
            self.tell(TaskSucceeded(self.task.task_id, result), now)
        else:
            self.tell(TaskFailed(self.task.task_id, *EXCEEDED), now)

    def fail(self, error: str | None, cause: str | None, now: float) -> None:
        """End the task with an error."""
        if self.task is not None and (self._state.kind != "Map" or self._make_inputs(now)):
            self.tell(TaskFailed(self.task.task_id, error, cause), now)

    def time_out(self, now: float) -> Report:
        """What became of the state where its time is over."""
        if self.task is not None:
            self.tell(TaskTimedOut(self.task.task_id), now)
            return self.report()
        data = self._data(self._run)
        return Report("FAILED", None, "States.Timeout", None, None, data)

    def report(self) -> Report:
        """What became of the state, which waits for nothing any more."""
        run = self._run
        data = self._data(run)
        if run.finish is not None:
            finish = run.finish
            return Report(finish.status, finish.output, finish.error, finish.cause, None, data)
        assert run.thread is not None
        retried = run.thread.phase == "retrying"
        if not retried and "catchIndex" not in run.notes:
            return Report("SUCCEEDED", run.thread.input, None, None, run.thread.state, data)
        wrong = self._replay(replace(self._state, retriers=(), catchers=())).finish
        assert wrong is not None
        if retried:
            return Report("RETRIABLE", None, wrong.error, wrong.cause, None, data)
        thread = run.thread
        return Report("CAUGHT_ERROR", thread.input, wrong.error, wrong.cause, thread.state, data)

    # ------------------------------------------------------------ how it is run

    @cached_property
    def _run(self) -> _Run:
        return self._replay(self._state)

    def _replay(self, state: State[Any]) -> _Run:
        notes: dict[str, Json] = {}
        workflow = Workflow(NAME, {NAME: self._watched(state, notes)})
        machine = replace(self._machine, workflows={**self._machine.workflows, "": workflow})
        execution = self._begin(len(state.retriers))
        events: list[Event] = []
        commands: list[Command] = []
        for number, (happening, now) in enumerate(self._news):
            decision = decide(machine, execution, happening, now, f"{self._seed}#{number}", self._rules)
            execution = decision.state
            events += decision.events
            commands += decision.commands
        thread = next(iter(execution.threads), None)
        finish = next((one for one in commands if isinstance(one, Finish)), None)
        asked = next((one for one in commands if isinstance(one, ScheduleTask)), None)
        return _Run(machine, execution, thread, events, finish, asked, notes)

    def _begin(self, retriers: int) -> Execution:
        """The snapshot of an execution that has just entered the state."""
        started, retries = self._surroundings.started, self._surroundings.retries
        thread = Thread(
            state=NAME,
            input=started.input,
            phase="again",
            last=ENTERED,
            entered=ENTERED,
            entered_at=started.start_time,
            variables=dict(self._surroundings.variables),
            retries={str(index): retries for index in range(retriers)},
            retry_count=retries,
        )
        return Execution(started, next_event=ENTERED + 1, threads=(thread,), ready=(thread.id,))

    def _watched(self, state: State[Any], notes: dict[str, Json]) -> State[Any]:
        around = self._surroundings
        flow = Watched(state.flow, around, notes, own=True)
        kind, body = state.kind, state.body
        if kind == "Choice":
            rules = (replace(rule, flow=Watched(rule.flow, around, notes)) for rule in body.rules)
            body = replace(body, rules=tuple(rules))
        elif kind == "Map":
            body = replace(body, distributed=body.distributed or ELSEWHERE)
        elif kind == "Parallel":
            # Its one item is what every branch would get: made, so that a mistake in it is found.
            kind = "Map"
            body = MapBody("", lambda scope: [flow.arguments(scope).value], None, 0, distributed=ELSEWHERE)
        catchers = tuple(
            replace(one, flow=Watched(one.flow, around, notes, catcher=index))
            for index, one in enumerate(state.catchers)
        )
        return replace(state, name=NAME, kind=kind, flow=flow, body=body, catchers=catchers)

    # ------------------------------------------------------------ the iterations of a Map

    def _items(self) -> Sequence[Json]:
        planned = self._run.asked.parameters["Items"] if self._run.asked is not None else None
        return self._surroundings.items if planned is None else planned

    def _make_inputs(self, now: float) -> bool:
        """Make the inputs of the iterations; where that fails the Map has failed, and the answer is false."""
        run, task = self._run, self.task
        assert task is not None
        try:
            self._inputs = child_inputs(
                run.machine, run.execution, task.task_id, 0, self._items(), now, self._seed
            )
        except Failure as failure:
            self.tell(TaskFailed(task.task_id, failure.error, failure.cause), now)
            return False
        return True

    def _tolerates(self, failed: int, result: str) -> bool:
        """Whether so many failed iterations are not more than a Map says; one that says nothing takes all."""
        if self._state.kind != "Map" or self._run.asked is None:
            return True
        plan = self._run.asked.parameters
        results = json.loads(result)
        total = len(self._items() or (results if isinstance(results, list) else ()))
        says_nothing = plan["ToleratedCount"] is None and plan["ToleratedPercentage"] is None
        return says_nothing or not exceeds(failed, total, plan)

    # ------------------------------------------------------------ what is told of it

    def _data(self, run: _Run) -> dict[str, Json]:
        kind, notes = self._state.kind, dict(run.notes)
        if kind == "Pass" and self._state.body is None:
            notes.pop("result", None)  # its parameters are its result
        if kind == "Map" and run.asked is not None:
            notes |= self._map_data(run.asked.parameters, notes.get("afterInputPath", ""))
        told = TOLD.get(kind, TOLD_OF_OTHERS)
        data: dict[str, Json] = {"input": self._surroundings.started.input}
        data |= {name: notes[name] for name in told if name in notes}
        variables = {**self._surroundings.variables, **_assigned(run.events)}
        if variables:
            data["variables"] = compact(variables)
        if details := self._error_details(run):
            data["errorDetails"] = details
        return data

    def _error_details(self, run: _Run) -> dict[str, Json]:
        if run.thread is None or run.thread.phase != "retrying":
            return given(catchIndex=run.notes.get("catchIndex"))
        before = self._surroundings.retries
        index = next(name for name, count in run.thread.retries.items() if count > before)
        seconds = round((run.thread.wake or 0.0) - self._news[-1][1], 3)
        return {"retryIndex": int(index), "retryBackoffIntervalSeconds": int(seconds)}

    def _map_data(self, plan: Json, effective_input: str) -> dict[str, Json]:
        body: MapBody = self._state.body
        data = given(
            maxConcurrency=plan["MaxConcurrency"],
            toleratedFailureCount=plan["ToleratedCount"],
            toleratedFailurePercentage=plan["ToleratedPercentage"],
        )
        if isinstance(self._state.flow, DataFlow) and plan["Items"] is not None:
            data["afterItemsPath"] = _text_of_items(body, plan["Items"], effective_input)
        if body.selector is not None:
            data["afterItemSelector"] = f"[{','.join(self._inputs)}]"
        if plan["Batch"] is not None:
            batches = (text for _, text in batched(self._inputs, plan["Batch"]))
            data["afterItemBatcher"] = f"[{','.join(batches)}]"
        return data


def _text_of_items(body: MapBody, items: Json, effective_input: str) -> str:
    path = body.items
    if not isinstance(path, Path) or path.root != "$" or path.steps is None or path.function:
        return compact(items)
    whole = all(not isinstance(step, int) or step >= 0 for step in path.steps)
    return part_of(effective_input, path.steps) if whole else compact(items)


def _assigned(events: Sequence[Event]) -> dict[str, Json]:
    texts = (event.details.get("assignedVariables", {}) for event in events if event.details is not None)
    return {name: json.loads(text) for found in texts for name, text in found.items()}
