"""Paths, intrinsic functions and templates: what they give and what they refuse."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from customlabels.asl.documents import Document, compact
from customlabels.asl.expressions import Scope, compile_expression, compile_template
from customlabels.asl.failures import Failure
from customlabels.asl.paths import InvalidExpression, PathMissing, compile_path, write_path

SHOP = {
    "items": [{"name": "a", "price": 3}, {"name": "b", "price": 5}],
    "odd key": {"it's": 1},
    "a-b": None,
    "deep": {"deep": {"name": "c"}},
}


def scope(value: Any, variables: dict[str, Any] | None = None) -> Scope:
    return Scope(Document(value=value), lambda: {"State": {"Name": "S"}}, variables or {}, Random("seed"))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", SHOP),
        ("$.items[0].name", "a"),
        ("$.items[-1]['name']", "b"),
        ("$['items'][1]", {"name": "b", "price": 5}),
        ("$['odd key']['it\\'s']", 1),
        ("$.a-b", None),
        ("$.items.[0].price", 3),
        ("$.items[*].name", ["a", "b"]),
        ("$.items[0:1]", [{"name": "a", "price": 3}]),
        ("$.items[?(@.price > 3)].name", ["b"]),
        ("$..name", ["a", "b", "c"]),
        ("$.nothing[*].here", []),
        ("$.items.length()", 2),
        ("$.items[*].price.sum()", 8),
    ],
)
def test_a_definite_path_gives_a_value_and_any_other_a_list(path: str, value: Any) -> None:
    assert compile_path(path).read(SHOP) == value


@pytest.mark.parametrize("path", ["$.*", "$[*].a", "$..a", "$[?(@.a == 1)]"])
@pytest.mark.parametrize("document", ["x", '{"a": 1}', '["a"]', 7, None, ['{"a": 1}']])
def test_a_text_is_never_taken_for_a_document(path: str, document: Any) -> None:
    found = compile_path(path).read(document)

    assert found == (document if path == "$.*" and isinstance(document, list) else [])


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("$.no", "No results for path: $['no']"),
        ("$.no.such", "Missing property in path $['no']"),
        ("$.deep.no", "No results for path: $['deep']['no']"),
        ("$.items[7]", "No results for path: $['items'][7]"),
        ("$.items.name", "Expected to find an object with property ['name'] in path $['items']"),
        ("$.deep[0]", "Filter: [0] can only be applied to arrays"),
    ],
)
def test_a_definite_path_without_a_value_says_where_it_stopped(path: str, reason: str) -> None:
    with pytest.raises(PathMissing) as missing:
        compile_path(path).read(SHOP)

    assert str(missing.value) == reason


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a.b",
        "$.",
        "$[",
        "$.a b",
        "$.a[?(@.b =~ /x+/)]",
        "$.a | $.b",
        "$..a..b",
        "$.a[?(@.b == $.c)]",
        "$.a[?(@..b)]",
        "$." + "a" * 5_000,
    ],
)
def test_what_is_no_path_or_has_no_bound_is_refused(path: str) -> None:
    with pytest.raises(InvalidExpression):
        compile_path(path)


def test_writing_makes_the_objects_on_the_way_and_leaves_the_original_alone() -> None:
    before = {"a": {"b": 1}, "list": [1, 2]}

    after = write_path(write_path(before, ("a", "c", "d"), 2), ("list", 0), 9)

    assert after == {"a": {"b": 1, "c": {"d": 2}}, "list": [9, 2]}
    assert before == {"a": {"b": 1}, "list": [1, 2]}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("States.Format('{} is {}, \\{\\} \\'q\\'', 'x', $.n)", "x is 2, {} 'q'"),
        ("States.Format('{}', $.o)", "{a=1, b=[true, null]}"),
        ("States.Format($.t, 1.5)", "<1.5>"),
        ("States.Array(1, 'a', null, $.n, States.Array())", [1, "a", None, 2, []]),
        ("States.ArrayContains(States.Array(1, 1.0), true)", False),
        ("States.ArrayUnique(States.Array(1, 1, 1.0, true, 1))", [1, 1.0, True]),
        ("States.ArrayRange(5, 1, -2)", [5, 3, 1]),
        ("States.ArrayPartition($.l, 2)", [[1, 2], [3]]),
        ("States.MathAdd(-1.5, 0)", -1),
        ("States.StringSplit('a.b+c', '.+')", ["a", "b", "c"]),
        ("States.JsonMerge($.o, States.StringToJson('\\{\"a\":2\\}'), false)", {"a": 2, "b": [True, None]}),
        ("States.JsonToString($.o)", '{"a":1,"b":[true,null]}'),
        ("States.Base64Decode(States.Base64Encode('hä'))", "hä"),
        ("States.Hash('x', 'SHA-1')", "11f6ad8ec52a2984abaafd7c3b516503785c2072"),
        ("States.ArrayLength($.l[?(@ > 1)])", 2),
        ("$$.State.Name", "S"),
        ("$v.w[0]", 7),
        ("States.MathAdd($v.w[0], 1)", 8),
    ],
)
def test_an_intrinsic_call_gives_its_value(expression: str, value: Any) -> None:
    data = {"n": 2, "o": {"a": 1, "b": [True, None]}, "t": "<{}>", "l": [1, 2, 3]}

    result = compile_expression(expression, "f.$")(scope(data, {"v": {"w": [7]}}))

    assert compact(result) == compact(value)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("States.ArrayRange(0, 9, 0)", "the step must not be zero"),
        ("States.ArrayRange(0, 5000, 1)", "a range has at most 1000 elements"),
        ("States.ArrayRange(0, 9223372036854775807, 1)", "a range has at most 1000 elements"),
        ("States.ArrayGetItem(States.Array(1), 1)", "there is no element 1"),
        ("States.StringToJson('no')", "not a JSON text"),
        ("States.JsonMerge($, $, true)", "only the shallow merge"),
        ("States.Format('{} {}', 1)", "fewer values than places"),
        ("States.MathAdd('1', 2)", "each argument must be a number"),
        ("States.Hash('x', 'CRC')", "the algorithm must be one of"),
    ],
)
def test_an_intrinsic_call_that_cannot_be_done_says_why(expression: str, problem: str) -> None:
    with pytest.raises(Failure, match=problem) as failure:
        compile_expression(expression, "f.$")(scope({}))

    assert failure.value.error == "States.IntrinsicFailure"
    assert f"The function '{expression}' had the following error: " in (failure.value.cause or "")


@pytest.mark.parametrize(
    "expression",
    [
        "States.Nothing()",
        "States.UUID(1)",
        "States.Array(1",
        "States.Array(1) x",
        "States.Array(1 2)",
        "States.Array(1e999)",
        "States.Array(" + "1" * 5_000 + ")",
        "States.StringToJson('a \\\" b')",
        "plain text",
        "States.MathAdd(" * 11 + "1, 1" + ")" * 11,
    ],
)
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(InvalidExpression):
        compile_expression(expression, "f.$")


def test_random_functions_take_their_chance_from_the_scope() -> None:
    call = compile_expression("States.Array(States.UUID(), States.MathRandom(1, 1000000))", "f.$")

    one, same = call(scope({})), call(scope({}))

    assert one == same
    assert 1 <= one[1] < 1_000_000


def test_a_template_computes_marked_fields_only_at_any_depth() -> None:
    problems: list[tuple[str, str]] = []
    source = {"a": "$.x", "b.$": "$.x", "c": [{"d.$": "States.Array($.x)"}, "$.x"]}

    template = compile_template(source, lambda place, field: problems.append((place, field)))

    assert template(scope({"x": 1})) == {"a": "$.x", "b": 1, "c": [{"d": [1]}, "$.x"]}
    assert problems == []


def test_a_template_names_every_field_that_computes_nothing() -> None:
    problems: list[tuple[str, str]] = []

    compile_template({"a.$": "x", "b": [{"c.$": 1}]}, lambda place, field: problems.append((place, field)))

    assert problems == [("", "a.$"), ("/b/0", "c.$")]
