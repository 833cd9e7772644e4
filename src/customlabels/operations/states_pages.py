"""Pages of the lists of Step Functions.

Layer: operations. Every list is cut the same way; what differs is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from customlabels.operations.dispatch import Call, Response
from customlabels.operations.pages import page_start, page_token

__all__ = ["one_page"]

USUAL = 100  # items of a page where the request does not say, or says 0

Item = TypeVar("Item")


def one_page(
    call: Call,
    member: str,
    look: Callable[[int, Any], Sequence[Item]],
    shown: Callable[[Item], Response],
    place: Callable[[Item], Any],
) -> Response:
    """The page that the request asks for, under `member`; ServiceError InvalidToken.

    look: up to so many items after a place, None for the first page    place: of an item, a JSON value
    """
    params = call.params
    after = page_start(call, params, params.get("nextToken"), "InvalidToken")
    size = params.get("maxResults") or USUAL
    found = look(size + 1, after)
    answer: Response = {member: [shown(item) for item in found[:size]]}
    if len(found) > size:
        answer["nextToken"] = page_token(call, params, place(found[size - 1]))
    return answer
