"""Reading definitions from text: substitutions, and the mistakes that would change a machine silently."""

from __future__ import annotations

import pytest

from customlabels.asl import InvalidDefinition, parse, read_definition
from customlabels.errors import InvalidInput

YAML = """
StartAt: Is it good?
States:
  Is it good?:
    Type: Pass
    Parameters:
      Bucket: ${Bucket}
      Uri: s3://${Bucket}/${Prefix}/x
      Since: 2020-01-01T00:00:00Z
      Price.$: States.Format('${!}', $.x)
    End: true
"""


def test_yaml_and_json_give_the_same_data() -> None:
    expected = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}

    assert read_definition("StartAt: A\nStates:\n  A: {Type: Pass, End: true}\n") == expected
    assert read_definition('{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}') == expected


def test_tokens_are_substituted_in_texts_and_dates_stay_texts() -> None:
    definition = read_definition(YAML, {"Bucket": "b", "Prefix": "p"})

    assert definition["States"]["Is it good?"]["Parameters"] == {
        "Bucket": "b",
        "Uri": "s3://b/p/x",
        "Since": "2020-01-01T00:00:00Z",
        "Price.$": "States.Format('${!}', $.x)",
    }


def test_every_token_without_a_value_is_named_with_its_place() -> None:
    with pytest.raises(InvalidInput) as error:
        read_definition(YAML, {"Prefix": "p"})

    assert "${Bucket} at /States/Is it good?/Parameters/Bucket" in str(error.value)
    assert "${Bucket} at /States/Is it good?/Parameters/Uri" in str(error.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' stands twice, first in line 1"),
        ('{\n"a": 1,\n"a": 2}', "the key 'a' stands twice in one object; see lines 2, 3"),
        ("1: a\n", "line 1: the key 1 is not a text"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "line 3: merge keys"),
        ("[1]", "it must be an object"),
        ('{"a": ', "not a JSON text"),
        ("a: [", "not a YAML text"),
        ("a: !!python/object:os.system {}", "not a YAML text"),
        ("a: !!binary aGk=", "the value at /a is no JSON value"),
        ("a: [.nan]", "the value at /a[0] is no JSON value"),
        ('{"a": NaN}', "NaN is not a JSON value"),
        ("a: &x [*x]", "not a YAML text"),
        ('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ("x" * 1_100_000, "at most 1048576 are allowed"),
    ],
)
def test_a_text_that_is_no_definition_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as error:
        read_definition(text)

    assert problem in str(error.value)


def test_half_a_character_is_refused_and_a_whole_one_is_not() -> None:
    assert (
        read_definition('{"Comment": "\\ud83d\\ude00 \\\\ud83d"}')["Comment"] == "\N{GRINNING FACE} \\ud83d"
    )
    with pytest.raises(InvalidInput, match="half a character"):
        read_definition('{"Comment": "\\ud83d"}')


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 9):
        aliases = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} [{aliases}]")

    with pytest.raises(InvalidInput, match="too large"):
        read_definition("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("not a definition", "Unrecognized token 'not': was expecting (JSON String, ", "line: 1, column: 4]"),
        (
            "{\n a: 1}",
            "Unexpected character ('a' (code 97)): was expecting double-quote to start",
            "line: 2, column: 3]",
        ),
        ('{"a" 1}', "Unexpected character ('1' (code 49)): was expecting a colon", "line: 1, column: 7]"),
        ('{"a": [' + " " * 600, "Unexpected end-of-input", "[truncated 107 chars]; line: 1, column: 608]"),
    ],
)
def test_a_definition_that_is_no_json_is_told_with_line_and_column(
    text: str, message: str, place: str
) -> None:
    with pytest.raises(InvalidDefinition) as error:
        parse(text)

    (problem,) = error.value.problems
    assert problem.code == "INVALID_JSON_DESCRIPTION"
    assert problem.message.startswith(message)
    assert str(problem.location).startswith(f'[Source: (String)"{text[:500]}"')
    assert str(problem.location).endswith(place)
