"""Pages of a list, newest first; and opaque tokens that only fit the request that they came from.

Layer: operations. A token holds where the next page begins and a digest of the request (all members but
the token and the page size), so a token of another request is refused rather than misread. It is never empty.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

import orjson
from sqlalchemy import Column, Row, Select, tuple_

from customlabels.errors import ServiceError
from customlabels.storage import Reading

__all__ = ["newest_page", "page_start", "page_token"]

NOT_PART_OF_THE_REQUEST = {"NextToken", "nextToken", "MaxResults", "maxResults"}


def page_start(operation: str, params: dict[str, Any], token: str | None, refusal: str) -> Any:
    """Where the page begins that `token` asks for: what `page_token` was given; None for the first page.

    refusal: the error code for a token that is not ours or is another request's.
    """
    if not token:
        return None
    try:
        digest, place = orjson.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError, binascii.Error):
        raise ServiceError(refusal, f"the token {token[:40]!r} was not given by {operation}") from None
    if digest != _digest(operation, params):
        raise ServiceError(refusal, f"the token belongs to another request than this {operation}")
    return place


def page_token(operation: str, params: dict[str, Any], place: Any) -> str:
    """The token for the page of the same request that begins at `place` (a JSON value)."""
    return base64.urlsafe_b64encode(orjson.dumps([_digest(operation, params), place])).decode()


def newest_page(
    reading: Reading, query: Select[Any], order: tuple[Column[Any], Column[Any]], start: Any, size: int
) -> tuple[list[Row[Any]], Any]:
    """Up to `size` rows of `query` from the place `start`, newest first, and the next page's place or None.

    order: the columns of the time and, for rows of one moment, of the ARN.
    """
    if start:
        query = query.where(tuple_(*order) < tuple_(*start))
    rows = list(reading.execute(query.order_by(*(column.desc() for column in order)).limit(size + 1)))
    if len(rows) <= size:
        return rows, None
    last = rows[size - 1]._mapping
    return rows[:size], [last[column] for column in order]


def _digest(operation: str, params: dict[str, Any]) -> str:
    asked = {key: value for key, value in params.items() if key not in NOT_PART_OF_THE_REQUEST}
    return hashlib.sha256(orjson.dumps([operation, asked], option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
