"""Rules that hold for any machine: whatever is drawn ends, with a history that hangs together."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.asl.drawn import containers, leaves, workflow
from tests.asl.in_memory import Shell

from customlabels.asl import (
    Decision,
    Happening,
    Rules,
    ScheduleTask,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    TaskTimedOut,
    parse,
)

INPUT = '{"list": [1, [ 2 ], "three"]}'
machines = st.lists(st.recursive(leaves, containers, max_leaves=8), min_size=1, max_size=4).map(workflow)
answers = st.lists(st.sampled_from(["ok", "busy", "broken", "late"]), min_size=1, max_size=6)


def script(drawn: list[str]) -> Any:
    turn = iter(drawn * 10_000)

    def answer(task: ScheduleTask) -> Sequence[Happening]:
        ends: dict[str, Happening] = {
            "ok": TaskSucceeded(task.task_id, '{"done": true}'),
            "busy": TaskFailed(task.task_id, "Busy", "later"),
            "broken": TaskFailed(task.task_id),
            "late": TaskTimedOut(task.task_id),
        }
        return [TaskStarted(task.task_id), ends[next(turn)]]

    return answer


def run(definition: dict[str, Any], drawn: list[str], *, rules: Rules, through_json: bool = True) -> Shell:
    shell = Shell(parse(definition), script(drawn), rules, through_json=through_json)
    shell.run(INPUT)
    return shell


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(machines, answers)
def test_every_execution_ends_once_with_gap_free_ids(definition: dict[str, Any], drawn: list[str]) -> None:
    shell = run(definition, drawn, rules=Rules())

    assert [event.id for event in shell.events] == list(range(1, len(shell.events) + 1))
    assert all(0 <= event.previous_id < event.id for event in shell.events)
    assert [event.type for event in shell.events if event.type.startswith("Execution")][1:] == shell.types()[
        -1:
    ]
    assert shell.decisions[-1].state.threads == ()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(machines, answers)
def test_snapshots_through_json_change_nothing(definition: dict[str, Any], drawn: list[str]) -> None:
    kept = run(definition, drawn, rules=Rules(), through_json=False)
    reread = run(definition, drawn, rules=Rules(), through_json=True)

    assert reread.events == kept.events
    assert reread.decisions == kept.decisions


class Crashing(Shell):
    """A shell that dies now and then, and goes on from what was written.

    A decision whose commit did not come is made again. A task that ran at the time is run again, under the
    same token: it may be told to have started, and to have ended, once more.
    """

    dies: Callable[[], bool]

    def tell(self, happening: Happening) -> Decision:
        if self.dies():
            decisions, events, ended = list(self.decisions), list(self.events), self.ended
            super().tell(happening)
            self.decisions, self.events, self.ended = decisions, events, ended
        decision = super().tell(happening)
        if isinstance(happening, TaskStarted | TaskSucceeded | TaskFailed | TaskTimedOut) and self.dies():
            again = super().tell(happening)
            decision = replace(again, commands=decision.commands + again.commands)
        return decision


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(machines, answers, st.integers(0, 2**32))
def test_crashes_leave_no_trace_in_the_history(
    definition: dict[str, Any], drawn: list[str], crashes: int
) -> None:
    chance = Random(crashes)
    rules = Rules(events_per_decision=7)
    whole = run(definition, drawn, rules=rules)
    crashing = Crashing(parse(definition), script(drawn), rules)
    crashing.dies = lambda: chance.random() < 0.3
    crashing.run(INPUT)

    assert crashing.events == whole.events
    assert crashing.ended == whole.ended


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(machines, answers, st.integers(1, 4))
def test_small_decisions_make_the_history_of_large_ones(
    definition: dict[str, Any], drawn: list[str], size: int
) -> None:
    assume("JitterStrategy" not in json.dumps(definition))  # its delays come from each decision's own seed

    large = run(definition, drawn, rules=Rules(events_per_decision=100_000))
    small = run(definition, drawn, rules=Rules(events_per_decision=size))

    assert small.types() == large.types()
    assert [event.previous_id for event in small.events] == [event.previous_id for event in large.events]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(machines, answers, st.integers(5, 30))
def test_a_full_history_ends_the_execution_in_its_last_event(
    definition: dict[str, Any], drawn: list[str], most: int
) -> None:
    shell = run(definition, drawn, rules=Rules(max_events=most))

    assert len(shell.events) <= most
    assert shell.ended is not None
