"""Revisions: the entries of a dataset at one moment, staged in small transactions and never changed.

Layer: datasets. Writes the tables revisions, entries, entry_labels, entry_sets, ref_texts and dropped_lines;
which dataset points to a revision is decided above, in the transaction that calls `ready`.

What a power cut leaves: rows of a revision that is STAGING and that nothing points to. The job that staged
it starts again with `stage`, `changed` or `divided`, which delete them first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Table, delete, exists, func, insert, literal, select, tuple_, update

from customlabels import datasets  # its door: numpy is loaded by the first manifest
from customlabels.datasets.manifests import Dropped, Entry, ManifestLimits, one_bucket, split_ref
from customlabels.storage import Records, Transaction
from customlabels.storage.schema import dropped_lines, entries, entry_labels, entry_sets, ref_texts, revisions

BATCH = 1000  # rows in one transaction: some ten milliseconds of the one writer
REFS = 10_000  # source refs in one text to be searched, up to some MB
# The names of a revision's sets, besides those of labels. Every entry is in one of the first two.
LABELED, UNLABELED, WITH_ERRORS = "labeled", "unlabeled", "errors"
OF_LABEL = "label {}"
MOST_NOTED = 10_000  # lines left out that can be listed; they are all counted
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

    _begin(records, revision_id, now)
    _write(records, revision_id, kept(), batch)
    return replace(_completed(records, revision_id), dropped=tuple(dropped))


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
    placed = _placed(records, base_id, changes, limits)
    _begin(records, revision_id, now)
    _write(records, revision_id, placed)
    # The changes are in place, so what is copied is what they leave: labels first, because the entries
    # that tell which positions are taken must still be the changes alone.
    for table in (entry_labels, entries):
        _copy(records, table, base_id, revision_id, ~_at_same(table, revision_id))
    stats = _completed(records, revision_id)
    limits.check(labels=stats.total_labels)
    return replace(stats, dropped=tuple(line for line in given if isinstance(line, Dropped)))


def divided(
    records: Records,
    base_id: str,
    rest_id: str,
    moved_id: str,
    moved: Set[int],
    now: float,
    look_up: Callable[[], object] = bool,
) -> tuple[Stats, Stats]:
    """Stage two revisions of the base's entries: those at the positions `moved`, and all the others.

    Returns the figures of the others, then of the moved ones; entries keep their positions. `look_up` is
    called between the batches.
    """
    for revision_id in (rest_id, moved_id):
        _begin(records, revision_id, now)
    positions = iter(sorted(moved))
    while piece := list(islice(positions, BATCH)):
        _insert(
            records, entries, moved_id, (entries.c.revision_id == base_id) & entries.c.position.in_(piece)
        )
    _copy(records, entries, base_id, rest_id, ~_at_same(entries, moved_id), look_up)
    _copy(records, entry_labels, base_id, rest_id, ~_at_same(entry_labels, moved_id), look_up)
    _copy(records, entry_labels, base_id, moved_id, _at_same(entry_labels, moved_id), look_up)
    return _completed(records, rest_id), _completed(records, moved_id)


def ready(tx: Transaction, revision_id: str, stats: Stats) -> None:
    """Declare a staged revision complete; in the transaction that also points to it."""
    figures = {name: getattr(stats, name) for name in FIGURES}
    tx.execute(update(revisions).where(revisions.c.id == revision_id).values(status="READY", **figures))
    note_dropped(tx, revision_id, stats.dropped)


def note_dropped(tx: Transaction, subject: str, dropped: Sequence[Dropped]) -> None:
    """Keep which lines were left out, the first MOST_NOTED of them, in place of those noted before."""
    tx.execute(delete(dropped_lines).where(dropped_lines.c.subject == subject))
    rows = [
        {"subject": subject, "position": line.position, "code": line.code} for line in dropped[:MOST_NOTED]
    ]
    if rows:
        tx.execute(insert(dropped_lines), rows)


def _begin(records: Records, revision_id: str, now: float) -> None:
    """Take away what an earlier attempt left, and begin the revision anew."""
    for table in (entry_labels, entries):
        for piece in _blocks(records, table, revision_id):
            with records.write() as tx:
                tx.execute(delete(table).where(piece))
    with records.write() as tx:
        tx.execute(delete(revisions).where(revisions.c.id == revision_id))
        tx.execute(insert(revisions), {"id": revision_id, "status": "STAGING", "created_at": now})


def _write(records: Records, revision_id: str, lines: Iterable[Entry], batch: int = BATCH) -> None:
    """Put `lines` into a revision, a batch at a time."""
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
            tx.insert(entries, rows)
            if labels:
                tx.insert(entry_labels, labels)


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
        some = reading.execute(select(entries.c.source_ref).where(of_base).limit(1)).scalar()
    limits.check(lines=total + len(changes) - len(known))
    bucket = split_ref(some)[0] if some else None
    placed, last = [], last or 0
    for entry in changes.values():
        bucket = one_bucket(bucket, entry)
        if entry.source_ref not in known:
            last += 1
        placed.append(replace(entry, position=known.get(entry.source_ref, last)))
    return placed


def _copy(
    records: Records,
    table: Table,
    base_id: str,
    revision_id: str,
    condition: ColumnElement[bool],
    look_up: Callable[[], object] = bool,
) -> None:
    """Copy the rows of a revision that fit the condition into another one, a block of keys at a time."""
    for block in _blocks(records, table, base_id):
        look_up()
        _insert(records, table, revision_id, block & condition)


def _insert(records: Records, table: Table, revision_id: str, condition: ColumnElement[bool]) -> None:
    """Copy the rows of the condition into a revision, in one transaction."""
    others = [column for column in table.c if column.name != "revision_id"]
    rows = select(literal(revision_id), *others).where(condition)
    with records.write() as tx:
        tx.execute(insert(table).from_select(["revision_id", *(column.name for column in others)], rows))


def _at_same(table: Table, revision_id: str) -> ColumnElement[bool]:
    """Whether a revision has an entry at the position of a row."""
    other = entries.alias()
    return exists().where(other.c.revision_id == revision_id, other.c.position == table.c.position)


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


def _completed(records: Records, revision_id: str) -> Stats:
    """Write down what is searched, source refs in long texts and which entries have what; count them."""
    position, of_entries = entries.c.position, entries.c.revision_id == revision_id
    columns = position, entries.c.source_ref, entries.c.is_labeled, entries.c.errors.is_not(None)
    found: dict[str, list[int]] = {LABELED: [], UNLABELED: [], WITH_ERRORS: []}
    last = 0
    while True:
        page = select(*columns).where(of_entries, position > last).order_by(position).limit(REFS)
        with records.read() as reading:
            rows = reading.execute(page).all()
        if not rows:
            break
        # What is looked for has no line break of any kind.
        refs = "\n".join(row.source_ref.replace("\n", "\r") for row in rows)
        text = {"revision_id": revision_id, "first": rows[0].position, "refs": refs}
        with records.write() as tx:
            tx.execute(insert(ref_texts), text)
        last = rows[-1].position
        for place, _ref, is_labeled, has_errors in rows:
            found[LABELED if is_labeled else UNLABELED].append(place)
            if has_errors:
                found[WITH_ERRORS].append(place)
    sets = {name: datasets.packed(places, last) for name, places in found.items()}
    label, places = (
        entry_labels.c.label,
        func.aggregate_strings(sa.cast(entry_labels.c.position, sa.Text), ","),
    )
    of_labels = select(label, places).where(entry_labels.c.revision_id == revision_id).group_by(label)
    with records.read() as reading:
        for name, told in reading.execute(of_labels):
            sets[OF_LABEL.format(name)] = datasets.packed([int(place) for place in told.split(",")], last)
    with records.write() as tx:
        named = [{"revision_id": revision_id, "name": name, "bits": bits} for name, bits in sets.items()]
        tx.execute(insert(entry_sets), named)
        if last >= REFS:  # a large revision: without this PostgreSQL looks for its pages the wrong way
            tx.counted(entries, entry_labels)
    labeled, unlabeled, errors = map(len, found.values())
    return Stats(labeled + unlabeled, labeled, len(sets) - len(found), errors)
