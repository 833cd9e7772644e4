"""States that are run alone: their data on its way, what errors lead to, what stands for their inside."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from customlabels.asl import (
    TESTED_STATE,
    ExecutionStarted,
    Report,
    Rules,
    StateTest,
    Surroundings,
    TaskFailed,
    TaskSucceeded,
    TimerDue,
    parse_state,
)
from customlabels.asl.json_texts import part_of

NOW = 1_764_140_000.0
ACCOUNT = "arn:aws:states:eu-west-1:111122223333"
INVOKE = "arn:aws:states:::lambda:invoke"
INSIDE = {"StartAt": "Inside", "States": {"Inside": {"Type": "Pass", "End": True}}}


def begun(definition: dict[str, Any], text: str = "{}", **around: Any) -> StateTest:
    machine = parse_state(json.dumps(definition), TESTED_STATE)
    started = ExecutionStarted(
        text, f"{ACCOUNT}:express:m:e", "e", "role", f"{ACCOUNT}:stateMachine:m", "m", NOW
    )
    state = machine.workflows[""].states[TESTED_STATE]
    return StateTest(machine, state, Surroundings(started, **around), "seed", Rules())


def test_each_filter_of_a_pass_is_told_with_what_it_gives() -> None:
    definition = {
        "Type": "Pass",
        "InputPath": "$.a",
        "Parameters": {"b.$": "$.c"},
        "ResultPath": "$.d",
        "OutputPath": "$.d",
        "Next": "Other",
    }

    report = begun(definition, '{"a": {"c": 1}}').report()

    assert (report.status, report.output, report.next_state) == ("SUCCEEDED", '{"b":1}', "Other")
    assert report.data == {
        "input": '{"a": {"c": 1}}',
        "afterInputPath": '{"c":1}',
        "afterParameters": '{"b":1}',
        "afterResultSelector": '{"b":1}',
        "afterResultPath": '{"a":{"c":1},"d":{"b":1}}',
    }


def test_a_random_filter_is_applied_once() -> None:
    definition = {
        "Type": "Task",
        "Resource": INVOKE,
        "ResultSelector": {"id.$": "States.UUID()"},
        "End": True,
    }
    test = begun(definition)

    test.answer("{}", 0, NOW)

    report = test.report()
    assert report.data["afterResultSelector"] == report.data["afterResultPath"] == report.output


def test_assigned_variables_are_told_with_those_that_were_there() -> None:
    definition = {"Type": "Pass", "QueryLanguage": "JSONata", "Assign": {"b": "{% $a + 1 %}"}, "End": True}

    report = begun(definition, variables={"a": 1}).report()

    assert json.loads(report.data["variables"]) == {"a": 1, "b": 2}


def task(**fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": INVOKE, "Parameters": {"x": 1}, "End": True, **fields}


RETRY = [{"ErrorEquals": ["Other"]}, {"ErrorEquals": ["E"], "IntervalSeconds": 3, "MaxAttempts": 2}]
CATCH = [{"ErrorEquals": ["Other"], "Next": "No"}, {"ErrorEquals": ["E"], "ResultPath": "$.e", "Next": "Yes"}]


def failed(definition: dict[str, Any], retries: int = 0) -> Report:
    test = begun(definition, '{"a": 1}', retries=retries)
    test.fail("E", "because", NOW)
    return test.report()


def test_an_error_with_attempts_left_is_retriable_after_its_backoff() -> None:
    report = failed(task(Retry=RETRY, Catch=CATCH), retries=1)

    assert (report.status, report.error, report.cause) == ("RETRIABLE", "E", "because")
    assert (report.output, report.next_state) == (None, None)
    assert report.data["errorDetails"] == {"retryIndex": 1, "retryBackoffIntervalSeconds": 6}


def test_an_error_without_attempts_left_is_caught() -> None:
    report = failed(task(Retry=RETRY, Catch=CATCH), retries=2)

    assert (report.status, report.error, report.next_state) == ("CAUGHT_ERROR", "E", "Yes")
    assert json.loads(report.output or "") == {"a": 1, "e": {"Error": "E", "Cause": "because"}}
    assert report.data["errorDetails"] == {"catchIndex": 1}


def test_an_error_that_nobody_handles_fails_the_state() -> None:
    report = failed(task())

    assert (report.status, report.error, report.cause) == ("FAILED", "E", "because")
    assert set(report.data) == {"input", "afterInputPath", "afterParameters"}


def test_an_error_of_the_states_own_filters_is_told_though_it_is_caught() -> None:
    definition = task(
        Parameters={"x.$": "States.ArrayGetItem($, 0)"},
        Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Yes"}],
    )

    report = begun(definition, "[]").report()

    assert (report.status, report.error) == ("CAUGHT_ERROR", "States.IntrinsicFailure")
    assert "the state 'StateName'" in (report.cause or "")


def test_a_task_really_asks_for_its_work_and_a_wait_for_its_time() -> None:
    asking, waiting = begun(task()), begun({"Type": "Wait", "Seconds": 5, "End": True})

    assert asking.task is not None
    assert asking.task.parameters == {"x": 1}
    assert waiting.wake == NOW + 5

    asking.tell(TaskSucceeded(asking.task.task_id, '{"y": 2}'), NOW)
    waiting.tell(TimerDue(), NOW + 5)

    assert (asking.report().output, waiting.report().status) == ('{"y": 2}', "SUCCEEDED")


def test_time_that_is_over_is_an_error_like_any_other() -> None:
    definition = task(Catch=[{"ErrorEquals": ["States.Timeout"], "Next": "Late"}])

    assert begun(definition).time_out(NOW).next_state == "Late"
    assert begun({"Type": "Wait", "Seconds": 5, "End": True}).time_out(NOW).error == "States.Timeout"


def test_the_context_object_is_the_one_given_or_that_of_no_execution() -> None:
    definition = {"Type": "Pass", "Parameters": {"c.$": "$$"}, "End": True}

    made = json.loads(begun(definition, has_role=False).report().output or "")["c"]

    assert begun(definition, context={"State": {}}).report().output == '{"c":{"State":{}}}'
    assert set(made["Execution"]) == {"Id", "Input", "StartTime", "Name", "RoleArn"}
    assert made["Execution"]["RoleArn"] is None
    assert made["State"]["Name"] == TESTED_STATE


def a_map(**fields: Any) -> dict[str, Any]:
    return {"Type": "Map", "ItemsPath": "$.all", "ItemProcessor": INSIDE, "End": True, **fields}


def test_the_items_and_inputs_of_a_map_are_told_its_inside_is_not_run() -> None:
    definition = a_map(
        ItemSelector={"value.$": "$$.Map.Item.Value", "at.$": "$$.Map.Item.Index"}, MaxConcurrency=2
    )
    test = begun(definition, '{"all": [10, 20]}')

    test.answer('["x", "y"]', 0, NOW)

    report = test.report()
    assert (report.status, report.output) == ("SUCCEEDED", '["x", "y"]')
    assert report.data["afterItemsPath"] == "[10, 20]"
    assert json.loads(report.data["afterItemSelector"]) == [{"value": 10, "at": 0}, {"value": 20, "at": 1}]
    assert report.data["maxConcurrency"] == 2


def test_a_map_fails_with_more_failed_iterations_than_it_tolerates() -> None:
    def told(failures: int, **fields: Any) -> str:
        test = begun(a_map(**fields), '{"all": [1, 2, 3, 4]}')
        test.answer("[1, 2, 3, 4]", failures, NOW)
        return test.report().error or ""

    exceeded = "States.ExceedToleratedFailureThreshold"
    assert [told(count, ToleratedFailureCount=2) for count in (2, 3)] == ["", exceeded]
    assert [told(count, ToleratedFailurePercentage=50) for count in (2, 3)] == ["", exceeded]
    assert told(4) == ""


def test_an_item_selector_that_fails_fails_the_map() -> None:
    test = begun(a_map(ItemSelector={"x.$": "$.absent"}), '{"all": [1]}')

    test.answer("[1]", 0, NOW)

    assert (test.report().status, test.report().error) == ("FAILED", "States.Runtime")


def test_a_parallel_is_answered_as_a_whole_after_its_parameters_were_made() -> None:
    definition = {"Type": "Parallel", "Branches": [INSIDE], "ResultPath": "$.r", "End": True}
    good, bad = begun(definition), begun({**definition, "Parameters": {"x.$": "$.absent"}})

    good.answer("[1]", 0, NOW)

    assert good.report().output == '{"r":[1]}'
    assert (bad.report().status, bad.task) == ("FAILED", None)


def test_news_of_another_task_change_nothing() -> None:
    test = begun(task())
    asked = test.task

    test.tell(TaskFailed(999, "E"), NOW)

    assert test.task == asked


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(values, st.sampled_from([None, 1, 3]), st.data())
def test_a_part_of_a_text_is_the_text_of_that_part(
    value: Any, indent: int | None, data: st.DataObject
) -> None:
    steps: list[str | int] = []
    part = value
    while isinstance(part, dict | list) and part and data.draw(st.booleans()):
        step = data.draw(st.sampled_from(list(part) if isinstance(part, dict) else range(len(part))))
        steps.append(step)
        part = part[step]

    found = part_of(f" {json.dumps(value, indent=indent)}\n", steps)

    assert json.loads(found) == part
    assert found in json.dumps(value, indent=indent)
