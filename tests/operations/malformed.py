"""Malformed definitions without end: valid ones of both query languages, each with a few mistakes in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any

INVOKE = "arn:aws:states:::lambda:invoke"
INSIDE = {"StartAt": "In", "States": {"In": {"Type": "Pass", "End": True}}}
DISTRIBUTED = {**INSIDE, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
RETRY = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "BackoffRate": 1.5, "MaxAttempts": 2}]
CATCH = {"ErrorEquals": ["States.ALL"], "Next": "Bad"}
READER = {
    "Resource": "arn:aws:states:::s3:getObject",
    "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a"], "MaxItems": 5},
}

PATHS: dict[str, Any] = {
    "Comment": "every state of JSONPath",
    "StartAt": "Make",
    "TimeoutSeconds": 60,
    "States": {
        "Make": {
            "Type": "Pass",
            "InputPath": "$.a",
            "Parameters": {
                "x.$": "States.Format('{}', $.b)",
                "y.$": "$$.Execution.Id",
                "z": [1, {"w.$": "$"}],
            },
            "ResultPath": "$.made",
            "Assign": {"v.$": "$.a"},
            "Next": "Ask",
        },
        "Ask": {
            "Type": "Task",
            "Resource": INVOKE,
            "Parameters": {"FunctionName": "f", "Payload.$": "$"},
            "ResultSelector": {"p.$": "$.Payload"},
            "TimeoutSeconds": 9,
            "HeartbeatSecondsPath": "$.h",
            "Retry": RETRY,
            "Catch": [{**CATCH, "ResultPath": "$.error"}],
            "Next": "Rest",
        },
        "Rest": {"Type": "Wait", "SecondsPath": "$.s", "Next": "Which"},
        "Which": {
            "Type": "Choice",
            "Choices": [
                {
                    "And": [
                        {"Variable": "$.n", "NumericGreaterThan": 1},
                        {"Not": {"Variable": "$.t", "IsPresent": True}},
                    ],
                    "Next": "Both",
                },
                {"Variable": "$.s", "StringMatches": "a*", "Next": "Each"},
            ],
            "Default": "Good",
        },
        "Both": {"Type": "Parallel", "Branches": [INSIDE, INSIDE], "OutputPath": "$[0]", "Next": "Each"},
        "Each": {
            "Type": "Map",
            "ItemReader": {**READER, "Parameters": {"Bucket": "b", "Key.$": "$.key"}},
            "ItemSelector": {"i.$": "$$.Map.Item.Value"},
            "ItemBatcher": {"MaxItemsPerBatch": 3, "BatchInput": {"c": 1}},
            "MaxConcurrencyPath": "$.m",
            "ToleratedFailurePercentage": 5,
            "ItemProcessor": DISTRIBUTED,
            "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b"}},
            "Label": "each",
            "Next": "Good",
        },
        "Good": {"Type": "Succeed"},
        "Bad": {"Type": "Fail", "ErrorPath": "$.error", "CausePath": "States.Format('{}', $.cause)"},
    },
}
QUERIES: dict[str, Any] = {
    "QueryLanguage": "JSONata",
    "StartAt": "Make",
    "States": {
        "Make": {
            "Type": "Pass",
            "Output": {"x": "{% $states.input.a & 'b' %}", "y": [1, "{% $uuid() %}"]},
            "Assign": {"v": "{% $states.input %}"},
            "Next": "Ask",
        },
        "Ask": {
            "Type": "Task",
            "Resource": INVOKE,
            "Arguments": {"FunctionName": "f", "Payload": "{% $v %}"},
            "Output": "{% $states.result.Payload %}",
            "TimeoutSeconds": "{% 9 %}",
            "Retry": RETRY,
            "Catch": [{**CATCH, "Output": "{% $states.errorOutput %}"}],
            "Next": "Rest",
        },
        "Rest": {"Type": "Wait", "Timestamp": "{% $now() %}", "Next": "Which"},
        "Which": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $v.n > 1 and $exists($v.t) %}", "Next": "Both", "Assign": {"w": 1}}
            ],
            "Default": "Each",
        },
        "Both": {"Type": "Parallel", "Branches": [INSIDE], "Arguments": {"z": "{% $v %}"}, "Next": "Each"},
        "Each": {
            "Type": "Map",
            "Items": "{% [1..3] %}",
            "ItemSelector": {"i": "{% $states.context.Map.Item.Value %}"},
            "MaxConcurrency": "{% 2 %}",
            "ToleratedFailureCount": "{% 1 %}",
            "ItemProcessor": DISTRIBUTED,
            "Next": "Good",
        },
        "Good": {"Type": "Succeed", "Output": "{% $v %}"},
        "Bad": {"Type": "Fail", "Error": "{% 'E' %}", "Cause": "because"},
    },
}

JUNK: tuple[Any, ...] = (
    *(None, True, -1, 0, 1e308, 10**30, "", " ", "\ud800", "\x00", "x" * 300, [], {}, [[]], {"": {}}),
    *("$", "$$", "$.", "$..*", "$[?(@.a>1)]", "$.a[-1:]", "$.length()", "$['a", "$x", "$.a.$", "$$.Map.Item"),
    *("States.Format('{}')", "States.Array(", "States.MathAdd(1, 'a')", "States.Nope()", "States.UUID()"),
    *("{%%}", "{% %}", "{% ( %}", "{% $ %}", "{% $f := function($x){$f($x)}; $f(1) %}", "{% $eval('1') %}"),
    *(
        "{% $pad('a', 999999999) %}",
        "{% [1..9999999] %}",
        "{% $match('aaaa', /(a+)+b/) %}",
        "{% $states.x.y %}",
    ),
    *("arn:aws:states:::", "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "arn:aws:lambda:::function:"),
    *("2026-13-01T00:00:00Z", "2999-01-01T00:00:00Z", "States.ALL", "Task", "Map", "JSONata", "DISTRIBUTED"),
)
FIELDS = (
    *("Type", "Next", "End", "Comment", "QueryLanguage", "Catch", "Retry", "Assign", "Output", "ResultPath"),
    *("Parameters", "Arguments", "ItemsPath", "Items", "Condition", "Variable", "IsNull", "Error", "a.$", ""),
)


def malformed(count: int, seed: str) -> Iterator[str]:
    """So many definitions as texts, the same for the same seed. A few may be valid by accident."""
    chance = Random(seed)
    for number in range(count):
        definition = copy.deepcopy((PATHS, QUERIES)[number % 2])
        for _ in range(chance.randint(1, 3)):
            _spoil(definition, chance)
        text = json.dumps(definition)
        yield _cut(text, chance) if chance.random() < 0.1 else text


def _spoil(definition: Any, chance: Random) -> None:
    parent = chance.choice(list(_containers(definition)))
    keys: list[Any] = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
    if not keys:
        return
    key = chance.choice(keys)
    what = chance.randrange(6)
    if what == 0:
        del parent[key]
    elif what == 1 and isinstance(parent, dict):
        parent[chance.choice(FIELDS)] = parent.pop(key)
    elif what == 2 and isinstance(parent, dict):
        parent[chance.choice(FIELDS)] = copy.deepcopy(chance.choice(JUNK))
    elif what == 3:
        parent[key] = copy.deepcopy(chance.choice(list(_containers(definition))))
    elif what == 4:
        deep: Any = parent[key]
        for _ in range(chance.choice((1, 5, 300))):
            deep = [deep] if chance.random() < 0.5 else {"Not": deep}
        parent[key] = deep
    else:
        parent[key] = copy.deepcopy(chance.choice(JUNK))


def _containers(value: Any) -> Iterator[Any]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list):
            yield one
            waiting += one.values() if isinstance(one, dict) else one


def _cut(text: str, chance: Random) -> str:
    at = chance.randrange(len(text))
    return (
        text[:at] + chance.choice(("", "}", '"', "\\", ",,", "NaN", "\t", '{"a":1,"a":2}')) + text[at + 1 :]
    )
