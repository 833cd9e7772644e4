"""JSONata: what expressions give and may not do, and what definitions say of them."""

from __future__ import annotations

import gc
import json
from random import Random
from threading import Thread
from typing import Any

import jsonata
import pytest
from tests.asl.in_memory import START, Shell

from customlabels.asl import InvalidDefinition, TaskFailed, TaskStarted, TaskSucceeded, parse
from customlabels.asl.documents import Document
from customlabels.asl.expressions import Scope
from customlabels.asl.failures import Failure
from customlabels.asl.jsonata import Query

INPUT = {"a": 3, "list": [{"n": "x", "v": 1}, {"n": "y", "v": 2}], "text": "some words here", "none": None}


def scope(value: Any = INPUT, **variables: Any) -> Scope:
    return Scope(Document(value=value), lambda: {"State": {"Name": "S"}}, variables, Random("seed"), START)


def value_of(expression: str, of: Scope | None = None) -> Any:
    return Query.compile(f"{{% {expression} %}}", "Output")(of or scope())


def failure_of(expression: str, of: Scope | None = None) -> str:
    with pytest.raises(Failure) as failed:
        value_of(expression, of)
    assert failed.value.error == "States.QueryEvaluationError"
    return str(failed.value.cause)


def machine(**states: dict[str, Any]) -> dict[str, Any]:
    return {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$states.input.a + $more", 5),
        ("$states.context.State.Name", "S"),
        ("$keys($states)", ["input", "context"]),
        ("$states.input.none", None),
        ("$partition([1, 2, 3, 4, 5], 2)", [[1, 2], [3, 4], [5]]),
        ("$range(9, 0, -3)", [9, 6, 3, 0]),
        ("$hash('text', 'SHA-1')", "372ea08cab33e71c02c651dbc83a474d32c676ea"),
        ("$parse('{\"a\": [1, 2.5]}')", {"a": [1, 2.5]}),
        ("$random(7) = $random(7)", True),
        ("$length($uuid())", 36),
        ("$now()", "2023-11-14T22:13:20.000Z"),
        ("$millis()", 1_700_000_000_000),
        ("$pad('ab', -5, '*-')", "*-*ab"),
        ("$length($pad('ab', 5))", 5),
        ("$formatInteger(1999, 'I')", "MCMXCIX"),
        ("$big > 1 and $states.input.a = 3", True),
    ],
)
def test_an_expression_sees_states_and_variables_and_the_functions_of_the_service(
    expression: str, value: Any
) -> None:
    assert value_of(expression, scope(more=2, big=2**80)) == value


def test_chance_comes_from_the_seed() -> None:
    expression = "[$random(), $uuid(), $shuffle([1..20])]"

    assert value_of(expression) == value_of(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "list.n",
        "list[v > 1].n",
        "list.(n & '-' & v)",
        "$sum(list.v)",
        "$map(list, function($one, $at) { $one.n & $at })",
        "$reduce([1..5], function($i, $j) { $i * $j })",
        "list{n: v}",
        "list^(>v).n",
        "$uppercase($substringBefore(text, ' '))",
        "$split(text, ' ')",
        "$replace(text, /o(\\w)/, '0$1')",
        "$merge([{'a': 1}, {'b': 2}])",
        "$sift({'a': 1, 'b': 2}, function($v) { $v > 1 })",
        "a > 2 ? 'big' : 'small'",
        "$exists(missing) or $not($exists(a))",
        "($f := function($n) { $n < 2 ? 1 : $n * $f($n - 1) }; $f(10))",
        "$formatNumber(1234.5, '#,##0.00')",
        "$string({'a': [1, null, true]})",
        "$number('12.50')",
        "[1..3] ~> $reverse()",
        "**.v",
        "$distinct([1, 1, 2])",
        "$zip([1, 2], [3, 4])",
        "$fromMillis(0)",
        "$base64encode('x')",
        "list[0]",
        "$count(list)",
        "$average(list.v)",
        "'a' in ['a', 'b']",
        "$each({'a': 1}, function($v, $k) { $k & $v })",
    ],
)
def test_two_implementations_agree(expression: str) -> None:
    """The library is young: what it gives is held against another one."""
    told = json.loads(json.dumps(jsonata.Jsonata(expression).evaluate(INPUT)))

    assert value_of(f"$states.input.({expression})") == told


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("$missing", "returned nothing (undefined)."),
        ("function($x) { $x }", "returned an unsupported result type."),
        ("$missing(1)", "threw an error during evaluation. T1006: Attempted to invoke a non-function"),
        ("$eval('1')", "threw an error during evaluation. $eval is not allowed in a state machine"),
        ("($f := function($x) { $f($x + 1) }; $f(1))", "D1012"),
        ("($f := function($n) { $n < 1 ? 0 : 1 + $f($n - 1) }; $f(9999))", "D1011"),
        ("[1..9999999]", "D2015"),
        ("$pad('', 99999999999)", "numbers up to"),
        ("$formatInteger(9999999999999, 'I')", "numbers up to"),
        ("$partition([1], 0)", "chunk size"),
        ("$parse('[')", "not a JSON text"),
    ],
)
def test_what_an_expression_cannot_give_is_told(expression: str, problem: str) -> None:
    cause = failure_of(expression)

    assert cause.startswith(f"The JSONata expression '{expression}' specified for the field 'Output' ")
    assert problem in cause


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_failure_that_another_thread_forgets_takes_nothing_with_it() -> None:
    """The library's expressions may be dropped by the thread that made them alone."""
    kept = list[BaseException]()

    def fail() -> None:
        try:
            value_of("$missing(1)")
        except Failure as failure:
            kept.append(failure)

    thread = Thread(target=fail)
    thread.start()
    thread.join()
    kept.clear()
    gc.collect()


@pytest.mark.parametrize("text", ["(" * 5000 + "1" + ")" * 5000, "[" * 900, "1 +", "a b", "x" * 40_000])
def test_a_text_that_is_no_expression_is_refused_when_the_machine_is_made(text: str) -> None:
    with pytest.raises(InvalidDefinition, match=r"JSONata expression is not valid: .* at /States/A/Output/b"):
        parse(machine(A={"Type": "Pass", "Output": {"b": f"{{% {text} %}}"}, "End": True}))


@pytest.mark.parametrize(
    ("state", "place"),
    [
        ({"Type": "Pass", "Parameters": {}, "End": True}, "Parameters"),
        ({"Type": "Pass", "InputPath": "$", "End": True}, "InputPath"),
        ({"Type": "Pass", "QueryLanguage": "JSONPath", "End": True}, ""),
        ({"Type": "Wait", "SecondsPath": "$.a", "End": True}, "SecondsPath"),
        ({"Type": "Map", "Items": "no list", "ItemProcessor": machine(P={"Type": "Succeed"})}, "Items"),
        (
            {"Type": "Choice", "Choices": [{"Variable": "$", "IsNull": True, "Next": "A"}]},
            "Choices[0]/IsNull",
        ),
        ({"Type": "Pass", "Assign": {"states": 1}, "End": True}, "Assign/states"),
        ({"Type": "Pass", "Assign": 3, "End": True}, "Assign"),
    ],
)
def test_fields_of_the_other_language_are_refused(state: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidDefinition, match=f" at /States/A/{place}".rstrip("/").replace("[", r"\[")):
        parse(machine(A=state))


def test_a_task_has_arguments_and_output_and_catches_what_an_expression_throws() -> None:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"Payload": "{% $states.input.a %}"},
        "TimeoutSeconds": "{% $states.input.a * 10 %}",
        "Assign": {"kept": "{% $states.result.got %}"},
        "Output": "{% $missing %}",
        "Catch": [
            {
                "ErrorEquals": ["States.QueryEvaluationError"],
                "Output": "{% $states.errorOutput.Error %}",
                "Next": "End",
            }
        ],
        "Next": "End",
    }
    shell = Shell(
        parse(
            machine(
                T=task, End={"Type": "Succeed", "Output": ["{% $exists($kept) %}", "{% $states.input %}"]}
            )
        ),
        lambda one: [TaskStarted(one.task_id), TaskSucceeded(one.task_id, '{"got": 1}')],
    )

    ended = shell.run(json.dumps(INPUT))

    assert ended.output == '[false,"States.QueryEvaluationError"]'
    assert (shell.tasks[0].parameters, shell.tasks[0].timeout_seconds) == ({"Payload": 3}, 30)
    failed = next(event for event in shell.history() if event["type"] == "EvaluationFailed")
    assert failed["previousEventId"] == failed["id"] - 1
    assert failed["evaluationFailedEventDetails"]["location"] == "Output"


def test_a_choice_takes_the_output_of_the_rule_that_holds() -> None:
    rules = [
        {"Condition": "{% $states.input.a > 5 %}", "Next": "E", "Output": "big"},
        {"Condition": "{% $states.input.a > 2 %}", "Next": "E", "Output": "medium", "Assign": {"x": 1}},
    ]
    choice = {"Type": "Choice", "Choices": rules, "Default": "E", "Output": "small"}
    states = machine(C=choice, E={"Type": "Succeed"})

    outputs = [Shell(parse(states)).run(json.dumps({"a": a})).output for a in (9, 3, 1)]

    assert outputs == ['"big"', '"medium"', '"small"']


def test_a_map_selects_items_and_a_fail_state_computes_its_cause() -> None:
    inner = {
        "StartAt": "P",
        "States": {"P": {"Type": "Pass", "Output": "{% $states.input.twice %}", "End": True}},
    }
    each = {
        "Type": "Map",
        "Items": "{% $states.input.list.v %}",
        "ItemSelector": {"twice": "{% $states.context.Map.Item.Value * 2 %}"},
        "MaxConcurrency": "{% 1 %}",
        "ItemProcessor": inner,
        "Next": "F",
    }
    fail = {"Type": "Fail", "Error": "{% 'E' & $states.input[0] %}", "Cause": "{% $string($states.input) %}"}

    ended = Shell(parse(machine(M=each, F=fail))).run(json.dumps(INPUT))

    assert (ended.error, ended.cause) == ("E2", "[2,4]")


def test_states_within_a_state_speak_the_language_of_the_machine() -> None:
    inner = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Parameters": {"v.$": "$"}, "End": True}}}
    each = {"Type": "Map", "QueryLanguage": "JSONata", "Items": [1], "ItemProcessor": inner, "End": True}

    ended = Shell(parse({"StartAt": "M", "States": {"M": each}})).run()

    assert ended.output == '[{"v":1}]'


def test_a_task_that_fails_tells_a_catcher_of_its_error() -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "E"}]
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Catch": catch, "End": True}

    ended = Shell(
        parse(machine(T=task, E={"Type": "Succeed"})),
        lambda one: [TaskStarted(one.task_id), TaskFailed(one.task_id, "Oops", "why")],
    ).run()

    assert ended.output == '{"Error":"Oops","Cause":"why"}'
