"""The pages for people, loaded and built at the first visit: most servers are asked by programs alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

from customlabels.wire import Application, Receive, Send


class Late:
    """An application that is built, beside the loop, when its first request comes."""

    def __init__(self, build: Callable[[], Application]) -> None:
        self._build = build
        self._built: asyncio.Task[Application] | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        if self._built is None:
            self._built = asyncio.create_task(asyncio.to_thread(self._build))
        app = await asyncio.shield(self._built)  # a visitor who goes away does not end it for the others
        await app(scope, receive, send)
