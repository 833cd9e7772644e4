"""A WireApp driven without a server: messages in, messages out."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from customlabels.wire import Invocation, Services, Signatures, WireApp

ECHO = "CustomLabelsService.Echo"


@dataclass(frozen=True)
class Answer:
    """What was sent back; status 0 when nothing was."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The parsed body."""
        return orjson.loads(self.body)


async def echo(invocation: Invocation) -> dict[str, Any]:
    """A dispatch that answers every operation with its parameters."""
    return invocation.params


def app_of(services: Services, **options: Any) -> WireApp:
    """An application for the tiny service that needs no signatures."""
    given: dict[str, Any] = {"dispatch": echo, "signatures": Signatures({}), "new_request_id": lambda: "id-1"}
    return WireApp(services, **(given | options))


def scope_of(target: str = ECHO, method: str = "POST", path: str = "/", length: int | None = None) -> Any:
    """The ASGI scope of a request."""
    headers = [(b"host", b"localhost"), (b"x-amz-target", target.encode())]
    headers += [] if length is None else [(b"content-length", str(length).encode())]
    return {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}


def posted(*chunks: bytes) -> list[dict[str, Any]]:
    """The messages of a body that arrives in chunks."""
    last = len(chunks) - 1
    return [
        {"type": "http.request", "body": chunk, "more_body": place < last}
        for place, chunk in enumerate(chunks)
    ]


def call(app: WireApp, scope: Any, messages: Iterable[dict[str, Any]]) -> Answer:
    """Run one request; when the messages are used up, the client is silent for ever."""
    sent: list[dict[str, Any]] = []
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        for message in waiting:
            return message
        return await asyncio.Event().wait() and {}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    start: dict[str, Any] = next((one for one in sent if "status" in one), {"status": 0, "headers": []})
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], headers, b"".join(one.get("body", b"") for one in sent))
