"""The rows that ARNs name.

Layer: operations. An ARN of another account is answered as if nothing were there.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from sqlalchemy import Row, Select, Table, bindparam, select

from customlabels.operations.arns import Arn
from customlabels.operations.dispatch import Call
from customlabels.operations.refusals import not_found
from customlabels.storage import Reading, Transaction, schema


def require_own(call: Call, arn: str) -> None:
    """ResourceNotFoundException where `arn` is no ARN, or belongs to another account than the caller's."""
    try:
        account = Arn.parse(arn).account
    except ValueError:
        account = ""
    if account != call.caller.account:
        raise not_found(f"account {call.caller.account} has no {arn}")


def locked(reading: Reading, query: Select[Any]) -> Select[Any]:
    """The query; in a transaction its rows stay as they are until the end, also where others write too.

    SQLite has one writer and needs nothing of the kind.
    """
    return query.with_for_update() if isinstance(reading, Transaction) else query


@cache
def _by_arn(table: Table) -> Select[Any]:
    """Made once: what nearly every request asks first takes four times as long to say as to answer."""
    return select(table).where(table.c.arn == bindparam("arn"))


def _row(table: Table, member: str, reading: Reading, call: Call, arn: str | None = None) -> Row[Any]:
    named = call.params[member] if arn is None else arn
    require_own(call, named)
    row = reading.execute(locked(reading, _by_arn(table)), {"arn": named}).first()
    if row is None:
        raise not_found(f"there is no {named}: it was deleted, or never made")
    return row


# What the request's member, or another ARN that is given, names; ResourceNotFoundException for nothing.
project_row = partial(_row, schema.projects, "ProjectArn")
dataset_row = partial(_row, schema.datasets, "DatasetArn")
version_row = partial(_row, schema.versions, "ProjectVersionArn")
