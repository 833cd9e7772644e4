"""Connections before they carry a request: the head of one must be small, and come in time.

Layer: app. uvicorn bounds neither. A body's size and pace are the matter of whom the request is for.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 64 * 1024  # bytes of first line and headers; a signed address with metadata has 15,000
HEAD_SECONDS = 30.0  # from its first byte, or from the beginning of the connection
GATHERED = 2 << 20  # bytes of a call's body that are kept until it is whole, before they are handed on


class GuardedHttp(HttpToolsProtocol):
    """uvicorn's protocol; it refuses a head that is too large or too slow, and closes the connection.

    The body of a call, which is of use only as a whole, is gathered: pieces of 64 kB, each with a turn of the
    loop and copied twice, cost an image of a megabyte more than its way to a unit and back.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._in_head, self._head_bytes = True, 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._head_is_over()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the parser as long as the head that they belong to is small."""
        if self._in_head:
            self._expect_head()
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > LARGEST_HEAD:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The head is whole: pass the request on, unless it is too large even so."""
        self._head_is_over()
        self._in_head = False
        fields = sum(len(name) + len(value) for name, value in self.headers)
        if len(self.url) + fields > LARGEST_HEAD:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return
        self._pieces: list[bytes] = []
        self._gathered = 0
        self._is_call = any(name == b"x-amz-target" for name, _ in self.headers)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What comes next is another head."""
        if self.cycle is not None:  # None: its head was refused
            if self._pieces:  # set, not added to its bytearray: bytes are taken without one more copy
                self.cycle.body = b"".join([self.cycle.body, *self._pieces])  # type: ignore[assignment]
                self._pieces = []
            super().on_message_complete()
        self._in_head, self._head_bytes = True, 0

    def on_body(self, body: bytes) -> None:
        """Gather a call's body, pass on any other; not one whose head was refused."""
        if self.transport.is_closing():
            return
        if self._is_call:
            self._pieces.append(body)
            self._gathered += len(body)
            if self._gathered <= GATHERED:
                return
            body, self._pieces, self._gathered = b"".join(self._pieces), [], 0
        super().on_body(body)

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _head_is_over(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: HTTPStatus) -> None:
        self._head_is_over()
        if not self.transport.is_closing():
            text = f"{status.phrase}\n".encode()
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: {len(text)}\r\n"
            self.transport.write(
                f"{head}content-type: text/plain\r\nconnection: close\r\n\r\n".encode() + text
            )
            self.transport.close()
