"""Revisions: the entries of a dataset at one moment, staged in small transactions and never changed.

Layer: datasets. Knows the tables revisions, entries and entry_labels; which dataset points to a revision
is decided above, in the transaction that calls `ready`.

What a power cut leaves: rows of a revision that is STAGING and that nothing points to. The job that staged
it starts again with `stage` or `changed`, which delete them first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from customlabels.datasets.manifests import Dropped, Entry, ManifestLimits, one_bucket, read_line
from customlabels.storage import Reading, Records, Transaction
from customlabels.storage.schema import entries, entry_labels, revisions

__all__ = [
    "Filters",
    "LabelCount",
    "Stats",
    "changed",
    "entries_of",
    "every_entry",
    "labels_of",
    "ready",
    "stage",
    "stats_of",
]

BATCH = 1000  # rows in one transaction: some ten milliseconds of the one writer
FIGURES = ("total_entries", "labeled_entries", "total_labels", "error_entries")


@dataclass(frozen=True)
class Stats:
    """DatasetStats of a revision, and, while it is staged, the lines that were left out of it."""

    total_entries: int = 0
    labeled_entries: int = 0
    total_labels: int = 0
    error_entries: int = 0
    dropped: tuple[Dropped, ...] = ()

    @property
    def dropped_lines(self) -> int:
        """How many lines were left out."""
        return len(self.dropped)


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


# ---------------------------------------------------------------- writing


def stage(
    records: Records, revision_id: str, lines: Iterable[Entry | Dropped], now: float, batch: int = BATCH
) -> Stats:
    """Write a revision line by line, in transactions of `batch` entries; nobody sees it before `ready`.

    What an earlier attempt under the same id has left is deleted first. Source refs must be unique. An
    error of `lines` passes through and leaves the rows behind.
    """
    dropped: list[Dropped] = []

    def kept() -> Iterator[Entry]:
        for line in lines:
            if isinstance(line, Entry):
                yield line
            else:
                dropped.append(line)

    _write(records, revision_id, kept(), now, batch)
    return replace(_counted(records, revision_id), dropped=tuple(dropped))


def changed(
    records: Records,
    base_id: str,
    revision_id: str,
    lines: Iterable[Entry | Dropped],
    now: float,
    limits: ManifestLimits,
) -> Stats:
    """Stage a copy of `base_id` where `lines` replace entries of the same source-ref, or follow at the end.

    The last line for a source-ref counts; `lines` are held in memory (an update has at most 5 MiB). Raises
    ManifestFileError where the whole would break a rule of the file; the base is never touched.
    """
    given = list(lines)
    changes = {line.source_ref: line for line in given if isinstance(line, Entry)}
    _write(records, revision_id, _placed(records, base_id, changes, limits), now)
    # The changes are in place, so what is copied is what they leave: labels first, because the entries
    # that tell which positions are taken must still be the changes alone.
    for table in (entry_labels, entries):
        _copy(records, table, base_id, revision_id)
    stats = _counted(records, revision_id)
    limits.check(labels=stats.total_labels)
    return replace(stats, dropped=tuple(line for line in given if isinstance(line, Dropped)))


def ready(tx: Transaction, revision_id: str, stats: Stats) -> None:
    """Declare a staged revision complete; in the transaction that also points to it."""
    figures = {name: getattr(stats, name) for name in FIGURES}
    tx.execute(update(revisions).where(revisions.c.id == revision_id).values(status="READY", **figures))


def _write(
    records: Records, revision_id: str, lines: Iterable[Entry], now: float, batch: int = BATCH
) -> None:
    """Begin a revision anew and put `lines` into it."""
    for table in (entry_labels, entries):
        for piece in _blocks(records, table, revision_id):
            with records.write() as tx:
                tx.execute(delete(table).where(piece))
    with records.write() as tx:
        tx.execute(delete(revisions).where(revisions.c.id == revision_id))
        tx.execute(insert(revisions), {"id": revision_id, "status": "STAGING", "created_at": now})
    remaining = iter(lines)
    while block := list(islice(remaining, batch)):  # read outside the transaction: it may be slow
        rows = [
            {
                "revision_id": revision_id,
                "position": entry.position,
                "source_ref": entry.source_ref,
                "line": entry.line,
                "is_labeled": int(entry.is_labeled),
                "errors": json.dumps([asdict(error) for error in entry.errors]) if entry.errors else None,
            }
            for entry in block
        ]
        labels = [
            {"revision_id": revision_id, "label": label, "position": entry.position, "boxes": boxes}
            for entry in block
            for label, boxes in entry.boxes_by_label.items()
        ]
        with records.write() as tx:
            tx.execute(insert(entries), rows)
            if labels:
                tx.execute(insert(entry_labels), labels)


def _placed(records: Records, base_id: str, changes: dict[str, Entry], limits: ManifestLimits) -> list[Entry]:
    """The changes, each at its position in the base or after its end; checks what needs no copy."""
    of_base, refs = entries.c.revision_id == base_id, list(changes)
    known: dict[str, int] = {}
    with records.read() as reading:
        for start in range(0, len(refs), BATCH):
            here = of_base & entries.c.source_ref.in_(refs[start : start + BATCH])
            rows = reading.execute(select(entries.c.source_ref, entries.c.position).where(here))
            known |= {row.source_ref: row.position for row in rows}
        total, last = reading.execute(select(func.count(), func.max(entries.c.position)).where(of_base)).one()
        some = entries_of(reading, base_id, limit=1)
    limits.check(lines=total + len(changes) - len(known))
    bucket = one_bucket(None, some[0]) if some else None
    placed, last = [], last or 0
    for entry in changes.values():
        bucket = one_bucket(bucket, entry)
        if entry.source_ref not in known:
            last += 1
        placed.append(replace(entry, position=known.get(entry.source_ref, last)))
    return placed


def _copy(records: Records, table: Table, base_id: str, revision_id: str) -> None:
    """Copy the rows of a revision whose positions are free in the new one, a block of keys at a time."""
    taken = entries.alias()
    free = ~exists().where(taken.c.revision_id == revision_id, taken.c.position == table.c.position)
    others = [column for column in table.c if column.name != "revision_id"]
    for block in _blocks(records, table, base_id):
        rows = select(literal(revision_id), *others).where(block, free)
        with records.write() as tx:
            tx.execute(insert(table).from_select(["revision_id", *(column.name for column in others)], rows))


def _blocks(records: Records, table: Table, revision_id: str) -> Iterator[ColumnElement[bool]]:
    """Conditions that together cover a revision's rows, each about BATCH of them, along the primary key."""
    _revision_id, *key = table.primary_key
    rest = table.c.revision_id == revision_id
    while True:
        with records.read() as reading:
            ends = select(*key).where(rest).order_by(*key).offset(BATCH - 1).limit(1)
            last: Sequence[Any] | None = reading.execute(ends).one_or_none()
        if last is None:
            yield rest
            return
        yield rest & (tuple_(*key) <= tuple_(*last))
        rest = (table.c.revision_id == revision_id) & (tuple_(*key) > tuple_(*last))


def _counted(records: Records, revision_id: str) -> Stats:
    """The figures of a staged revision, from its rows."""
    of_entries, of_labels = entries.c.revision_id == revision_id, entry_labels.c.revision_id == revision_id
    figures = select(
        func.count().label("total_entries"),
        func.coalesce(func.sum(entries.c.is_labeled), 0).label("labeled_entries"),
        func.count(entries.c.errors).label("error_entries"),
        select(func.count(entry_labels.c.label.distinct()))
        .where(of_labels)
        .scalar_subquery()
        .label("total_labels"),
    ).where(of_entries)
    with records.read() as reading:
        return Stats(**reading.execute(figures).mappings().one())


# ---------------------------------------------------------------- reading


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
    """A page of entries in the order of their positions, those after `after_position`."""
    condition = and_(
        entries.c.revision_id == revision_id,
        entries.c.position > after_position,
        *_conditions(filters or Filters(), revision_id, reading.dialect),
    )
    columns = select(entries.c.line, entries.c.position)
    rows = reading.execute(columns.where(condition).order_by(entries.c.position).limit(limit))
    read = (read_line(row.line, row.position) for row in rows)
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


def labels_of(reading: Reading, revision_id: str) -> list[LabelCount]:
    """How often each label is used, by name."""
    label = entry_labels.c.label
    counts = select(label, func.count(), func.sum(entry_labels.c.boxes))
    here = counts.where(entry_labels.c.revision_id == revision_id).group_by(label).order_by(label)
    return [LabelCount(name, images, int(boxes)) for name, images, boxes in reading.execute(here)]


def _conditions(filters: Filters, revision_id: str, dialect: str) -> Iterator[ColumnElement[bool]]:
    if filters.contains_labels:
        labels = entry_labels.c.label.in_(filters.contains_labels)
        here = entry_labels.c.revision_id == revision_id
        yield entries.c.position.in_(select(entry_labels.c.position).where(here, labels))
    if filters.labeled is not None:
        yield entries.c.is_labeled == int(filters.labeled)
    if filters.source_ref_contains:
        find = func.instr if dialect == "sqlite" else func.strpos  # LIKE ignores case on SQLite
        yield find(entries.c.source_ref, filters.source_ref_contains) > 0
    if filters.has_errors:
        yield entries.c.errors.is_not(None)
