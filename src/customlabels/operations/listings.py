"""What is in a dataset: its entries, its labels, and the lines that it was made without."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from customlabels.datasets import Filters, dropped_of, entries_of, labels_of, listed_line
from customlabels.errors import ServiceError
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.pages import page_start, page_token
from customlabels.operations.rows import dataset_row
from customlabels.storage import Reading

__all__: list[str] = []

REFUSAL = "InvalidPaginationTokenException"
LARGEST_PAGE = 100


@operation("rekognition", "ListDatasetEntries")
def list_dataset_entries(call: Call) -> Response:
    """The lines of a dataset that fit every filter, in the order of the manifest."""
    params = call.params
    start = page_start(call, params, params.get("NextToken"), REFUSAL)
    filters = Filters(
        contains_labels=tuple(params.get("ContainsLabels", ())),
        labeled=params.get("Labeled"),
        source_ref_contains=params.get("SourceRefContains", ""),
        has_errors=params.get("HasErrors", False),  # false is what the guide's lister sends for "all"
    )
    size = params.get("MaxResults", LARGEST_PAGE)
    with call.parts.records.read() as reading:
        revision = _listable(reading, call)
        found = entries_of(reading, revision, start or 0, size + 1, filters) if revision else []
    answer: Response = {"DatasetEntries": [listed_line(entry) for entry in found[:size]]}
    if len(found) > size:
        answer["NextToken"] = page_token(call, params, found[size - 1].position)
    return answer


@operation("rekognition", "ListDatasetLabels")
def list_dataset_labels(call: Call) -> Response:
    """The labels of a dataset with how often they are used, by name."""
    params = call.params
    start = page_start(call, params, params.get("NextToken"), REFUSAL)
    size = params.get("MaxResults", LARGEST_PAGE)
    with call.parts.records.read() as reading:
        revision = _listable(reading, call)
        found = labels_of(reading, revision, start or "", size + 1) if revision else []
    answer: Response = {"DatasetLabelDescriptions": []}
    for each in found[:size]:
        boxes = {"BoundingBoxCount": each.boxes} if each.boxes else {}
        stats = {"EntryCount": each.entries} | boxes
        answer["DatasetLabelDescriptions"].append({"LabelName": each.label, "LabelStats": stats})
    if len(found) > size:
        answer["NextToken"] = page_token(call, params, found[size - 1].label)
    return answer


@operation("customlabels", "ListDroppedLines")
def list_dropped_lines(call: Call) -> Response:
    """The lines that the last operation on a dataset left out, or would have, with what would be right."""
    params = call.params
    start = page_start(call, params, params.get("NextToken"), REFUSAL)
    size = params.get("MaxResults", LARGEST_PAGE)
    with call.parts.records.read() as reading:
        subject = _reported(dataset_row(reading, call, params["DatasetArn"]))
        found = dropped_of(reading, subject, start or 0, size + 1)
    answer: Response = {
        "Lines": [
            {"Line": line.position, "Code": line.code, "Reason": line.reason, "Advice": line.advice}
            for line in found[:size]
        ]
    }
    if len(found) > size:
        answer["NextToken"] = page_token(call, params, found[size - 1].position)
    return answer


def _reported(row: Row[Any]) -> str:
    """Under what the lines are noted: the content in place, or the operation that failed."""
    failed = row.status.endswith("_FAILED") or row.revision_id is None
    return str(row.arn if failed else row.revision_id)


def _listable(reading: Reading, call: Call) -> str | None:
    """The revision in place; None for an empty dataset."""
    row = dataset_row(reading, call, call.params["DatasetArn"])
    if row.status in ("CREATE_IN_PROGRESS", "CREATE_FAILED"):
        raise ServiceError("ResourceNotReadyException", f"{row.arn} is {row.status}: {row.status_message}")
    revision: str | None = row.revision_id
    return revision
