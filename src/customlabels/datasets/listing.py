"""Listing: what a revision holds; its figures, its entries by page and filter, its labels.

Layer: datasets. Reads the tables that `revisions` writes. A revision never changes, so a page may be asked
for by the position after which it begins, and no long snapshot is needed to read all of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, bindparam, func, select

from customlabels import datasets  # its door: numpy is loaded by the first search
from customlabels.datasets.manifests import Dropped
from customlabels.datasets.revisions import BATCH, FIGURES, LABELED, OF_LABEL, UNLABELED, WITH_ERRORS, Stats
from customlabels.storage import Reading, Records
from customlabels.storage.schema import dropped_lines, entries, entry_labels, entry_sets, ref_texts, revisions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from customlabels.datasets.searching import Refs

EVERY = (LABELED, UNLABELED)
MOST_KEPT = 64 * 2**20  # bytes
# The refs that were searched last, by database, revision and first position: they never change.
_kept: dict[tuple[object, str, int], Refs] = {}
SHOWN = (entries.c.position, entries.c.line, entries.c.is_labeled, entries.c.errors)
# Made once: to make a statement takes as long as to run it.
_OF_PAGE = (
    select(*SHOWN)
    .where(entries.c.revision_id == bindparam("revision"))
    .order_by(entries.c.position)
    .limit(bindparam("limit"))
)
_PAGE = _OF_PAGE.where(entries.c.position > bindparam("after"))
_PLACES = _OF_PAGE.where(entries.c.position.in_(bindparam("places", expanding=True)))
_SETS = select(entry_sets.c.name, entry_sets.c.bits).where(
    entry_sets.c.revision_id == bindparam("revision"),
    entry_sets.c.name.in_(bindparam("names", expanding=True)),
)


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

    What fits is told by sets of positions and by the texts of source refs, not by looking at entries: a page
    costs about the same wherever it begins and whatever is asked for. The lines are not read again: what was
    found in them when they were staged stands beside them.
    """
    page: dict[str, Any] = {"revision": revision_id, "limit": limit}
    if filters is None or filters == Filters():
        return reading.execute(_PAGE, page | {"after": after_position}).all()
    places = _places(reading, revision_id, after_position, limit, filters)
    return reading.execute(_PLACES, page | {"places": places}).all()


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


def _places(
    reading: Reading, revision_id: str, after_position: int, limit: int, filters: Filters
) -> list[int]:
    """The positions of the first entries that fit."""
    groups, text = list(_groups(filters)), filters.source_ref_contains
    fits = None  # everything
    if groups:
        fits = datasets.in_all(groups, _sets(reading, revision_id, groups))
        fits[: after_position + 1] = False
        if not text or not fits.any():
            return list(map(int, fits.nonzero()[0][:limit]))
    return list(islice(_containing(reading, revision_id, text, after_position, fits), limit))


def _sets(reading: Reading, revision_id: str, groups: Collection[Collection[str]]) -> dict[str, bytes]:
    names = [name for group in groups for name in group]
    rows = reading.execute(_SETS, {"revision": revision_id, "names": names})
    return {row.name: row.bits for row in rows}


def _groups(filters: Filters) -> Iterator[Sequence[str]]:
    """Names of sets; what fits is in one of each group."""
    if filters.contains_labels:
        yield [OF_LABEL.format(label) for label in filters.contains_labels]
    if filters.labeled is not None:
        yield [LABELED if filters.labeled else UNLABELED]
    if filters.has_errors:
        yield [WITH_ERRORS]


def _containing(
    reading: Reading, revision_id: str, text: str, after: int, fits: NDArray[np.bool_] | None
) -> Iterator[int]:
    """The positions behind `after` where it `fits`, if that is given, whose source ref has the text."""
    column = ref_texts.c.first
    query = select(column).where(ref_texts.c.revision_id == revision_id).order_by(column)
    firsts = reading.execute(query).scalars().all()

    @cache
    def every() -> NDArray[np.int64]:
        return datasets.in_all([EVERY], _sets(reading, revision_id, [EVERY])).nonzero()[0]

    for first, following in pairwise([*firsts, None]):
        if following is not None and following <= after + 1:
            continue
        if fits is not None and not fits[first:following].any():
            continue
        refs = _refs(reading, revision_id, first, every)
        wanted = refs.positions > after if fits is None else fits[refs.positions]
        yield from (int(refs.positions[line]) for line in refs.containing(text, wanted.tobytes()))


def _refs(reading: Reading, revision_id: str, first: int, every: Callable[[], NDArray[np.int64]]) -> Refs:
    """The refs from position `first` on, kept or read. every: all positions of the revision"""
    key = reading.database, revision_id, first
    refs = _kept.get(key)
    if refs is None:
        here = ref_texts.c.revision_id == revision_id, ref_texts.c.first == first
        text = reading.execute(select(ref_texts.c.refs).where(*here)).scalar_one()
        refs = datasets.Refs(text, every()[every().searchsorted(first) :])
        if refs.size + sum(each.size for each in list(_kept.values())) > MOST_KEPT:
            _kept.clear()  # which is seldom, for it holds four datasets of the largest size
        _kept[key] = refs
    return refs


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
