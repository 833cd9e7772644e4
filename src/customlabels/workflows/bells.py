"""Waiting on the server's loop for what a commit brings about: no thread, and no delay where a bell rings.

Layer: workflows. Bells are hints; whoever waits also looks by itself.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

from customlabels.storage import Records

LOOK_SECONDS = 1.0  # how late a missed bell can make a waiter

Found = TypeVar("Found")


class Bells:
    """Those who wait for a topic of the records."""

    def __init__(self, records: Records, topic: str) -> None:
        self._bells: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        records.subscribe(topic, self._ring)

    async def until(self, look: Callable[[], Found | None], seconds: float) -> Found | None:
        """What `look` finds, which is called in a thread after each commit of the topic; None in the end."""
        loop, bell = asyncio.get_running_loop(), asyncio.Event()
        end = loop.time() + seconds
        self._bells.add((loop, bell))
        try:
            while True:
                bell.clear()  # before looking: what comes from here on is heard
                found = await asyncio.to_thread(look)
                left = end - loop.time()
                if found is not None or left <= 0:
                    return found
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), min(left, LOOK_SECONDS))
        finally:
            self._bells.discard((loop, bell))

    def _ring(self) -> None:
        for loop, bell in tuple(self._bells):
            loop.call_soon_threadsafe(bell.set)
