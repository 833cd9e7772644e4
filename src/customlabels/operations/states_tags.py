"""Tags of state machines and activities: the calls of Step Functions."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select

from customlabels.errors import ServiceError
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.refusals import invalid_request
from customlabels.operations.states_arns import arn_of_kind
from customlabels.operations.tagging import change_tags, drop_tags, put_tags, tags_of
from customlabels.storage import Reading, Transaction, schema

MOST_TAGS = 50  # of one resource
TABLES = {"stateMachine": schema.state_machines, "activity": schema.activities}


@operation("stepfunctions", "TagResource")
def tag_states_resource(call: Call) -> Response:
    """Add tags, or replace the values of those that are there."""
    arn, new = call.params["resourceArn"], given_tags(call.params["tags"])
    return change_tags(call, _require, arn, new, most=(MOST_TAGS, "TooManyTags"))


@operation("stepfunctions", "UntagResource")
def untag_states_resource(call: Call) -> Response:
    """Take tags away; a key that is not there is no error."""
    return change_tags(call, _require, call.params["resourceArn"], gone=call.params["tagKeys"])


@operation("stepfunctions", "ListTagsForResource")
def list_tags_of_states_resource(call: Call) -> Response:
    """All tags of a resource, by key."""
    arn = call.params["resourceArn"]
    with call.parts.records.read() as reading:
        _require(reading, call, arn)
        found = tags_of(reading, arn)
    return {"tags": [{"key": key, "value": value} for key, value in found.items()]}


def given_tags(tags: list[dict[str, str]]) -> dict[str, str]:
    """Key and value of the tags in a request; ValidationException for one without a key."""
    for at, tag in enumerate(tags, 1):
        if "key" not in tag:
            where = (
                f"Value null at 'tags.{at}.member.key' failed to satisfy constraint: Member must not be null"
            )
            raise invalid_request(f"1 validation error detected: {where}")
    return {tag["key"]: tag.get("value", "") for tag in tags}


def tag_when_new(call: Call, arn: str, created_at: float, tags: dict[str, str]) -> None:
    """Tag what this request has made; what was there before keeps the tags that it has."""
    if tags and created_at >= call.now:
        with call.parts.records.write() as tx:
            put_tags(tx, arn, tags)


def delete_with_tags(call: Call, kind: str, arn: str, delete: Callable[[Transaction, str], None]) -> Response:
    """Delete what has this ARN; where nothing of this account has it, nothing is to be done."""

    def effect(tx: Transaction) -> None:
        delete(tx, arn)
        drop_tags(tx, arn)

    return call.write(effect) if arn_of_kind(arn, kind).account == call.caller.account else {}


def _require(reading: Reading, call: Call, arn: str) -> None:
    """Refuse what is no machine or activity of this account; versions and aliases have no tags."""
    parsed = arn_of_kind(arn, *TABLES)
    table = TABLES[parsed.resource.partition(":")[0]]
    known = reading.execute(select(table.c.arn).where(table.c.arn == arn)).first()
    if known is None or parsed.account != call.caller.account:
        raise ServiceError("ResourceNotFound", f"Resource not found: '{arn}'")
