"""Bodies as they arrive: taken out of their chunks, and held to what was promised of them."""

import asyncio
import base64
import hashlib
import zlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customlabels.errors import ServiceError
from customlabels.wire.payloads import Payload, promise_of

UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def in_chunks(data: bytes, size: int, trailer: str = "") -> bytes:
    """A body as SDKs send it."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return body + b"0\r\n" + trailer.encode() + b"\r\n"


def taken(headers: dict[str, str], received: Sequence[bytes], limit: int = 10**9, ends: bool = True) -> bytes:
    """The body that `received` makes under these headers."""
    last = len(received) - 1
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": piece, "more_body": place < last or not ends}
        for place, piece in enumerate(received)
    ]
    waiting = iter([*messages, {"type": "http.disconnect"}])

    async def receive() -> dict[str, Any]:
        return next(waiting)

    async def read() -> bytes:
        promise = promise_of(headers, checksums=True)
        return await Payload(receive, promise, limit=limit, patience_seconds=5).whole()

    return asyncio.run(read())


def refusal(headers: dict[str, str], received: Sequence[bytes], **options: Any) -> str:
    with pytest.raises(ServiceError) as refused:
        taken(headers, received, **options)
    assert refused.value.message
    return refused.value.code


@given(st.binary(min_size=1, max_size=200), st.integers(1, 50), st.integers(1, 20))
def test_chunks_are_joined_however_they_arrive(data: bytes, chunk: int, cut: int) -> None:
    body = in_chunks(data, chunk, f"x-amz-checksum-crc32:{crc32(data)}\r\n")
    headers = {
        "x-amz-content-sha256": UNSIGNED,
        "x-amz-decoded-content-length": str(len(data)),
        "x-amz-trailer": "x-amz-checksum-crc32",
    }

    assert taken(headers, [body[start : start + cut] for start in range(0, len(body), cut)]) == data


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({"x-amz-content-sha256": "0" * 64}, b"hello", "XAmzContentSHA256Mismatch"),
        ({"x-amz-content-sha256": "0" * 63}, b"hello", "InvalidRequest"),
        ({"content-md5": base64.b64encode(bytes(16)).decode()}, b"hello", "BadDigest"),
        ({"content-md5": "short"}, b"hello", "InvalidDigest"),
        ({"x-amz-checksum-crc32": crc32(b"other")}, b"hello", "BadDigest"),
        ({"x-amz-checksum-crc32": "AAAA"}, b"hello", "InvalidRequest"),
        ({"x-amz-checksum-xxhash64": "AAAA"}, b"hello", "NotImplemented"),
        ({"content-length": "6"}, b"hello", "IncompleteBody"),
        ({"content-length": "4"}, b"hello", "IncompleteBody"),
        ({"content-length": "many"}, b"hello", "InvalidArgument"),
        ({"x-amz-trailer": "x-amz-checksum-crc32"}, b"hello", "InvalidRequest"),
        ({"x-amz-content-sha256": UNSIGNED}, b"hello", "MissingContentLength"),
    ],
)
def test_a_body_that_is_not_as_promised_is_refused(headers: dict[str, str], body: bytes, code: str) -> None:
    assert refusal(headers, [body]) == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"5\r\nhello\r\n0\r\n\r\n", "MalformedTrailerError"),
        (b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + crc32(b"other").encode() + b"\r\n\r\n", "BadDigest"),
        (b"5\r\nhello\r\n", "InvalidRequest"),
        (b"4\r\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (b"6\r\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (b"-5\r\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (b"5;" + b"x" * 5000, "InvalidRequest"),
        (b"fffffffffff\r\n" + b"x" * 10, "IncompleteBody"),
        (b"0\r\n" + b"x" * 5000, "InvalidRequest"),
        (b"2\r\nhe\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "IncompleteBody"),
    ],
)
def test_chunks_that_are_none_are_refused(body: bytes, code: str) -> None:
    headers = {
        "x-amz-content-sha256": UNSIGNED,
        "x-amz-decoded-content-length": "5",
        "x-amz-trailer": "x-amz-checksum-crc32",
    }

    assert refusal(headers, [body]) == code


def test_a_body_is_refused_as_soon_as_it_passes_its_limit() -> None:
    assert refusal({"content-length": "11"}, [], limit=10) == "EntityTooLarge"
    assert refusal({}, [b"123456", b"123456"], limit=10, ends=False) == "EntityTooLarge"


def test_a_client_that_leaves_in_the_middle_has_sent_nothing() -> None:
    assert refusal({"content-length": "10"}, [b"12345"], ends=False) == "IncompleteBody"


def test_all_digests_of_one_body_are_held() -> None:
    data = b"hello" * 1000
    headers = {
        "content-length": "5000",
        "content-md5": base64.b64encode(hashlib.md5(data).digest()).decode(),
        "x-amz-content-sha256": hashlib.sha256(data).hexdigest(),
        "x-amz-checksum-sha1": base64.b64encode(hashlib.sha1(data).digest()).decode(),
        "x-amz-checksum-crc32": crc32(data),
    }

    assert taken(headers, [data[:2000], data[2000:]]) == data


def test_a_body_that_trickles_runs_out_of_time() -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    payload = Payload(receive, promise_of({}), limit=10**9, patience_seconds=0.1)
    with pytest.raises(ServiceError, match="in its time"):
        asyncio.run(payload.whole())
