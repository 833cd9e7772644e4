"""Revisions: the entries of a dataset at one moment, staged in small transactions and never changed.

Layer: datasets. Knows the tables revisions, entries and entry_labels; which dataset points to a revision
is decided above, in the transaction that calls `ready`.

What a power cut leaves: rows of a revision that is STAGING and that nothing points to. The job that staged
it starts again with `stage`, which deletes them first; what no job takes up again, `sweep` deletes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
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

from customlabels.datasets.manifests import (
    Dropped,
    Entry,
    ManifestFileError,
    ManifestLimits,
    one_bucket,
    read_line,
)
from customlabels.storage import Reading, Records, Transaction
from customlabels.storage.schema import datasets, entries, entry_labels, revisions, versions

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
    "sweep",
]

BATCH = 1000  # rows in one transaction: some ten milliseconds of the one writer
MOST_DROPPED_KEPT = 1000  # dropped lines that are noted one by one

FIGURES = ("total_entries", "labeled_entries", "total_labels", "error_entries")
KEYS = {entries: [entries.c.position], entry_labels: [entry_labels.c.label, entry_labels.c.position]}


@dataclass(frozen=True)
class Stats:
    """DatasetStats of a revision, and the lines that were left out of it."""

    total_entries: int
    labeled_entries: int
    total_labels: int
    error_entries: int
    dropped: tuple[Dropped, ...] = ()  # the first MOST_DROPPED_KEPT
    dropped_lines: int = 0


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
    error of `lines` passes through and leaves the rows to `sweep`.
    """
    _begin(records, revision_id, now)
    dropped: list[Dropped] = []
    dropped_lines = 0

    def kept() -> Iterator[Entry]:
        nonlocal dropped_lines
        for line in lines:
            if isinstance(line, Entry):
                yield line
                continue
            dropped_lines += 1
            if len(dropped) < MOST_DROPPED_KEPT:
                dropped.append(line)

    _insert(records, revision_id, kept(), batch)
    return replace(_counted(records, revision_id), dropped=tuple(dropped), dropped_lines=dropped_lines)


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
    dropped = [line for line in given if isinstance(line, Dropped)]
    placed = _placed(records, base_id, changes, limits)
    _begin(records, revision_id, now)
    _insert(records, revision_id, placed, BATCH)
    # The changes are in place, so what is copied is what they leave: labels first, because the entries
    # that tell which positions are taken must still be the changes alone.
    for table in (entry_labels, entries):
        _copy(records, table, base_id, revision_id)
    stats = _counted(records, revision_id)
    if stats.total_labels > limits.max_labels:
        raise ManifestFileError(
            "ERROR_MANIFEST_TOO_MANY_LABELS", f"With the changes there would be {stats.total_labels}."
        )
    return replace(stats, dropped=tuple(dropped[:MOST_DROPPED_KEPT]), dropped_lines=len(dropped))


def ready(tx: Transaction, revision_id: str, stats: Stats) -> None:
    """Declare a staged revision complete; in the transaction that also points to it."""
    kept = [asdict(line) | {"reason": line.reason} for line in stats.dropped]
    tx.execute(
        update(revisions)
        .where(revisions.c.id == revision_id)
        .values(
            status="READY",
            dropped_lines=json.dumps(kept),
            **{name: getattr(stats, name) for name in FIGURES},
        )
    )


def sweep(records: Records, live: Collection[str] = (), batch: int = BATCH) -> int:
    """Delete, in transactions of `batch` rows, the revisions that no dataset and no version points to.

    live: revisions that a job at work is staging. Returns how many revisions were deleted.
    """
    pointers = (datasets.c.revision_id, versions.c.train_revision_id, versions.c.test_revision_id)
    unused = and_(
        revisions.c.id.not_in(live), *(~exists().where(column == revisions.c.id) for column in pointers)
    )
    swept = 0
    while True:
        with records.write() as tx:
            revision_id = tx.execute(select(revisions.c.id).where(unused).limit(1)).scalar()
            if revision_id is None:
                return swept
            # From here on nobody takes it for a whole one, although its rows go one batch at a time.
            tx.execute(update(revisions).where(revisions.c.id == revision_id).values(status="STAGING"))
        _delete(records, revision_id, batch)
        swept += 1


def _begin(records: Records, revision_id: str, now: float) -> None:
    _delete(records, revision_id, BATCH)
    with records.write() as tx:
        tx.execute(insert(revisions), {"id": revision_id, "status": "STAGING", "created_at": now})


def _insert(records: Records, revision_id: str, lines: Iterable[Entry], batch: int) -> None:
    remaining = iter(lines)
    while block := list(islice(remaining, batch)):  # read outside the transaction: it may be slow
        rows = [_row(revision_id, entry) for entry in block]
        labels = [
            {"revision_id": revision_id, "label": label, "position": entry.position, "boxes": boxes}
            for entry in block
            for label, boxes in entry.boxes_by_label.items()
        ]
        with records.write() as tx:
            tx.execute(insert(entries), rows)
            if labels:
                tx.execute(insert(entry_labels), labels)


def _row(revision_id: str, entry: Entry) -> dict[str, Any]:
    return {
        "revision_id": revision_id,
        "position": entry.position,
        "source_ref": entry.source_ref,
        "line": entry.line,
        "is_labeled": int(entry.is_labeled),
        "errors": json.dumps([asdict(error) for error in entry.errors]) if entry.errors else None,
    }


def _placed(records: Records, base_id: str, changes: dict[str, Entry], limits: ManifestLimits) -> list[Entry]:
    """The changes, each at its position in the base or after its end; checks what needs no copy."""
    of_base = entries.c.revision_id == base_id
    known: dict[str, int] = {}
    refs = list(changes)
    with records.read() as reading:
        for start in range(0, len(refs), 500):
            here = of_base & entries.c.source_ref.in_(refs[start : start + 500])
            rows = reading.execute(select(entries.c.source_ref, entries.c.position).where(here)).mappings()
            known.update((row["source_ref"], row["position"]) for row in rows)
        total = reading.execute(select(func.count()).select_from(entries).where(of_base)).scalar_one()
        last = reading.execute(select(func.max(entries.c.position)).where(of_base)).scalar() or 0
        some = entries_of(reading, base_id, limit=1)
    total += len(changes) - len(known)
    if total > limits.max_lines:
        raise ManifestFileError(
            "ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM", f"With the changes there would be {total} lines."
        )
    bucket = one_bucket(None, some[0]) if some else None
    placed = []
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


def _delete(records: Records, revision_id: str, batch: int) -> None:
    for table in (entry_labels, entries):
        for block in _blocks(records, table, revision_id, batch):
            with records.write() as tx:
                tx.execute(delete(table).where(block))
    with records.write() as tx:
        tx.execute(delete(revisions).where(revisions.c.id == revision_id))


def _blocks(
    records: Records, table: Table, revision_id: str, batch: int = BATCH
) -> Iterator[ColumnElement[bool]]:
    """Conditions that together cover a revision's rows, each about `batch` of them, along the primary key."""
    key, of_revision = KEYS[table], table.c.revision_id == revision_id
    after: Sequence[Any] | None = None
    while True:
        rest = of_revision if after is None else of_revision & (tuple_(*key) > tuple_(*after))
        with records.read() as reading:
            ends = select(*key).where(rest).order_by(*key).offset(batch - 1).limit(1)
            last = reading.execute(ends).one_or_none()
        if last is None:
            yield rest
            return
        yield rest & (tuple_(*key) <= tuple_(*last))
        after = tuple(last)


# ---------------------------------------------------------------- reading


def stats_of(reading: Reading, revision_id: str) -> Stats:
    """The figures of a revision that is ready; all zero for one that is not there."""
    row = reading.execute(select(revisions).where(revisions.c.id == revision_id)).mappings().one_or_none()
    if row is None:
        return Stats(0, 0, 0, 0)
    kept = json.loads(row["dropped_lines"])
    dropped = tuple(Dropped(line["position"], line["code"]) for line in kept)
    figures = {name: row[name] for name in FIGURES}
    return Stats(**figures, dropped=dropped, dropped_lines=len(dropped))


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
    page = (
        select(entries.c.line, entries.c.position).where(condition).order_by(entries.c.position).limit(limit)
    )
    rows = reading.execute(page).mappings()
    read = (read_line(row["line"], row["position"]) for row in rows)
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
    counts = (func.count().label("images"), func.sum(entry_labels.c.boxes).label("boxes"))
    rows = reading.execute(
        select(entry_labels.c.label, *counts)
        .where(entry_labels.c.revision_id == revision_id)
        .group_by(entry_labels.c.label)
        .order_by(entry_labels.c.label)
    ).mappings()
    return [LabelCount(row["label"], row["images"], int(row["boxes"])) for row in rows]


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


def _counted(records: Records, revision_id: str) -> Stats:
    """The figures of a staged revision, from its rows."""
    of_entries, of_labels = entries.c.revision_id == revision_id, entry_labels.c.revision_id == revision_id
    figures = select(
        func.count().label("total_entries"),
        func.coalesce(func.sum(entries.c.is_labeled), 0).label("labeled_entries"),
        func.count(entries.c.errors).label("error_entries"),
    ).where(of_entries)
    labels = select(func.count(entry_labels.c.label.distinct())).where(of_labels)
    with records.read() as reading:
        total_labels = reading.execute(labels).scalar_one()
        return Stats(total_labels=total_labels, **reading.execute(figures).mappings().one())
