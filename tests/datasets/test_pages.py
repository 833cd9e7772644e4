"""Pages of entries: for any data, filters and size they are what a look at each entry finds."""

import json
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.datasets.lines import image_line
from tests.storage import conftest as storage_fixtures

from customlabels.datasets import (
    Entry,
    Filters,
    divided,
    listing,
    read_line,
    revisions,
    rows_of,
    searching,
    stage,
)
from customlabels.storage import Records

postgres, database, records = (
    getattr(storage_fixtures, name) for name in ("postgres", "database", "records")
)

LABELS = st.sampled_from(["cat", "dog", "errors", "a b"])
LETTERS = "ab./\u00e9\u72ac"
LINES = st.lists(
    st.tuples(st.text(LETTERS + "\n", min_size=1, max_size=5), st.lists(LABELS, max_size=3), st.booleans()),
    unique_by=lambda line: line[0],
    max_size=25,
)
FILTERS = st.builds(
    Filters,
    contains_labels=st.lists(st.one_of(LABELS, st.just("none has it")), max_size=3).map(tuple),
    labeled=st.none() | st.booleans(),
    source_ref_contains=st.text(LETTERS, max_size=2) | st.sampled_from(["s3://photos/", "os/a"]),
    has_errors=st.booleans(),
)
numbers = count()


def _entry(position: int, key: str, labels: list[str], is_flawed: bool) -> Entry:
    flaw = {"flaw": 0, "flaw-metadata": {"type": "groundtruth/unheard-of"}}
    line = {"source-ref": f"s3://photos/{key}"} | (flaw if is_flawed else {})
    for number, label in enumerate(labels):
        metadata = json.loads(image_line("any", label))["label-metadata"]
        line |= {f"label-{number}": 0, f"label-{number}-metadata": metadata}
    read = read_line(json.dumps(line), position)
    assert isinstance(read, Entry)
    assert (bool(read.errors), {*read.labels}) == (is_flawed, {*labels})
    return read


def _fits(entry: Entry, filters: Filters) -> bool:
    return (
        (not filters.contains_labels or not {*filters.contains_labels}.isdisjoint(entry.labels))
        and filters.labeled in (None, entry.is_labeled)
        and filters.source_ref_contains in entry.source_ref
        and (bool(entry.errors) or not filters.has_errors)
    )


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    lines=LINES,
    moved=st.sets(st.integers(1, 40)),
    asked=st.lists(FILTERS, min_size=1, max_size=9),
    data=st.data(),
)
def test_pages_are_what_a_look_at_each_entry_finds(
    lines: list[tuple[str, list[str], bool]],
    moved: set[int],
    asked: list[Filters],
    data: st.DataObject,
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the whole, and on both parts of it, whose positions have gaps."""
    monkeypatch.setattr(revisions, "REFS", data.draw(st.integers(1, 30)))
    monkeypatch.setattr(listing, "MOST_KEPT", data.draw(st.sampled_from([0, 200, 1 << 20])))
    monkeypatch.setattr(searching, "MOST_MISSES", data.draw(st.integers(0, 4)))
    entries = [_entry(position, *line) for position, line in enumerate(lines, start=1)]
    whole, rest, part = (f"{next(numbers)}" for _ in range(3))
    stage(records, whole, entries, now=1.0)
    divided(records, whole, rest, part, moved & {entry.position for entry in entries}, now=1.0)

    for filters in asked:
        size = data.draw(st.integers(1, 30))
        for revision, holds in ((whole, {*range(99)}), (rest, {*range(99)} - moved), (part, moved)):
            pages: list[int] = []
            with records.read() as reading:
                while page := rows_of(reading, revision, pages[-1] if pages else 0, size, filters):
                    assert len(page) <= size
                    pages += [row.position for row in page]
            assert pages == [e.position for e in entries if e.position in holds and _fits(e, filters)]
