"""What is checked before a machine may run, in the words of the service where they are known."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.asl.in_memory import Shell

from customlabels.asl import InvalidDefinition, parse

PASS = {"Type": "Pass", "End": True}
TASK = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:rekognition:describeProjects", "End": True}


def machine(**states: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states), "A"), "States": states}


def problems(definition: Any) -> list[str]:
    with pytest.raises(InvalidDefinition) as error:
        parse(definition)
    return [str(problem) for problem in error.value.problems]


def test_a_definition_may_be_text_or_data() -> None:
    definition = machine(A=PASS)

    assert parse(definition).workflows == parse(json.dumps(definition)).workflows


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("{}", ["SCHEMA_VALIDATION_FAILED: These fields are required: [States, StartAt] at /"]),
        (
            '{"States": {"A": {"Type": "Pass", "End": true}}}',
            ["SCHEMA_VALIDATION_FAILED: These fields are required: [StartAt] at /"],
        ),
        (" ", ["SCHEMA_VALIDATION_FAILED: Definition must be a valid JSON object"]),
        ("[]", ["SCHEMA_VALIDATION_FAILED: Definition must be a valid JSON object"]),
        (
            machine(A={"Type": "Pass", "Next": "C"}, B={"Type": "Pass", "End": True}),
            [
                "MISSING_TRANSITION_TARGET: Missing 'Next' target: C at /States/A/Next",
                'MISSING_TRANSITION_TARGET: State "B" is not reachable. at /States/B',
            ],
        ),
        (
            machine(A={"Type": "Pass", "Next": "A"}),
            ["MISSING_END_STATE: Workflow has no terminal state"],
        ),
        (
            machine(A={"Type": "Wait", "Timestamp": "2016-13-05T21:29:29Z", "End": True}),
            ["SCHEMA_VALIDATION_FAILED: String does not match RFC3339 timestamp at /States/A/Timestamp"],
        ),
        (
            machine(A={**PASS, "Parameters": {"p.$": "States.StringToJson('\\\"')"}}),
            [
                "SCHEMA_VALIDATION_FAILED: The value for the field 'p.$' must be a valid JSONPath or a "
                "valid intrinsic function call at /States/A/Parameters"
            ],
        ),
        (
            machine(A={**TASK, "Resource": "arn:aws:nothing"}),
            [
                "SCHEMA_VALIDATION_FAILED: The resource provided arn:aws:nothing is not recognized. The "
                "value is not a valid resource ARN, or the resource is not available in this region. "
                "at /States/A/Resource"
            ],
        ),
        (
            machine(A={**TASK, "Credentials": {}}),
            [
                "SCHEMA_VALIDATION_FAILED: The field 'RoleArn' is required but was missing "
                "at /States/A/Credentials"
            ],
        ),
    ],
)
def test_problems_are_told_in_the_words_of_the_service(definition: Any, expected: list[str]) -> None:
    assert problems(definition) == expected


def test_the_message_joins_all_problems_of_one_pass() -> None:
    broken = machine(A={"Type": "Pass"}, B={**TASK, "TimeoutSeconds": 0, "Nonsense": 1})

    with pytest.raises(InvalidDefinition) as error:
        parse(broken)

    assert error.value.code == "SCHEMA_VALIDATION_FAILED"
    assert str(error.value).startswith("Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: ")
    assert [problem.location for problem in error.value.problems] == [
        "/States/A",
        "/States/B/TimeoutSeconds",
        "/States/B/Nonsense",
        "/States/B",
    ]


@pytest.mark.parametrize(
    ("state", "place"),
    [
        ({**PASS, "Retry": []}, "Retry"),
        ({**PASS, "Seconds": 1}, "Seconds"),
        ({"Type": "Succeed", "End": True}, "End"),
        ({"Type": "Fail", "InputPath": "$"}, "InputPath"),
        ({**TASK, "Arguments": {}}, "Arguments"),
        ({**TASK, "Retry": [{"ErrorEquals": ["E"], "Wait": 1}]}, "Retry[0]/Wait"),
        ({**PASS, "Output": "{% 1 %}"}, "Output"),
        ({**PASS, "QueryLanguage": "SQL"}, "QueryLanguage"),
        ({**PASS, "InputPath": "$.["}, "InputPath"),
        ({**PASS, "ResultPath": "$.a[*]"}, "ResultPath"),
        ({**PASS, "ResultPath": "$$.a"}, "ResultPath"),
        ({"Type": "Wait", "Seconds": -1, "End": True}, "Seconds"),
        ({**TASK, "TimeoutSeconds": 5, "HeartbeatSeconds": 5}, "HeartbeatSeconds"),
        ({"Type": "Choose"}, "Type"),
        ({**PASS, "Assign": {"a-b": 1}}, "Assign/a-b"),
    ],
)
def test_no_field_is_ignored(state: dict[str, Any], place: str) -> None:
    assert any(problem.endswith(f" at /States/A/{place}") for problem in problems(machine(A=state)))


@pytest.mark.parametrize(
    "handlers",
    [
        [{"ErrorEquals": ["States.ALL", "E"]}],
        [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["E"]}],
    ],
)
def test_states_all_stands_alone_and_last(handlers: list[Any]) -> None:
    assert "States.ALL must appear alone" in problems(machine(A={**TASK, "Retry": handlers}))[0]


@pytest.mark.parametrize(
    "rule",
    [
        {"Variable": "$.a", "Next": "B"},
        {"Variable": "$.a", "NumericEquals": "1", "Next": "B"},
        {"Variable": "$.a", "NumericEquals": 1, "IsNull": True, "Next": "B"},
        {"NumericEquals": 1, "Next": "B"},
        {"Variable": "$.a", "NumericEquals": 1},
        {"Variable": "$.a", "NumericEquals": 1, "Next": ""},
        {"And": [], "Next": "B"},
        {"Not": {"Variable": "$.a", "IsNull": True, "Next": "B"}, "Next": "B"},
        {"Variable": "$.a", "StringMatchesPath": "$.b", "Next": "B"},
        {"Condition": "{% true %}", "Next": "B"},
    ],
)
def test_a_rule_that_cannot_be_decided_is_refused(rule: dict[str, Any]) -> None:
    definition = machine(A={"Type": "Choice", "Choices": [rule], "Default": "B"}, B=PASS)

    assert all("/States/A/Choices[0]" in problem for problem in problems(definition))


def test_problems_inside_branches_and_iterations_have_their_place() -> None:
    inner = {"StartAt": "X", "States": {"I": {"Type": "Pass", "Nope": 1, "End": True}}}
    definition = machine(
        A={"Type": "Parallel", "Branches": [inner], "Next": "B"},
        B={"Type": "Map", "Iterator": inner, "End": True},
    )

    places = [problem.rsplit(" at ")[1] for problem in problems(definition)]

    assert "/States/A/Branches[0]/States/I/Nope" in places
    assert "/States/A/Branches[0]/StartAt" in places
    assert "/States/B/Iterator/States/I" in places


def test_data_that_is_no_definition_at_all_is_refused_without_a_crash() -> None:
    strange: Any = [None, 1, "x", [], {}, {"a": 1}]

    for value in strange:
        for state in (value, {"Type": value}, *({"Type": kind, "End": value} for kind in ("Pass", "Map"))):
            with pytest.raises(InvalidDefinition):
                parse({"StartAt": "A", "States": {"A": state}})


def test_workflows_and_conditions_may_stand_deep_inside_each_other() -> None:
    condition: dict[str, Any] = {"Variable": "$.a", "IsPresent": True}
    for _ in range(180):
        condition = {"Not": condition}
    nested = machine(A={"Type": "Choice", "Choices": [{**condition, "Next": "B"}], "Default": "B"}, B=PASS)
    parallel = machine(A=PASS)
    for _ in range(45):
        parallel = machine(A={"Type": "Parallel", "Branches": [parallel], "End": True})

    assert json.loads(Shell(parse(nested)).run("{}").output or "") == {}
    assert Shell(parse(parallel)).run("{}").output == "[" * 45 + "{}" + "]" * 45
