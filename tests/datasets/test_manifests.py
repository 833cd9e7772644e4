"""Manifests: each rule of a line as data, the rules of a file, and lines that go round and round."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.datasets.lines import image_line, raw

from customlabels.datasets import (
    Dropped,
    Entry,
    ManifestFileError,
    ManifestLimits,
    line_error,
    listed_line,
    read_line,
    read_manifest,
    split_ref,
    validated_line,
)
from customlabels.errors import InvalidInput

CASES = Path(__file__).parents[1] / "cases" / "manifests"
SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def _cases(*names: str) -> list[Any]:
    return [
        pytest.param(case, id=f"{name}: {case['name']}")
        for name in names
        for case in json.loads((CASES / f"{name}.json").read_text())
    ]


DROPPED_CASES = _cases("dropped")
KEPT_CASES = _cases("image-labels", "boxes")


def _text(line: Any) -> str:
    return line if isinstance(line, str) else json.dumps(line)


@pytest.mark.parametrize("case", DROPPED_CASES)
def test_a_line_without_a_usable_address_is_dropped(case: dict[str, Any]) -> None:
    read = read_line(_text(case["line"]), 7)

    assert read == Dropped(7, case["dropped"])
    assert read.reason
    assert line_error(read.code, ()).message


@pytest.mark.parametrize("case", KEPT_CASES)
def test_a_line_is_read_as_the_case_says(case: dict[str, Any]) -> None:
    read = read_line(_text(case["line"]), 7)

    assert isinstance(read, Entry)
    assert read.boxes_by_label == case["labels"]
    assert list(read.labels) == list(case["labels"])
    assert read.is_labeled == bool(case["labels"])
    assert [[error.code, list(error.place)] for error in read.errors] == case.get("errors", [])
    assert [[error.code, list(error.place)] for error in read.warnings] == case.get("warnings", [])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (image_line("k" * 50, "x" * 100_000), "ERROR_LINE_TOO_LONG"),
        ("[" * 50_000 + "]" * 50_000, "ERROR_INVALID_JSON_LINE"),
    ],
)
def test_a_line_beyond_all_sense_is_dropped(text: str, code: str) -> None:
    assert read_line(text, 1) == Dropped(1, code)


def shown(entry: Entry | Dropped) -> str:
    assert isinstance(entry, Entry)
    return listed_line(entry.line, entry.is_labeled, entry.errors)


@pytest.mark.parametrize("case", KEPT_CASES)
def test_a_listed_line_holds_its_errors_and_reads_back_as_it_was(case: dict[str, Any]) -> None:
    entry = read_line(_text(case["line"]), 7)
    assert isinstance(entry, Entry)

    listed = shown(entry)

    assert json.loads(listed)["cl-metadata"] == {"is_labeled": entry.is_labeled}
    assert listed.count('"code":"ERROR_') == len(entry.errors)
    again = read_line(listed, 7)
    assert isinstance(again, Entry)
    assert json.loads(again.line) == json.loads(entry.line) == case["line"]
    assert (again.errors, again.labels) == (entry.errors, entry.labels)
    validated = validated_line(entry.line, entry.errors, entry.warnings)
    assert read_line(validated, 7) == again


def test_errors_stand_where_they_belong_and_additions_come_last() -> None:
    line = image_line("a.jpg", "x" * 300)
    entry = read_line(line, 1)
    assert isinstance(entry, Entry)

    listed = json.loads(shown(entry))

    assert list(listed) == ["source-ref", "label", "label-metadata", "cl-metadata", "cl-errors"]
    assert [error["code"] for error in listed["cl-errors"]] == ["ERROR_NO_VALID_LABEL_ATTRIBUTES"]
    assert listed["label-metadata"]["cl-errors"] == [
        {"code": "ERROR_INVALID_LABEL_NAME_LENGTH", "message": entry.errors[0].message}
    ]


def test_a_line_keeps_its_text_to_the_letter_unless_it_holds_our_additions() -> None:
    text = '{ "source-ref" : "s3://photos/\\u00e9.jpg", "n": 1.50 }'

    plain = read_line(text + "\r", 1)
    stripped = read_line(text[:-1] + ', "cl-metadata": {}, "errors": [1], "warnings": []}', 1)

    assert isinstance(plain, Entry)
    assert plain.line == text
    assert isinstance(stripped, Entry)
    assert stripped.line == '{"source-ref":"s3://photos/é.jpg","n":1.5}'


def test_a_class_map_may_use_the_keys_that_we_add_elsewhere() -> None:
    line = '{"source-ref":"s3://photos/a","errors-x":{"class-map":{"errors":"a","cl-1":"b"}}}'

    read = read_line(line, 1)

    assert isinstance(read, Entry)
    assert read.line == line


def test_a_line_that_is_no_json_is_replaced_by_its_errors() -> None:
    error = line_error("ERROR_INVALID_JSON_LINE", ())

    assert json.loads(validated_line("{oops", [error], [])) == {
        "errors": [{"code": "ERROR_INVALID_JSON_LINE", "message": "The JSON Line has an invalid format."}]
    }


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=6,
)
KEYS = st.sampled_from(["a", "a-metadata", "b", "b-metadata", "source-ref-metadata", "cl-x"]) | TEXT
VALUES = JSON | st.fixed_dictionaries(
    {"type": st.sampled_from(["groundtruth/image-classification", "groundtruth/object-detection"])},
    optional={
        "class-name": JSON,
        "class-map": JSON,
        "objects": JSON,
        "human-annotated": JSON,
        "confidence": JSON,
    },
)


@settings(max_examples=60)
@given(st.dictionaries(KEYS, VALUES, max_size=4), TEXT.filter(bool))
def test_any_object_with_an_address_is_kept_and_goes_round(extra: dict[str, Any], key: str) -> None:
    read = read_line(json.dumps({**extra, "source-ref": f"s3://photos/{key}"}), 1)
    assert isinstance(read, Entry)

    again = read_line(shown(read), 1)

    assert isinstance(again, Entry)
    assert (again.labels, again.errors, again.warnings) == (read.labels, read.errors, read.warnings)
    assert json.loads(again.line) == json.loads(read.line)


@given(st.text())
def test_any_text_is_read_or_dropped(text: str) -> None:
    assert read_line(text, 1).position == 1


# ---------------------------------------------------------------- whole files


def _codes(lines: list[bytes], limits: ManifestLimits | None = None) -> list[str | None]:
    read = read_manifest(lines, limits or ManifestLimits(max_dropped_share=1))
    return [line.code if isinstance(line, Dropped) else None for line in read]


def test_a_repeated_address_drops_the_later_line() -> None:
    lines = raw(image_line("a.jpg", "cat"), image_line("b.jpg", "cat"), image_line("a.jpg", "dog"))

    assert _codes(lines) == [None, None, "ERROR_REPEATED_SOURCE_REF"]
    kept = read_manifest(lines, ManifestLimits(), unique=False)
    assert all(isinstance(line, Entry) for line in kept)


def test_a_mark_at_the_start_and_carriage_returns_do_no_harm() -> None:
    lines = [b"\xef\xbb\xbf" + image_line("a.jpg", "cat").encode() + b"\r", *raw(image_line("b.jpg", "cat"))]

    assert _codes(lines) == [None, None]


def test_a_line_in_another_encoding_or_without_end_is_dropped() -> None:
    lines = [*raw(image_line("a.jpg", "cat")), b'{"source-ref": "s3://photos/\xe9.jpg"}', b"x" * (1 << 20)]

    assert _codes(lines) == [None, "ERROR_INVALID_JSON_LINE", "ERROR_LINE_TOO_LONG"]


@pytest.mark.parametrize(
    ("lines", "limits", "code"),
    [
        ([], {}, "ERROR_EMPTY_MANIFEST"),
        ([b"\x89PNG\r", b"\x1a"], {}, "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT"),
        (["{}".encode("utf-16")], {}, "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT"),
        (raw(image_line("a", "cat")), {"max_bytes": 100}, "ERROR_MANIFEST_SIZE_TOO_LARGE"),
        (raw(*map(image_line, "abc", "xxx")), {"max_lines": 2}, "ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM"),
        (raw(*map(image_line, "abc", "xyz")), {"max_labels": 2}, "ERROR_MANIFEST_TOO_MANY_LABELS"),
        (raw(image_line("a", "cat"), "{}"), {}, "ERROR_TOO_MANY_RECORDS_IN_ERROR"),
        (raw(image_line("a", "x"), image_line("a", "x", "other")), {}, "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS"),
    ],
)  # fmt: skip
def test_a_file_that_breaks_a_rule_is_refused(lines: list[bytes], limits: dict[str, int], code: str) -> None:
    with pytest.raises(ManifestFileError) as refused:
        list(read_manifest(lines, ManifestLimits(**limits)))

    assert refused.value.code == code
    assert str(refused.value) == f"{refused.value.message} {refused.value.detail}"


@pytest.mark.parametrize(
    ("lines", "limits", "told"),
    [
        (raw(*map(image_line, "abc", "xyz")), {"max_labels": 2}, "3 labels or more, reached at line 3"),
        (raw(image_line("a", "x"), image_line("b", "x", "other")), {}, "image of line 2 is in other"),
        (raw(image_line("a", "x"), "{}", "oops"), {}, r"2 of 3 .* The first is line 2: .*; add \"source-ref"),
    ],
)
def test_a_refused_file_says_which_line_which_rule_and_what_would_be_right(
    lines: list[bytes], limits: dict[str, int], told: str
) -> None:
    with pytest.raises(ManifestFileError, match=told):
        list(read_manifest(lines, ManifestLimits(**limits)))


def test_a_listed_line_is_one_line_for_every_reader_and_never_longer_than_allowed() -> None:
    odd = read_line('{"source-ref":"s3://photos/a","note":"one\u2028two\x85three",\r"n":1}', 1)
    long = read_line(json.dumps({"source-ref": "s3://photos/a", "x": "y" * 99_950}), 1)
    assert isinstance(odd, Entry)
    assert isinstance(long, Entry)

    assert shown(odd).splitlines() == [shown(odd)]
    assert json.loads(shown(odd))["note"] == "one\u2028two\x85three"
    assert len(shown(long)) <= 100_000
    assert json.loads(shown(long))["source-ref"] == "s3://photos/a"


@pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\u2028"])
def test_a_label_is_one_line_as_the_api_can_name_it(end: str) -> None:
    read = read_line(image_line("a.jpg", f"cat{end}dog"), 1)

    assert isinstance(read, Entry)
    assert [error.code for error in read.errors] == ["ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"]


def test_an_address_is_split_at_its_first_blank_free_part() -> None:
    assert split_ref("S3://photos/a/b c#1.jpg") == ("photos", "a/b c#1.jpg")
    with pytest.raises(InvalidInput, match="s3://BUCKET/KEY"):
        split_ref("https://photos/a.jpg")


@pytest.mark.parametrize("name", ["clothing/train", "cards/train", "cards/train-boxes", "cells/test"])
def test_the_real_manifests_have_no_errors(name: str) -> None:
    file = SHARED / f"{name}.manifest"
    if not file.exists():
        pytest.skip(f"{file} is not here: real data is not tested")
    text = file.read_bytes().replace(b'"source-ref":"', b'"source-ref":"s3://photos/')

    read = list(read_manifest(text.splitlines(), ManifestLimits()))

    assert all(isinstance(line, Entry) and line.is_labeled and not line.errors for line in read)
