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
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar

import orjson
from sqlalchemy import Column, Row, Select, select, tuple_

from customlabels.errors import ServiceError
from customlabels.operations.dispatch import Call, Response
from customlabels.operations.rows import project_row
from customlabels.storage import Reading, Records, schema

NOT_PART_OF_THE_REQUEST = {
    *("NextToken", "nextToken", "ContinuationToken"),
    *("MaxResults", "maxResults", "MaxKeys", "MaxBuckets"),
}
SEAL_BYTES = 18
USUAL = 100

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
    usual: int = USUAL,
) -> Response:
    """The page that the request asks for, under `member`; ServiceError for a token of another request.

    look: up to so many items after a place, None for the first page    place: of an item, a JSON value
    usual: items of a page where the request does not say, or says 0
    """
    params = call.params
    after = page_start(call, params.get(words.token), words.refusal)
    size = params.get(words.size) or usual
    found = look(size + 1, after)
    answer: Response = {member: [shown(item) for item in found[:size]]}
    if len(found) > size:
        answer[words.token] = page_token(call, place(found[size - 1]))
    return answer


def page_start(call: Call, token: str | None, refusal: str) -> Any:
    """Where the page begins that `token` asks for: what `page_token` was given; None for the first page.

    refusal: the error code for a token that is not ours or is another request's.
    """
    if not token:
        return None
    sealed = _unwrapped(token)
    place = sealed[SEAL_BYTES:]
    if not hmac.compare_digest(sealed[:SEAL_BYTES], _seal(call, place)):
        raise ServiceError(
            refusal, f"the token {token[:40]!r} was not given for this {call.name}; start without one"
        )
    found = orjson.loads(place)
    return tuple(found) if isinstance(found, list) else found


def page_token(call: Call, place: Any) -> str:
    """The token for the page of the same request that begins at `place` (a JSON value)."""
    written = orjson.dumps(place)
    return base64.urlsafe_b64encode(_seal(call, written) + written).decode()


def _unwrapped(token: str) -> bytes:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except ValueError:
        return b""


def _seal(call: Call, place: bytes) -> bytes:
    asked = {key: value for key, value in call.params.items() if key not in NOT_PART_OF_THE_REQUEST}
    told = orjson.dumps([call.name, call.caller.account, asked], option=orjson.OPT_SORT_KEYS)
    return hmac.digest(_key(call.parts.records), told + b"\0" + place, "sha256")[:SEAL_BYTES]


@lru_cache(maxsize=4)  # it was made with the database, and stays
def _key(records: Records) -> bytes:
    with records.read() as reading:
        return bytes(reading.execute(select(schema.keys.c.value).filter_by(name="pages")).scalar_one())


def newest(
    reading: Reading, query: Select[Any], order: tuple[Column[Any], Column[Any]], after: Any, size: int
) -> list[Row[Any]]:
    """Up to `size` rows of `query` that come after a place, newest first.

    order: the columns of the time and, for rows of one moment, of the name; both of one row are its place.
    """
    if after:
        query = query.where(tuple_(*order) < tuple_(*after))
    return list(reading.execute(query.order_by(*(column.desc() for column in order)).limit(size)).all())


def newest_of_project(
    call: Call,
    member: str,
    query: Select[Any],
    order: tuple[Column[Any], Column[Any]],
    shown: Callable[[Row[Any]], Response],
    usual: int = USUAL,
) -> Response:
    """The page of rows that belong to the request's project, newest first; order: as in `newest`."""

    def look(size: int, after: Any) -> list[Row[Any]]:
        with call.parts.records.read() as reading:
            project_row(reading, call)
            return newest(reading, query, order, after, size)

    place = attrgetter(*(column.name for column in order))
    return one_page(call, REKOGNITION, member, look, shown, place, usual)
