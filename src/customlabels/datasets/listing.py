"""Listing: what a revision holds; its figures, its entries by page and filter, its labels.

Layer: datasets. Reads the tables that `revisions` writes. A revision never changes, so a page may be asked
for by the position after which it begins, and no long snapshot is needed to read all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

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
    query = select(entries.c.line, entries.c.position).where(
        entries.c.revision_id == revision_id,
        entries.c.position > after_position,
        *_conditions(filters, reading.dialect),
    )
    searched, order = _searched(query, revision_id, after_position, filters, reading.dialect)
    # The first ones of several labels are among the first ones of each.
    found = {
        row.position: row.line
        for one in _by_label(searched, revision_id, after_position, filters)
        for row in reading.execute(one.order_by(*order).limit(limit))
    }
    read = (read_line(found[position], position) for position in sorted(found)[:limit])
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
        yield _contains(entries.c.source_ref, filters.source_ref_contains, dialect)
    if filters.has_errors:
        yield entries.c.errors.is_not(None)


def _contains(column: ColumnElement[str], text: str, dialect: str) -> ColumnElement[bool]:
    find = func.instr if dialect == "sqlite" else func.strpos  # LIKE ignores case on SQLite
    return find(column, text) > 0


def _searched(
    query: Select[Any], revision_id: str, after_position: int, filters: Filters, dialect: str
) -> tuple[Select[Any], tuple[ColumnElement[Any], ...]]:
    """The query by way of the blocks that have the text looked for; and its order."""
    if not filters.source_ref_contains or filters.contains_labels:
        return query, (entries.c.position,)
    within = (
        ref_blocks.c.revision_id == revision_id,
        ref_blocks.c.last > after_position,
        _contains(ref_blocks.c.refs, filters.source_ref_contains, dialect),
        entries.c.position.between(ref_blocks.c.first, ref_blocks.c.last),
    )
    # Blocks do not overlap, so this is the order of the positions, and no sorting.
    return query.where(*within), (ref_blocks.c.first, entries.c.position)


def _by_label(
    query: Select[Any], revision_id: str, after_position: int, filters: Filters
) -> Iterator[Select[Any]]:
    """The query itself, or one for each of the labels looked for, along the index of labels."""
    if not filters.contains_labels:
        yield query
    for label in dict.fromkeys(filters.contains_labels):
        yield query.where(
            entry_labels.c.revision_id == revision_id,
            entry_labels.c.label == label,
            entry_labels.c.position > after_position,
            entry_labels.c.position == entries.c.position,
        )
