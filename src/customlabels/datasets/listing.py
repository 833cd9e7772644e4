"""Listing: what a revision holds; its figures, its entries by page and filter, its labels.

Layer: datasets. Reads the tables that `revisions` writes. A revision never changes, so a page may be asked
for by the position after which it begins, and no long snapshot is needed to read all of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, func, select

from customlabels import datasets
from customlabels.datasets.manifests import Dropped
from customlabels.datasets.revisions import BATCH, FIGURES, Stats
from customlabels.storage import Reading, Records
from customlabels.storage.schema import dropped_lines, entries, entry_labels, ref_blocks, ref_grams, revisions

BLOCKS_AT_ONCE = 16
MOST_KEPT = 8  # revisions
# The blocks of the revisions that were searched last, which never change: at most 2 MB each.
_kept: dict[tuple[object, str], Sequence[Row[Any]]] = {}
SHOWN = (entries.c.position, entries.c.line, entries.c.is_labeled, entries.c.errors)


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


def rows_of(
    reading: Reading,
    revision_id: str,
    after_position: int = 0,
    limit: int = 100,
    filters: Filters | None = None,
) -> Sequence[Row[Any]]:
    """A page of entries in the order of their positions, those after `after_position`: rows of SHOWN.

    Each filter has an index that leads to the page: a page costs about the same wherever it begins. The lines
    are not read again: what was found in them when they were staged stands beside them.
    """
    filters = filters or Filters()
    conditions = list(_conditions(filters, reading.dialect))
    begin = _Begin(revision_id, after_position, limit)
    if filters.contains_labels:
        return _by_label(reading, begin, filters, conditions)
    if filters.source_ref_contains and not filters.has_errors and filters.labeled is not False:
        return list(_by_block(reading, begin, filters.source_ref_contains, conditions))
    return _rows(reading, begin, entries.c.position > after_position, *conditions)


def every_line(records: Records, revision_id: str, batch: int = BATCH) -> Iterator[str]:
    """All lines of a revision, page by page: no long snapshot, and none is needed, for it never changes."""
    position = 0
    while True:
        with records.read() as reading:
            page = rows_of(reading, revision_id, position, batch)
        yield from (row.line for row in page)
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
    if filters.labeled is not None and not (filters.labeled and filters.contains_labels):
        # Few have errors: the planner is kept from looking for these among all that have a label.
        is_labeled = entries.c.is_labeled + 0 if filters.has_errors else entries.c.is_labeled
        yield is_labeled == int(filters.labeled)
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


def _rows(reading: Reading, begin: _Begin, *conditions: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """The first entries that fit the conditions."""
    here = entries.c.revision_id == begin.revision_id, *conditions
    query = select(*SHOWN).where(*here).order_by(entries.c.position)
    return reading.execute(query.limit(begin.limit)).all()


def _by_label(
    reading: Reading, begin: _Begin, filters: Filters, conditions: Sequence[ColumnElement[bool]]
) -> Sequence[Row[Any]]:
    """Entries along the index of labels: the first ones of all labels are among the first ones of each."""
    position = entry_labels.c.position
    here = [entry_labels.c.revision_id == begin.revision_id, position > begin.after_position]
    if conditions:
        # The position of the entry itself is not bounded, lest a planner begins with the entries.
        here += entries.c.revision_id == begin.revision_id, entries.c.position == position, *conditions
    if filters.source_ref_contains:
        blocks = list(_blocks_with(reading, begin, filters.source_ref_contains))
        if not blocks:
            return ()
        here.append(position.between(blocks[0].first, blocks[-1].last))
    found: set[int] = set()
    for label in dict.fromkeys(filters.contains_labels):
        of_label = select(position).where(*here, entry_labels.c.label == label).order_by(position)
        found.update(reading.execute(of_label.limit(begin.limit)).scalars())
    return _rows(reading, begin, entries.c.position.in_(sorted(found)[: begin.limit]))


def _by_block(
    reading: Reading, begin: _Begin, text: str, conditions: Sequence[ColumnElement[bool]]
) -> Iterator[Row[Any]]:
    """Entries of the blocks that have the text, block after block until the page is full."""
    position = entries.c.position
    left, size = begin.limit, 1  # blocks at a time: of a frequent text, one will do
    blocks = _blocks_with(reading, begin, text)
    while left and (piece := list(islice(blocks, size))):
        size = BLOCKS_AT_ONCE
        here = ref_blocks.c.first.in_([block.first for block in piece])
        those = select(ref_blocks.c.refs).where(ref_blocks.c.revision_id == begin.revision_id, here)
        found = [
            ref
            for refs in reading.execute(those).scalars()
            if text in refs
            for ref in refs.split("\n")
            if text in ref
        ]
        after = max(piece[0].first - 1, begin.after_position)
        fitting = (position > after) & (position <= piece[-1].last)
        if found and len(found) < begin.limit * len(piece):  # else they are soon met along the positions
            # Asked for apart, lest a planner goes along the positions all the same.
            named = entries.c.revision_id == begin.revision_id, entries.c.source_ref.in_(found)
            places = reading.execute(select(position).where(*named)).scalars()
            fitting = position.in_([place for place in places if place > after])
        rows = _rows(reading, begin._replace(limit=left), fitting, *conditions) if found else ()
        yield from rows
        left -= len(rows)


def _blocks_with(reading: Reading, begin: _Begin, text: str) -> Iterator[Row[Any]]:
    """The blocks that may have the text, from where the page begins."""
    key = reading.database, begin.revision_id
    blocks = _kept.get(key)
    if blocks is None:
        here = select(ref_grams).where(ref_grams.c.revision_id == begin.revision_id)
        blocks = reading.execute(here.order_by(ref_grams.c.first)).all()
        for oldest in list(_kept)[: len(_kept) - MOST_KEPT + 1]:
            _kept.pop(oldest, None)
        _kept[key] = blocks
    return (
        each for each in blocks if each.last > begin.after_position and datasets.may_contain(each.grams, text)
    )


def labels_by_position(records: Records, revision_id: str) -> dict[int, tuple[str, tuple[str, ...]]]:
    """Address and labels of every entry of a revision, by its position."""
    here = select(entries.c.position, entries.c.source_ref).where(entries.c.revision_id == revision_id)
    used = select(entry_labels.c.position, entry_labels.c.label)
    labels: dict[int, list[str]] = defaultdict(list)
    with records.read() as reading:
        for position, label in reading.execute(used.where(entry_labels.c.revision_id == revision_id)):
            labels[position].append(label)
        rows = reading.execute(here.order_by(entries.c.position))
        return {row.position: (row.source_ref, tuple(labels.get(row.position, ()))) for row in rows}
