"""Tags of projects, datasets and versions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from sqlalchemy import delete, insert, select

from customlabels.errors import ServiceError
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.refusals import not_found
from customlabels.operations.rows import require_own
from customlabels.storage import Reading, Transaction, schema

TAGGED = (schema.projects, schema.datasets, schema.versions)
MOST_TAGS = 200  # of one resource
tags = schema.tags


@operation("rekognition", "TagResource")
def tag_resource(call: Call) -> Response:
    """Add tags, or replace the values of those that are there."""
    arn, new = call.params["ResourceArn"], call.params["Tags"]
    return change_tags(call, _require_resource, arn, new, most=(MOST_TAGS, "ServiceQuotaExceededException"))


@operation("rekognition", "UntagResource")
def untag_resource(call: Call) -> Response:
    """Take tags away; a key that is not there is no error."""
    return change_tags(call, _require_resource, call.params["ResourceArn"], gone=call.params["TagKeys"])


@operation("rekognition", "ListTagsForResource")
def list_tags_for_resource(call: Call) -> Response:
    """All tags of a resource, `{}` where it has none."""
    with call.parts.records.read() as reading:
        _require_resource(reading, call, call.params["ResourceArn"])
        return {"Tags": tags_of(reading, call.params["ResourceArn"])}


def change_tags(
    call: Call,
    require: Callable[[Reading, Call, str], None],
    arn: str,
    new: Mapping[str, str] | None = None,
    gone: Collection[str] = (),
    most: tuple[int, str] = (0, ""),
) -> Response:
    """Write tags of a resource that `require` lets through, or take some away.

    most: how many new ones may make it, and the error code for more
    """

    def effect(tx: Transaction) -> None:
        require(tx, call, arn)
        tx.execute(delete(tags).where(tags.c.resource_arn == arn, tags.c.key.in_(gone)))
        put_tags(tx, arn, new or {})
        count = len(tags_of(tx, arn)) if new else 0
        if count > most[0]:
            raise ServiceError(most[1], f"{arn} would have {count} tags; {most[0]} is the most")

    return call.write(effect)


def put_tags(tx: Transaction, arn: str, new: Mapping[str, str]) -> None:
    """Write `new` over the tags of `arn`."""
    if new:
        tx.execute(delete(tags).where(tags.c.resource_arn == arn, tags.c.key.in_(new)))
        tx.execute(insert(tags), [{"resource_arn": arn, "key": k, "value": v} for k, v in new.items()])


def drop_tags(tx: Transaction, arn: str) -> None:
    """Forget the tags of a resource that goes."""
    tx.execute(delete(tags).where(tags.c.resource_arn == arn))


def tags_of(reading: Reading, arn: str) -> dict[str, str]:
    """Key and value of every tag, by key."""
    rows = reading.execute(
        select(tags.c.key, tags.c.value).where(tags.c.resource_arn == arn).order_by(tags.c.key)
    )
    return {row.key: row.value for row in rows}


def _require_resource(reading: Reading, call: Call, arn: str) -> None:
    require_own(call, arn)
    for table in TAGGED:
        if reading.execute(select(table.c.arn).where(table.c.arn == arn)).first():
            return
    raise not_found(f"there is no {arn}: it was deleted, or never made")
