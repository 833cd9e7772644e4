"""Heads of requests: small, and in time; through a real connection."""

import contextlib
import hashlib
import http.client
import random
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from customlabels.app import connections
from customlabels.app.connections import GATHERED, LARGEST_HEAD, GuardedHttp

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000


async def reads(_scope: Any, receive: Any, send: Any) -> None:
    """An application that reads a whole body and answers with its digest, and in how many pieces it came."""
    digest, more, pieces = hashlib.sha256(), True, 0
    while more:
        message = await receive()
        digest.update(message.get("body", b""))
        more, pieces = message.get("more_body", False), pieces + 1
    body = f"{digest.hexdigest()} {pieces}".encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def port() -> Iterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(reads, http=GuardedHttp, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()
    listening.close()


def answers(port: int, *pieces: bytes, count: int = 1) -> list[int]:
    """The statuses of the answers to what is sent over one connection."""
    found: list[int] = []
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
        received = b""
        with contextlib.suppress(
            ConnectionResetError
        ):  # closed with bytes on the way: the answer may be lost
            while len(found) < count and (more := connection.recv(65536)):
                received += more
                found = [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]
    return found


def test_requests_of_usual_heads_follow_each_other_on_one_connection(port: int) -> None:
    assert answers(port, GET + b"\r\n", POST, GET + b"\r\n", count=3) == [200, 200, 200]


@pytest.mark.parametrize(
    "head",
    [
        [GET + b"X: " + b"x" * LARGEST_HEAD + b"\r\n\r\n"],
        [GET + b"X: ", b"x" * LARGEST_HEAD],
        [b"GET /" + b"x" * LARGEST_HEAD],
        [GET, b"".join(b"X-%d: y\r\n" % number for number in range(8000))],
    ],
    ids=["whole", "one header", "address", "many headers"],
)
def test_a_head_that_is_too_large_is_refused(port: int, head: list[bytes]) -> None:
    assert answers(port, *head) in ([431], [])


def test_a_head_that_is_as_large_as_allowed_is_not(port: int) -> None:
    assert answers(port, GET + b"X: " + b"x" * (LARGEST_HEAD - 100) + b"\r\n\r\n") == [200]


@pytest.mark.parametrize("begun", [b"", GET])
def test_a_head_that_does_not_come_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)

    assert answers(port, begun) == [408]


def test_the_second_head_of_a_connection_is_held_to_the_same(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)

    assert answers(port, POST, GET, count=2) == [200, 408]


@pytest.mark.parametrize("in_chunks", [False, True])
def test_bodies_of_calls_arrive_as_they_were_sent_in_one_piece_where_that_is_not_large(
    port: int, in_chunks: bool
) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as calling:
        for size in (0, 1, 100_000, GATHERED - 1, GATHERED, GATHERED + 1, 5, 3 * GATHERED + 7, 20):
            body = random.Random(size).randbytes(size)
            pieces = (body[at : at + 50_000] for at in range(0, size, 50_000))
            calling.request("POST", "/", pieces if in_chunks else body, {"X-Amz-Target": "One.Call"})
            digest, count = calling.getresponse().read().decode().split()

            assert digest == hashlib.sha256(body).hexdigest()
            assert size > GATHERED or count == "1"


def test_calls_that_are_sent_before_the_first_is_answered_are_told_apart(port: int) -> None:
    call = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: One.Call\r\nContent-Length: 100000\r\n\r\n"
    both = call + b"x" * 100_000 + call + b"y" * 100_000 + POST

    assert answers(port, both[:30], both[30:150_000], both[150_000:], count=3) == [200, 200, 200]
