"""Revisions: staged in small steps, put in place at once, copied with changes."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from tests.datasets.lines import image_line, raw

from customlabels.datasets import (
    Dropped,
    Entry,
    Filters,
    LabelCount,
    ManifestFileError,
    ManifestLimits,
    Stats,
    changed,
    every_line,
    labels_of,
    read_line,
    read_manifest,
    ready,
    rows_of,
    stage,
    stats_of,
)
from customlabels.storage import Records
from customlabels.storage.schema import entries, entry_labels, revisions

LIMITS = ManifestLimits(max_dropped_share=1)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    opened = Records.open(f"sqlite:///{tmp_path / 'records.db'}")
    yield opened
    opened.close()


def _staged(records: Records, revision_id: str, *lines: str) -> Stats:
    stats = stage(records, revision_id, read_manifest(raw(*lines), LIMITS), now=1.0, batch=2)
    with records.write() as tx:
        ready(tx, revision_id, stats)
    return stats


def _refs(lines: Iterable[str]) -> list[str]:
    return [json.loads(line)["source-ref"].removeprefix("s3://photos/") for line in lines]


def _rows(records: Records) -> list[int]:
    with records.read() as reading:
        tables = (revisions, entries, entry_labels)
        return [reading.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


BOXED = json.dumps(
    {
        "source-ref": "s3://photos/boxes.jpg",
        "b": {
            "image_size": [{"width": 640, "height": 480, "depth": 3}],
            "annotations": [
                {"class_id": 0, "left": 9 * number, "top": 0, "width": 9, "height": 9} for number in range(3)
            ],
        },
        "b-metadata": {
            "objects": [{"confidence": 1}] * 3,
            "class-map": {"0": "dog"},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00",
        },
    }
)


def test_a_staged_revision_has_its_figures_once_it_is_ready(records: Records) -> None:
    bare, bad = '{"source-ref":"s3://photos/bare.jpg"}', '{"source-ref":"s3://photos/bad.jpg","x":1}'
    lines = (image_line("a.jpg", "cat"), "oops", image_line("b.jpg", "dog"), bare, bad, BOXED, bare)

    staged = _staged(records, "r1", *lines)

    with records.read() as reading:
        stats = stats_of(reading, "r1")
        counts = labels_of(reading, "r1")
    assert (stats.total_entries, stats.labeled_entries, stats.total_labels, stats.error_entries) == (
        5,
        3,
        2,
        1,
    )
    assert staged.dropped_lines == 2
    assert staged.dropped == (
        Dropped(2, "ERROR_INVALID_JSON_LINE"),
        Dropped(7, "ERROR_REPEATED_SOURCE_REF"),
    )
    assert counts == [LabelCount("cat", 1, 0), LabelCount("dog", 2, 3)]
    assert _refs(every_line(records, "r1", batch=2)) == [
        "a.jpg",
        "b.jpg",
        "bare.jpg",
        "bad.jpg",
        "boxes.jpg",
    ]


def test_staging_again_replaces_what_a_crash_left(records: Records) -> None:
    def dies() -> Iterator[Entry | Dropped]:
        for number in range(5):
            yield read_line(image_line(f"{number}.jpg", "cat"), number)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage(records, "r1", dies(), now=1.0, batch=2)
    assert _rows(records) == [1, 4, 4]

    _staged(records, "r1", image_line("a.jpg", "cat"))

    assert _rows(records) == [1, 1, 1]


FILTERED = [
    (Filters(), ["Cat 1.jpg", "dog.jpg", "both.jpg", "bare.jpg", "bad.jpg"]),
    (Filters(contains_labels=("cat",)), ["Cat 1.jpg", "both.jpg"]),
    (Filters(contains_labels=("cat", "dog")), ["Cat 1.jpg", "dog.jpg", "both.jpg"]),
    (Filters(contains_labels=("Cat",)), []),
    (Filters(labeled=True), ["Cat 1.jpg", "dog.jpg", "both.jpg"]),
    (Filters(labeled=False), ["bare.jpg", "bad.jpg"]),
    (Filters(source_ref_contains="cat"), []),
    (Filters(source_ref_contains="Cat 1"), ["Cat 1.jpg"]),
    (Filters(source_ref_contains="%"), []),
    (Filters(has_errors=True), ["bad.jpg"]),
    (Filters(contains_labels=("dog",), source_ref_contains="bo", labeled=True), ["both.jpg"]),
]


@pytest.mark.parametrize(("filters", "expected"), FILTERED, ids=str)
def test_entries_are_filtered_and_paged_in_order(
    filters: Filters, expected: list[str], records: Records
) -> None:
    both = json.loads(image_line("both.jpg", "cat"))
    second = json.loads(image_line("both.jpg", "dog"))
    both |= {"more": 1, "more-metadata": second["label-metadata"]}
    bare, bad = '{"source-ref":"s3://photos/bare.jpg"}', '{"source-ref":"s3://photos/bad.jpg","x":1}'
    cat, dog = image_line("Cat 1.jpg", "cat"), image_line("dog.jpg", "dog")
    _staged(records, "other", image_line("other.jpg", "cat"))
    _staged(records, "r1", cat, dog, json.dumps(both), bare, bad)

    pages: list[str] = []
    position = 0
    with records.read() as reading:
        while page := rows_of(reading, "r1", position, 2, filters):
            pages += [row.line for row in page]
            position = page[-1].position

    assert _refs(pages) == expected


KEYS = st.sampled_from([f"{number}.jpg" for number in range(9)])
LINES = st.lists(st.tuples(KEYS, st.sampled_from(["cat", "dog", "owl"])), max_size=12)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(base=LINES.filter(bool), changes=LINES)
def test_changes_replace_in_place_or_follow_and_the_base_stays(
    base: list[tuple[str, str]], changes: list[tuple[str, str]], records: Records
) -> None:
    def lines(pairs: list[tuple[str, str]]) -> list[str]:
        return [image_line(key, label) for key, label in pairs]

    _staged(records, "base", *lines(base))
    before = list(every_line(records, "base"))
    update = [read_line(line, number) for number, line in enumerate(lines(changes), start=1)]

    stats = changed(records, "base", "new", update, 2.0, LIMITS)

    expected = dict(reversed(base))  # of a repeated line, the first counts
    order = list(dict.fromkeys([key for key, _label in base + changes]))
    expected |= dict(changes)  # of a repeated change, the last
    after = list(every_line(records, "new"))
    assert _refs(after) == order
    assert [json.loads(line)["label-metadata"]["class-name"] for line in after] == list(
        map(expected.get, order)
    )
    assert (stats.total_entries, stats.total_labels) == (len(order), len(set(expected.values())))
    assert list(every_line(records, "base")) == before
    with records.read() as reading:
        counts = {count.label: count.entries for count in labels_of(reading, "new")}
    assert counts == {label: list(expected.values()).count(label) for label in set(expected.values())}


@pytest.mark.parametrize(
    ("line", "limits", "code"),
    [
        (image_line("c.jpg", "cat"), ManifestLimits(max_lines=2), "ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM"),
        (image_line("a.jpg", "owl"), ManifestLimits(max_labels=1), "ERROR_MANIFEST_TOO_MANY_LABELS"),
        (image_line("a.jpg", "cat", "other"), LIMITS, "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS"),
    ],
)
def test_a_change_that_breaks_a_rule_of_the_whole_is_refused(
    line: str, limits: ManifestLimits, code: str, records: Records
) -> None:
    _staged(records, "base", image_line("a.jpg", "cat"), image_line("b.jpg", "cat"))

    with pytest.raises(ManifestFileError) as refused:
        changed(records, "base", "new", [read_line(line, 1)], 2.0, limits)

    assert refused.value.code == code
    assert _refs(every_line(records, "base")) == ["a.jpg", "b.jpg"]


def test_changes_to_nothing_are_a_first_content(records: Records) -> None:
    stage(records, "empty", [], now=1.0)

    stats = changed(records, "empty", "new", [read_line(image_line("a.jpg", "cat"), 1)], 2.0, LIMITS)

    assert (stats.total_entries, stats.labeled_entries) == (1, 1)


def test_staging_holds_no_more_than_a_batch_of_a_large_manifest(records: Records) -> None:
    count, batch, held = 20_000, 1000, []

    def lines() -> Iterator[bytes]:
        for number in range(count):
            if number % 9999 == 0:
                held.append(number - _rows(records)[1])
            yield image_line(f"{number:06}.jpg", f"label {number % 20}").encode()

    stats = stage(records, "large", read_manifest(lines(), ManifestLimits()), now=1.0, batch=batch)

    assert (stats.total_entries, stats.labeled_entries, stats.total_labels) == (count, count, 20)
    assert max(held) < batch
