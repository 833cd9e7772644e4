"""Java's regular expressions mean the same in Python."""

import re

import pytest

from customlabels.wire import Services
from customlabels.wire.patterns import compiled, enum_order


@pytest.mark.parametrize(
    ("pattern", "matching", "failing"),
    [
        (r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$", ["Größe 1", "日本", "٣", "a\u00a0b", ""], ["a*", "a\tb", "☃"]),
        (r"\p{ASCII}*", ["", "a\x00~"], ["é"]),
        (r"\p{L}+", ["é"], ["1", ""]),
        (r"\d{2}", ["12"], ["٣٣", "1"]),
        (r"\w+", ["a_1"], ["é"]),
        (r".+", ["a b"], ["a\u2028b", "a\rb", "a\n"]),
        (r"[.]+", ["..."], ["a"]),
        (r"[a[]+", ["[a"], ["]"]),
        (r"\.[\].]", [".]", ".."], ["a]"]),
        (r"^[0-9]+$", ["12"], ["12\n"]),
        (r"[\u0009\u000A\u0020-\u00FF]+", ["ü\n"], ["€"]),
        (r"[a-zA-Z0-9-_. ()':,;?]+", ["a-b_(c)?"], ["a!"]),
    ],
)
def test_a_pattern_matches_what_it_matches_in_java(
    pattern: str, matching: list[str], failing: list[str]
) -> None:
    expression = compiled(pattern)

    assert [text for text in matching if not expression.fullmatch(text)] == []
    assert [text for text in failing if expression.fullmatch(text)] == []


def test_every_pattern_of_the_used_models_can_be_translated(services: Services) -> None:
    descriptions = [service.model for service in (*services, services.shape_only("s3"))]
    shapes = [model.shape_for(name) for model in descriptions for name in model.shape_names]

    patterns = {shape.metadata["pattern"] for shape in shapes if "pattern" in shape.metadata}

    assert [pattern for pattern in patterns if not isinstance(compiled(pattern), re.Pattern)] == []
    assert len(patterns) > 25


def test_what_cannot_be_translated_is_refused_and_not_ignored() -> None:
    with pytest.raises(re.error):
        compiled(r"\p{Nonsense}")


@pytest.mark.parametrize(
    ("values", "listed"),
    [
        (
            ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"),
            "[SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]",
        ),
        (("S", "N", "B"), "[B, N, S]"),
    ],
)
def test_an_enum_is_listed_in_the_order_in_which_aws_lists_it(values: tuple[str, ...], listed: str) -> None:
    assert enum_order(values) == listed
