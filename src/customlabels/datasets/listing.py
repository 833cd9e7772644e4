"""Listing: what a revision holds; its figures, its entries by page and filter, its labels.

Layer: datasets. Reads the tables that `revisions` writes. A revision never changes, so a page may be asked
for by the position after which it begins, and no long snapshot is needed to read all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select

from customlabels.datasets.manifests import Dropped, Entry, read_line
from customlabels.datasets.revisions import BATCH, FIGURES, Stats
from customlabels.storage import Reading, Records
from customlabels.storage.schema import dropped_lines, entries, entry_labels, ref_blocks, revisions

__all__ = ["Filters", "LabelCount", "dropped_of", "entries_of", "every_entry", "labels_of", "stats_of"]


@dataclass(frozen=True)
class LabelCount:
    """How many images and boxes of a revision carry a label."""

    label: str
    entries: int
    boxes: int


@dataclass(frozen=True)
class Filters:
    """Which entries: all that fit every filter given. Contained labels are alternatives, compared exactly."""

    contains_labels: tuple[str, ...] = ()
    labeled: bool | None = None
    source_ref_contains: str = ""
    has_errors: bool = False  # only those with errors


def stats_of(reading: Reading, revision_id: str) -> Stats:
    """The figures of a revision that is ready; all zero for one that is not there."""
    figures = select(*(revisions.c[name] for name in FIGURES)).where(revisions.c.id == revision_id)
    return Stats(**(reading.execute(figures).mappings().one_or_none() or {}))


def entries_of(
    reading: Reading,
    revision_id: str,
    after_position: int = 0,
    limit: int = 100,
    filters: Filters | None = None,
) -> list[Entry]:
    """A page of entries in the order of their positions, those after `after_position`.

    Each filter has an index that leads to the page: a page costs about the same wherever it begins.
    """
    filters = filters or Filters()
    conditions = list(_conditions(filters, reading.dialect))
    begin = _Begin(revision_id, after_position, limit)
    if filters.contains_labels:
        rows = _by_label(reading, begin, filters.contains_labels, conditions)
    elif filters.source_ref_contains and not filters.has_errors and filters.labeled is not False:
        rows = _by_block(reading, begin, filters.source_ref_contains, conditions)
    else:
        rows = _lines(reading, begin, entries.c.position > after_position, *conditions)
    read = (read_line(line, position) for position, line in sorted(dict(rows).items())[:limit])
    return [entry for entry in read if isinstance(entry, Entry)]


def every_entry(records: Records, revision_id: str, batch: int = BATCH) -> Iterator[Entry]:
    """All entries of a revision, page by page: no long snapshot, and none is needed, for it never changes."""
    position = 0
    while True:
        with records.read() as reading:
            page = entries_of(reading, revision_id, position, batch)
        yield from page
        if len(page) < batch:
            return
        position = page[-1].position


def labels_of(
    reading: Reading, revision_id: str, after: str = "", limit: int | None = None
) -> list[LabelCount]:
    """How often each label is used, by name; those after the label `after`."""
    label = entry_labels.c.label
    counts = select(label, func.count(), func.sum(entry_labels.c.boxes))
    here = counts.where(entry_labels.c.revision_id == revision_id, label > after).group_by(label)
    rows = reading.execute(here.order_by(label).limit(limit))
    return [LabelCount(name, images, int(boxes)) for name, images, boxes in rows]


def dropped_of(reading: Reading, subject: str, after_position: int = 0, limit: int = 100) -> list[Dropped]:
    """Lines that were left out of a revision, or by an operation that failed (its dataset's ARN)."""
    here = dropped_lines.c.subject == subject, dropped_lines.c.position > after_position
    rows = select(dropped_lines.c.position, dropped_lines.c.code).where(*here)
    ordered = rows.order_by(dropped_lines.c.position).limit(limit)
    return [Dropped(row.position, row.code) for row in reading.execute(ordered)]


def _conditions(filters: Filters, dialect: str) -> Iterator[ColumnElement[bool]]:
    if filters.labeled is not None:
        yield entries.c.is_labeled == int(filters.labeled)
    if filters.source_ref_contains:
        find = func.instr if dialect == "sqlite" else func.strpos  # LIKE ignores case on SQLite
        yield find(entries.c.source_ref, filters.source_ref_contains) > 0
    if filters.has_errors:
        yield entries.c.errors.is_not(None)


class _Begin(NamedTuple):
    """Where a page begins, and how many entries it has at most."""

    revision_id: str
    after_position: int
    limit: int


def _lines(reading: Reading, begin: _Begin, *conditions: ColumnElement[bool]) -> Iterator[tuple[int, str]]:
    """Position and line of the first entries that fit the conditions."""
    here = entries.c.revision_id == begin.revision_id, *conditions
    query = select(entries.c.position, entries.c.line).where(*here).order_by(entries.c.position)
    return ((row.position, row.line) for row in reading.execute(query.limit(begin.limit)))


def _by_label(
    reading: Reading, begin: _Begin, labels: Iterable[str], conditions: Sequence[ColumnElement[bool]]
) -> Iterator[tuple[int, str]]:
    """Entries along the index of labels: the first ones of all labels are among the first ones of each."""
    position = entry_labels.c.position
    along = select(position).where(
        entry_labels.c.revision_id == begin.revision_id, position > begin.after_position
    )
    if conditions:
        # The position of the entry itself is not bounded, lest a planner begins with the entries.
        same = entries.c.revision_id == begin.revision_id, entries.c.position == position
        along = along.where(*same, *conditions)
    found: set[int] = set()
    for label in dict.fromkeys(labels):
        of_label = along.where(entry_labels.c.label == label).order_by(position).limit(begin.limit)
        found.update(reading.execute(of_label).scalars())
    return _lines(reading, begin, entries.c.position.in_(sorted(found)[: begin.limit]))


def _by_block(
    reading: Reading, begin: _Begin, text: str, conditions: Sequence[ColumnElement[bool]]
) -> Iterator[tuple[int, str]]:
    """Entries of the blocks that have the text, block after block until the page is full."""
    here = ref_blocks.c.revision_id == begin.revision_id, ref_blocks.c.last > begin.after_position
    letters = set(text)  # one that a block lacks is told much sooner than the text as a whole
    left = begin.limit
    with closing(reading.execute(select(ref_blocks).where(*here).order_by(ref_blocks.c.first))) as blocks:
        for block in blocks:
            # Twice as fast as the databases' own functions.
            if not all(letter in block.refs for letter in letters) or text not in block.refs:
                continue
            first = max(block.first, begin.after_position + 1)
            within = entries.c.position.between(first, block.last)
            rows = list(_lines(reading, begin._replace(limit=left), within, *conditions))
            yield from rows
            left -= len(rows)
            if not left:
                return
