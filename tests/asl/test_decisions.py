"""One decision at a time: waits, retries, limits, and what a shell may do with a snapshot."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.asl.in_memory import START, Shell, started

from customlabels.asl import (
    Abort,
    CancelTask,
    Continue,
    Decision,
    Execution,
    Finish,
    Rules,
    ScheduleTask,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    TimerDue,
    decide,
    next_wakeup,
    parse,
)
from customlabels.asl.machines import Retrier
from customlabels.errors import InvalidInput

TASK = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:rekognition:describeProjects", "End": True}


def shell(states: dict[str, Any], rules: Rules | None = None, **more: Any) -> Shell:
    definition = {"StartAt": next(iter(states)), "States": states, **more}
    return Shell(parse(definition), rules=rules or Rules())


def wakeup(decision: Decision) -> float:
    moment = next_wakeup(decision.state)
    assert moment is not None
    return moment - START


@pytest.mark.parametrize(
    ("scale", "seconds", "expected"),
    [(1.0, 60, 60.0), (5.0, 60, 60.0), (0.1, 60, 6.0), (0.001, 60, 0.25), (0.0, 1, 0.25)],
)
def test_a_wait_may_be_shortened_to_a_floor_but_never_lengthened(
    scale: float, seconds: int, expected: float
) -> None:
    waiting = shell({"W": {"Type": "Wait", "Seconds": seconds, "End": True}}, Rules(wait_scale=scale))

    decision = waiting.tell(started("{}"))

    assert wakeup(decision) == pytest.approx(expected)


def test_a_short_wait_is_not_lengthened_to_the_floor() -> None:
    assert Rules(wait_scale=0.5, wait_floor_seconds=3).wait(2.0) == 2.0


def test_a_timer_that_comes_early_changes_nothing() -> None:
    waiting = shell({"W": {"Type": "Wait", "Seconds": 10, "End": True}})
    before = waiting.tell(started("{}"))

    waiting.now += 9.9
    early = waiting.tell(TimerDue())
    waiting.now += 0.1
    late = waiting.tell(TimerDue())

    assert (early.events, early.commands, early.state) == ((), (), before.state)
    assert late.state.status == "SUCCEEDED"


def test_a_retrier_waits_longer_each_time_and_gives_up_after_its_last_attempt() -> None:
    retrier = Retrier(("E",), interval_seconds=2, backoff_rate=3.0, max_attempts=3, max_delay_seconds=10)

    assert [retrier.delay(failures, 0.5) for failures in (1, 2, 3, 4)] == [2.0, 6.0, 10.0, None]


def test_full_jitter_draws_from_zero_to_the_delay() -> None:
    retrier = Retrier(("E",), interval_seconds=8, full_jitter=True)

    assert [retrier.delay(1, draw) for draw in (0.0, 0.25, 1.0)] == [0.0, 2.0, 8.0]


def test_a_backoff_beyond_all_numbers_stays_bounded() -> None:
    retrier = Retrier(("E",), interval_seconds=99_999_999, backoff_rate=1e300, max_attempts=99_999_999)

    assert retrier.delay(50_000, 1.0) == 31_622_400.0


def test_a_retry_is_a_timer_in_the_snapshot() -> None:
    retrying = shell({"T": {**TASK, "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 7}]}})
    [task] = retrying.tell(started("{}")).commands
    assert isinstance(task, ScheduleTask)

    decision = retrying.tell(TaskFailed(task.task_id, "Busy"))
    retrying.now += 7
    again = retrying.tell(TimerDue())

    assert wakeup(decision) == 7.0
    assert [event.type for event in again.events] == ["TaskScheduled"]


def test_a_loop_does_not_hold_the_shell() -> None:
    loop = shell(
        {
            "A": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.x", "IsNull": True, "Next": "End"}],
                "Default": "B",
            },
            "B": {"Type": "Pass", "Next": "A"},
            "End": {"Type": "Succeed"},
        },
        Rules(events_per_decision=50, max_events=1_000),
    )

    first = loop.tell(started('{"x": 1}'))
    second = loop.tell(Continue())
    while loop.ended is None:
        loop.tell(Continue())

    assert first.ready
    assert next_wakeup(first.state) == 0.0
    assert 50 <= len(first.events) < 60
    assert second.events[0].id == first.events[-1].id + 1
    assert [event.id for event in loop.events] == list(range(1, 1_001))
    assert loop.ended == Finish(
        "FAILED",
        error="States.Runtime",
        cause="The execution reached the maximum number of history events (1000).",
    )


def test_a_result_over_the_limit_fails_the_task_with_its_resource() -> None:
    large = shell({"T": TASK}, Rules(max_payload_bytes=20))
    large.tell(started("{}"))

    large.tell(TaskSucceeded(3, json.dumps("x" * 30)))

    assert large.types()[-2:] == ["TaskFailed", "ExecutionFailed"]
    assert large.ended == Finish(
        "FAILED",
        error="States.DataLimitExceeded",
        cause="The state/task 'aws-sdk:rekognition' returned a result with a size exceeding the maximum "
        "number of bytes service limit.",
    )


def test_values_nested_beyond_reading_end_the_execution_and_not_the_engine() -> None:
    grow = {"Type": "Pass", "Parameters": {"a.$": "$"}, "Next": "Grow"}
    growing = shell(
        {
            "Grow": {**grow, "Next": "Check"},
            "Check": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.x", "IsPresent": True, "Next": "E"}],
                "Default": "Grow",
            },
            "E": {"Type": "Succeed"},
        }
    )

    ended = growing.run("{}")

    assert ended.error == "States.Runtime"
    assert "nested too deeply" in (ended.cause or "")


def test_an_end_cancels_what_is_open_and_later_news_change_nothing() -> None:
    for happening, status in ((Abort("Why", "because"), "ABORTED"), (TimerDue(), "TIMED_OUT")):
        stopped = shell({"T": TASK}, TimeoutSeconds=9)
        stopped.tell(started("{}"))
        stopped.tell(TaskStarted(3))
        stopped.now += 9

        decision = stopped.tell(happening)
        late = stopped.tell(TaskSucceeded(3, "{}"))

        assert decision.commands[0] == CancelTask(3)
        assert isinstance(decision.commands[1], Finish)
        assert decision.commands[1].status == decision.state.status == status
        assert (decision.events[0].id, decision.events[0].previous_id) == (5, 0)
        assert (late.events, late.commands) == ((), ())
        assert next_wakeup(late.state) is None


def test_a_task_of_an_aborted_branch_is_cancelled_and_its_result_ignored() -> None:
    branches = [{"StartAt": name, "States": {name: TASK}} for name in ("L", "R")]
    both = shell({"Both": {"Type": "Parallel", "Branches": branches, "End": True}})
    left, right = both.tell(started("{}")).commands
    assert isinstance(left, ScheduleTask)
    assert isinstance(right, ScheduleTask)

    failed = both.tell(TaskFailed(right.task_id, "E"))

    assert CancelTask(left.task_id) in failed.commands
    assert both.tell(TaskSucceeded(left.task_id, "1")).events == ()


def test_iterations_of_a_map_that_failed_do_not_go_on() -> None:
    waiting = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 5, "End": True}}}
    failing = shell(
        {
            "M": {
                "Type": "Map",
                "ItemSelector": {"first.$": "States.ArrayGetItem($$.Map.Item.Value, 0)"},
                "ItemProcessor": waiting,
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
                "End": True,
            },
            "Caught": {"Type": "Wait", "Seconds": 60, "End": True},
        }
    )

    ended = failing.run("[[1], []]")

    assert ended.status == "SUCCEEDED"
    assert "there is no element 0" in (ended.output or "")
    assert failing.types()[-4:] == [
        "MapStateExited",
        "WaitStateEntered",
        "WaitStateExited",
        "ExecutionSucceeded",
    ]


def test_a_task_taken_twice_is_one_attempt_in_the_history() -> None:
    taken = shell({"T": TASK})
    taken.tell(started("{}"))

    taken.tell(TaskStarted(3))
    again = taken.tell(TaskStarted(3))

    assert again.events == ()


def test_a_short_expression_cannot_fill_the_memory() -> None:
    many = {f"f{index}.$": "$" for index in range(2_000)}
    calls = "States.Format('" + "{}" * 900 + "'" + ", $.x" * 900 + ")"
    for parameters in (many, {"f.$": calls}, {"f.$": "$['x','x'" + ",'x'" * 900 + "]"}):
        large = shell({"A": {"Type": "Pass", "Parameters": parameters, "End": True}})

        ended = large.run(json.dumps({"x": "y" * 200_000}))

        assert ended.status == "FAILED"
        assert len(ended.cause or "") < 300_000


@pytest.mark.parametrize(
    "wrong", [{"wait_scale": -1.0}, {"wait_floor_seconds": float("nan")}, {"max_events": 1}]
)
def test_rules_check_themselves(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Rules(**wrong)


def test_a_task_result_that_is_no_json_fails_the_task() -> None:
    broken = shell({"T": TASK})
    broken.tell(started("{}"))

    broken.tell(TaskSucceeded(3, "{"))

    assert broken.ended is not None
    assert broken.ended.error == "States.TaskFailed"


def test_half_a_character_in_an_input_does_not_reach_an_error() -> None:
    machine = parse({"StartAt": "F", "States": {"F": {"Type": "Fail", "ErrorPath": "$.e", "Cause": "c"}}})
    shell = Shell(machine)

    assert shell.run('{"e": "a\\ud800"}').error == "a?"


def test_the_token_is_that_of_the_task_being_made() -> None:
    resource = "arn:aws:states:::sns:publish.waitForTaskToken"
    asking = shell(
        {"T": {**TASK, "Resource": resource, "Parameters": {"t.$": "$$.Task.Token"}}},
        Rules(token_of=lambda task_id: f"secret-{task_id}"),
    )

    [task] = asking.tell(started("{}")).commands

    assert isinstance(task, ScheduleTask)
    assert (task.task_id, task.parameters) == (3, {"t": "secret-3"})


def test_the_same_decision_comes_out_the_same() -> None:
    random = {"Type": "Pass", "Parameters": {"id.$": "States.UUID()"}, "End": True}
    machine = parse({"StartAt": "A", "States": {"A": random}})

    one = decide(machine, None, started("{}"), START, "seed", Rules())
    same = decide(machine, None, started("{}"), START, "seed", Rules())
    other = decide(machine, None, started("{}"), START, "another seed", Rules())

    assert one == same
    assert one.commands != other.commands


@pytest.mark.parametrize("text", ["", "{", "NaN", "1e999", "[" * 500 + "]" * 500, '"' + "x" * 300_000 + '"'])
def test_an_input_that_cannot_be_run_is_refused_before_anything_happens(text: str) -> None:
    machine = parse({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})

    with pytest.raises(InvalidInput):
        decide(machine, None, started(text), START, "seed", Rules())


def test_a_snapshot_of_another_version_is_refused() -> None:
    state = shell({"T": TASK}).tell(started("{}")).state.to_json()

    with pytest.raises(InvalidInput, match="version 2; this engine reads version 1"):
        Execution.from_json({**state, "version": 2})
    with pytest.raises(InvalidInput):
        Execution.from_json({"version": 1})
