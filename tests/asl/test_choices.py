"""The comparison operators, one table each for what holds and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.asl.in_memory import Shell

from customlabels.asl import Rules, parse
from customlabels.asl.choices import COMPARISONS, TESTS, matches_pattern

EARLY, LATE = "2020-01-01T00:00:00Z", "2020-01-01T00:00:00.5+00:00"


@pytest.mark.parametrize(
    ("operator", "value", "other", "holds"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", 1, "1", False),
        ("StringLessThan", "A", "a", True),
        ("StringGreaterThanEquals", "b", "b", True),
        ("NumericEquals", 1, 1.0, True),
        ("NumericEquals", True, 1, False),
        ("NumericLessThanEquals", 2, 1, False),
        ("NumericGreaterThan", 0.86, 0.85, True),
        ("NumericGreaterThan", 0.85, 0.85, False),
        ("BooleanEquals", True, True, True),
        ("BooleanEquals", 1, True, False),
        ("TimestampEquals", EARLY, "2020-01-01T01:00:00+01:00", True),
        ("TimestampLessThan", EARLY, LATE, True),
        ("TimestampGreaterThan", "yesterday", EARLY, False),
        ("StringMatches", "log-1.txt", "log-*.txt", True),
        ("StringMatches", "log-1.csv", "log-*.txt", False),
        ("StringMatches", 1, "*", False),
    ],
)
def test_an_operator_compares_values_of_its_kind(operator: str, value: Any, other: Any, holds: bool) -> None:
    assert COMPARISONS[operator].compare(value, other) is holds


@pytest.mark.parametrize(
    ("text", "pattern", "fits"),
    [
        ("", "", True),
        ("", "*", True),
        ("abc", "a*c", True),
        ("abcd", "a*c", False),
        ("a*c", "a\\*c", True),
        ("abc", "a\\*c", False),
        ("a\\c", "a\\\\c", True),
        ("aXbXc", "*b*", True),
        ("a" * 3_000, "*a" * 200 + "b", False),
    ],
)
def test_a_pattern_fits_the_whole_text(text: str, pattern: str, fits: bool) -> None:
    assert matches_pattern(text, pattern) is fits


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        (None, {"IsNull"}),
        ("x", {"IsString"}),
        (EARLY, {"IsString", "IsTimestamp"}),
        ("2020-01-01", {"IsString"}),
        (0, {"IsNumeric"}),
        (1.5, {"IsNumeric"}),
        (False, {"IsBoolean"}),
        ([], set()),
        ({}, set()),
    ],
)
def test_each_value_is_of_its_kinds_only(value: Any, kinds: set[str]) -> None:
    assert {name for name, test in TESTS.items() if test(value)} == kinds


def chosen(rule: dict[str, Any], text: str) -> str | None:
    definition = {
        "StartAt": "Which",
        "States": {
            "Which": {"Type": "Choice", "Choices": [{**rule, "Next": "Yes"}], "Default": "No"},
            "Yes": {"Type": "Pass", "Result": "yes", "End": True},
            "No": {"Type": "Pass", "Result": "no", "End": True},
        },
    }
    ended = Shell(parse(definition), rules=Rules()).run(text)
    return ended.output or ended.cause


def test_presence_may_ask_for_what_is_missing_and_guards_the_rest() -> None:
    present = {"Variable": "$.f1", "IsPresent": True}
    rule = {"And": [present, {"Variable": "$.f1", "IsNumeric": True}]}

    assert chosen(rule, "{}") == '"no"'
    assert chosen(rule, '{"f1": 1}') == '"yes"'
    assert chosen({"Variable": "$.f1", "IsPresent": False}, "{}") == '"yes"'


def test_a_condition_on_a_missing_value_ends_the_execution() -> None:
    assert chosen({"Variable": "$.f1", "NumericEquals": 1}, "{}") == (
        "An error occurred while executing the state 'Which' (entered at the event id #2). "
        "Invalid path '$.f1': The choice state's condition path references an invalid value."
    )


def test_combinations_hold_as_their_parts_do() -> None:
    one = {"Variable": "$.a", "NumericEquals": 1}
    two = {"Variable": "$.b", "NumericEqualsPath": "$.a"}

    assert chosen({"Or": [one, two]}, '{"a": 2, "b": 2}') == '"yes"'
    assert chosen({"And": [one, two]}, '{"a": 2, "b": 2}') == '"no"'
    assert chosen({"Not": {"Or": [one, two]}}, '{"a": 2, "b": 3}') == '"yes"'
