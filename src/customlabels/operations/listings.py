"""What is in a dataset: its entries, its labels, and the lines that it was made without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Row

from customlabels.datasets import (
    Dropped,
    Filters,
    LabelCount,
    LineError,
    dropped_of,
    labels_of,
    listed_line,
    rows_of,
)
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.pages import REKOGNITION, one_page
from customlabels.operations.refusals import not_ready
from customlabels.operations.rows import dataset_row
from customlabels.storage import Reading


@operation("rekognition", "ListDatasetEntries")
def list_dataset_entries(call: Call) -> Response:
    """The lines of a dataset that fit every filter, in the order of the manifest."""
    params = call.params
    filters = Filters(
        contains_labels=tuple(params.get("ContainsLabels", ())),
        labeled=params.get("Labeled"),
        source_ref_contains=params.get("SourceRefContains", ""),
        has_errors=params.get("HasErrors", False),  # false is what the guide's lister sends for "all"
    )

    def look(size: int, after: int | None) -> Sequence[Row[Any]]:
        with call.parts.records.read() as reading:
            revision = _listable(reading, call)
            return rows_of(reading, revision, after or 0, size, filters) if revision else []

    return one_page(call, REKOGNITION, "DatasetEntries", look, _listed, lambda row: row.position)


@operation("rekognition", "ListDatasetLabels")
def list_dataset_labels(call: Call) -> Response:
    """The labels of a dataset with how often they are used, by name."""

    def look(size: int, after: str | None) -> Sequence[LabelCount]:
        with call.parts.records.read() as reading:
            revision = _listable(reading, call)
            return labels_of(reading, revision, after or "", size) if revision else []

    return one_page(call, REKOGNITION, "DatasetLabelDescriptions", look, _described, lambda each: each.label)


@operation("customlabels", "ListDroppedLines")
def list_dropped_lines(call: Call) -> Response:
    """The lines that the last operation on a dataset left out, or would have, with what would be right."""

    def look(size: int, after: int | None) -> Sequence[Dropped]:
        with call.parts.records.read() as reading:
            row = dataset_row(reading, call)
            # Noted under the content in place, or under the dataset by an operation that failed.
            failed = row.status.endswith("_FAILED") or row.revision_id is None
            return dropped_of(reading, row.arn if failed else row.revision_id, after or 0, size)

    return one_page(call, REKOGNITION, "Lines", look, _dropped, lambda line: line.position)


def _listed(row: Row[Any]) -> str:
    errors = [LineError(**error) for error in orjson.loads(row.errors)] if row.errors else ()
    return listed_line(row.line, bool(row.is_labeled), errors)


def _described(count: LabelCount) -> Response:
    boxes = {"BoundingBoxCount": count.boxes} if count.boxes else {}
    return {"LabelName": count.label, "LabelStats": {"EntryCount": count.entries} | boxes}


def _dropped(line: Dropped) -> Response:
    return {"Line": line.position, "Code": line.code, "Reason": line.reason, "Advice": line.advice}


def _listable(reading: Reading, call: Call) -> str | None:
    """The revision in place; None for an empty dataset."""
    row = dataset_row(reading, call)
    if row.status in ("CREATE_IN_PROGRESS", "CREATE_FAILED"):
        raise not_ready(f"{row.arn} is {row.status}: {row.status_message}")
    revision: str | None = row.revision_id
    return revision
