"""Reading histories: all of one, what is new in it, what single events hold.

Layer: console.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from customlabels.console.site import Ask, every, pages
from customlabels.console.visits import Visit, details_of

TOKEN = re.compile(r"[0-9a-f]{64}")


async def history(ask: Ask, arn: str) -> list[dict[str, Any]]:
    """Every event, oldest first; the service itself bounds a history to 25,000."""
    wanted = {"executionArn": arn, "maxResults": 1000, "includeExecutionData": False}
    return await every(ask, "stepfunctions", "GetExecutionHistory", "events", **wanted)


async def news(ask: Ask, arn: str, after: int) -> list[dict[str, Any]]:
    """The events after one, oldest first."""
    wanted = {"executionArn": arn, "maxResults": 100, "includeExecutionData": False, "reverseOrder": True}
    found: list[dict[str, Any]] = []
    async for page in pages(ask, "stepfunctions", "GetExecutionHistory", wanted):
        found += [event for event in page["events"] if event["id"] > after]
        if any(event["id"] <= after for event in page["events"]):
            break
    return found[::-1]


async def with_data(ask: Ask, arn: str, ids: Sequence[int]) -> list[dict[str, Any]]:
    """These events with what they hold; a history can only be read from one of its ends."""
    wanted, found = {"executionArn": arn, "maxResults": 500}, list[dict[str, Any]]()
    async for page in pages(ask, "stepfunctions", "GetExecutionHistory", wanted):
        found += [event for event in page["events"] if event["id"] in ids]
        if len(found) >= len(ids):
            break
    return found


async def token_of(ask: Ask, arn: str, visit: Visit) -> str:
    """The task token that a waiting task gave away, found in what it was asked with."""
    for event in reversed(await with_data(ask, arn, visit.events)):
        if text := details_of(event).get("parameters"):
            return next(_tokens(json.loads(text)), "")
    return ""


def _tokens(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str) and "token" in name.lower() and TOKEN.fullmatch(inner):
                yield inner
            yield from _tokens(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _tokens(inner)
