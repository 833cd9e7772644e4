"""Pages of a list, newest first; and opaque tokens that only fit the request that they came from.

Layer: operations. A token holds where the next page begins, and a seal over that, the operation, the account
and the request (all members but the token and the page size), made with a key of this home: a token of
another request, or one that was made up, is refused rather than misread. It is never empty.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from sqlalchemy import Column, Row, Select, select, tuple_

from customlabels.errors import ServiceError
from customlabels.operations.dispatch import Call, Response
from customlabels.storage import Reading, schema

__all__ = ["REKOGNITION", "STATES", "PageWords", "newest_page", "one_page", "page_start", "page_token"]

NOT_PART_OF_THE_REQUEST = {"NextToken", "nextToken", "MaxResults", "maxResults"}
SEAL_BYTES = 18
USUAL = 100  # items of a page where the request does not say, or says 0

Item = TypeVar("Item")


@dataclass(frozen=True)
class PageWords:
    """How a service calls the members that every list has, and the refusal of a token."""

    token: str
    size: str
    refusal: str


REKOGNITION = PageWords("NextToken", "MaxResults", "InvalidPaginationTokenException")
STATES = PageWords("nextToken", "maxResults", "InvalidToken")


def one_page(
    call: Call,
    words: PageWords,
    member: str,
    look: Callable[[int, Any], Sequence[Item]],
    shown: Callable[[Item], Response | str],
    place: Callable[[Item], Any],
) -> Response:
    """The page that the request asks for, under `member`; ServiceError for a token of another request.

    look: up to so many items after a place, None for the first page    place: of an item, a JSON value
    """
    params = call.params
    after = page_start(call, params, params.get(words.token), words.refusal)
    size = params.get(words.size) or USUAL
    found = look(size + 1, after)
    answer: Response = {member: [shown(item) for item in found[:size]]}
    if len(found) > size:
        answer[words.token] = page_token(call, params, place(found[size - 1]))
    return answer


def page_start(call: Call, params: dict[str, Any], token: str | None, refusal: str) -> Any:
    """Where the page begins that `token` asks for: what `page_token` was given; None for the first page.

    refusal: the error code for a token that is not ours or is another request's.
    """
    if not token:
        return None
    sealed = _unwrapped(token)
    place = sealed[SEAL_BYTES:]
    if not hmac.compare_digest(sealed[:SEAL_BYTES], _seal(call, params, place)):
        raise ServiceError(
            refusal, f"the token {token[:40]!r} was not given for this {call.operation}; start without one"
        )
    return orjson.loads(place)


def page_token(call: Call, params: dict[str, Any], place: Any) -> str:
    """The token for the page of the same request that begins at `place` (a JSON value)."""
    written = orjson.dumps(place)
    return base64.urlsafe_b64encode(_seal(call, params, written) + written).decode()


def _unwrapped(token: str) -> bytes:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except ValueError:
        return b""


def _seal(call: Call, params: dict[str, Any], place: bytes) -> bytes:
    asked = {key: value for key, value in params.items() if key not in NOT_PART_OF_THE_REQUEST}
    told = orjson.dumps([call.operation, call.caller.account, asked], option=orjson.OPT_SORT_KEYS)
    with call.parts.records.read() as reading:
        key: bytes = reading.execute(select(schema.keys.c.value).filter_by(name="pages")).scalar_one()
    return hmac.digest(key, told + b"\0" + place, "sha256")[:SEAL_BYTES]


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
