"""What no well-behaved client sends, through the real port: refused in bounded time, the server unharmed."""

import contextlib
import io
import json
import random
import socket
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image, PngImagePlugin
from tests.journeys.conftest import Deployed
from tests.journeys.stage import Home

SECONDS = 20.0  # that any refusal may take, on a machine with much else to do
GROWTH = 200 * 2**20  # bytes that the server may hold more, afterwards

POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: RekognitionService.DescribeProjects\r\n"
PUT = b"PUT /hostile-bucket/key HTTP/1.1\r\nHost: localhost\r\nx-amz-date: 20260101T000000Z\r\n"
DELETE = b"POST /hostile-bucket?delete HTTP/1.1\r\nHost: localhost\r\nx-amz-date: 1\r\n"
CHUNKED = b"x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nx-amz-decoded-content-length: 5\r\n"


def endless(start: bytes, piece: bytes, pieces: int = 4000) -> Iterator[bytes]:
    """A beginning, and then the same again and again."""
    yield start
    for _ in range(pieces):
        yield piece


def heads(count: int) -> Iterator[bytes]:
    yield POST
    for number in range(count):
        yield b"X-%d: %d\r\n" % (number, number)


# What is sent, and the statuses that may be answered; 0: the connection is closed without a word.
REQUESTS: dict[str, tuple[Callable[[], Iterable[bytes]], set[int]]] = {
    "a flood of headers": (lambda: heads(200_000), {431, 0}),
    "a header without end": (lambda: endless(POST + b"X: ", b"x" * 65536), {431, 0}),
    "an address without end": (lambda: endless(b"GET /", b"x" * 65536), {431, 0}),
    "no http at all": (lambda: [random.Random(0).randbytes(4 * 2**20)], {400, 0}),
    "a length that is no number": (lambda: [POST + b"Content-Length: many\r\n\r\n"], {400}),
    "two lengths": (lambda: [POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"], {400}),
    "a length and chunks": (
        lambda: [POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
        {400},
    ),
    "a huge length": (lambda: [POST + b"Content-Length: 99999999999999\r\n\r\n"], {413}),
    "a body without end": (
        lambda: endless(POST + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65536 + b"\r\n"),
        {413, 0},
    ),
    "json nested deeply": (
        lambda: [POST + b"Content-Length: 20000\r\n\r\n" + b"[" * 10_000 + b"]" * 10_000],
        {400},
    ),
    "json of one long number": (
        lambda: [POST + b"Content-Length: 1000002\r\n\r\n[" + b"9" * 10**6 + b"]"],
        {400},
    ),
    "an object of a huge length": (lambda: [PUT + b"Content-Length: 99999999999999\r\n\r\n"], {400}),
    "an object shorter than its length": (
        lambda: [PUT + CHUNKED + b"Content-Length: 14\r\n\r\n4\r\nhell\r\n0\r\n\r\n"],
        {400},
    ),
    "an object that is not in chunks": (lambda: [PUT + CHUNKED + b"Content-Length: 5\r\n\r\nhello"], {400}),
    "chunks of a negative size": (lambda: [PUT + CHUNKED + b"Content-Length: 9\r\n\r\n-5\r\nhello"], {400}),
    "a key that leaves its bucket": (
        lambda: [PUT.replace(b"key", b"%2e%2e/%2e%2e/records.db") + b"Content-Length: 1\r\n\r\nx"],
        {403},
    ),
    "a key with a null": (lambda: [PUT.replace(b"key", b"a%00b") + b"Content-Length: 1\r\n\r\nx"], {403}),
    "a key that is no text": (
        lambda: [PUT.replace(b"key", b"%ff%fe") + b"Content-Length: 1\r\n\r\nx"],
        {400},
    ),
    "a bucket that is a path": (
        lambda: [PUT.replace(b"hostile-bucket", b"%2e%2e%2fetc") + b"Content-Length: 1\r\n\r\nx"],
        {404},
    ),
    "xml that grows": (
        lambda: [
            DELETE
            + b"Content-Length: 90\r\n\r\n"
            + b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Delete>&b;</Delete>'.ljust(90)
        ],
        {400},
    ),
    "xml nested deeply": (
        lambda: [DELETE + b"Content-Length: 70000\r\n\r\n" + b"<a>" * 10_000 + b"</a>" * 10_000],
        {400},
    ),
}


@pytest.fixture(scope="module")
def target(served: Home) -> Home:
    """The served home, with a bucket."""
    served.client("s3").create_bucket(Bucket="hostile-bucket")
    return served


def memory(home: Home) -> int:
    """Bytes that the server holds."""
    status = Path(f"/proc/{home.server.pid}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


def answered(home: Home, pieces: Iterable[bytes], seconds: float = SECONDS) -> int:
    """The status of the answer to raw bytes; 0 where the connection was closed instead."""
    address = home.server.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=seconds) as connection:
        with contextlib.suppress(ConnectionError):  # refused in the middle: the answer may be there already
            for piece in pieces:
                connection.sendall(piece)
        try:
            answer = connection.recv(65536)
        except ConnectionError:
            return 0
    return int(answer.split()[1]) if answer else 0


@pytest.mark.parametrize("name", REQUESTS)
def test_a_hostile_request_is_refused_and_the_server_unharmed(target: Home, name: str) -> None:
    pieces, statuses = REQUESTS[name]
    before = memory(target)

    status = answered(target, pieces())

    assert status in statuses
    assert memory(target) - before < GROWTH
    rekognition = target.client("rekognition")
    assert rekognition.describe_projects()["ProjectDescriptions"] is not None
    rekognition.close()
    s3 = target.client("s3")
    assert s3.list_objects_v2(Bucket="hostile-bucket")["KeyCount"] == 0
    s3.close()
    assert not list((target.path / "buckets").rglob(".customlabels-part-*"))


def test_a_client_that_leaves_in_the_middle_of_an_object_leaves_nothing(target: Home) -> None:
    def files() -> set[Path]:
        return {file for file in (target.path / "buckets").rglob("*") if file.is_file()}

    before, address = files(), target.server.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1]))) as connection:
        connection.sendall(PUT + b"Content-Length: 9000000\r\n\r\n" + b"x" * 5_000_000)
        time.sleep(0.3)

    time.sleep(0.5)
    assert files() == before


def test_a_hundred_slow_clients_do_not_hold_up_a_quick_one(target: Home) -> None:
    address = target.server.url.removeprefix("http://").split(":")
    with contextlib.ExitStack() as slow:
        for number in range(100):
            connection = slow.enter_context(socket.create_connection((address[0], int(address[1]))))
            connection.sendall(POST[:-1] if number % 2 else PUT + b"Content-Length: 100\r\n\r\nx")
        s3 = target.client("s3")
        s3.put_object(Bucket="hostile-bucket", Key="quick", Body=b"x")
        s3.delete_object(Bucket="hostile-bucket", Key="quick")
        s3.close()


# ---------------------------------------------------------------- texts that are parsed later


def test_a_definition_nested_deeply_is_refused(target: Home) -> None:
    states = target.client("stepfunctions")
    nested = '{"a":' * 10_000 + "1" + "}" * 10_000

    with pytest.raises(ClientError, match="InvalidDefinition"):
        states.create_state_machine(
            name="nested", definition=nested, roleArn="arn:aws:iam::123456789012:role/any"
        )
    states.close()


# ---------------------------------------------------------------- images


def png(width: int, height: int, data: bytes = b"", *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of these sides with this data, compressed, and further chunks in front of it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    middle = b"".join(chunk(*each) for each in chunks)
    return b"\x89PNG\r\n\x1a\n" + head + middle + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def saved(mode: str = "RGB", kind: str = "PNG", size: tuple[int, int] = (64, 64), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, *([(200, 40, 40)] if mode == "RGB" else [])).save(out, kind, **options)
    return out.getvalue()


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "a" * 10**6)
    return out.getvalue()


def with_text() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("a", "b" * 50_000_000, zip=True)
    return saved(pnginfo=text)


def scans() -> bytes:
    data = saved(kind="JPEG", size=(4096, 4096), progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scan * ((4 * 2**20 - len(data)) // len(scan))


BAD, LARGE = "InvalidImageFormatException", "ImageTooLargeException"
# What is sent as an image, and the code of its refusal; empty where it must be answered.
IMAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "4 MB of noise": (lambda: random.Random(1).randbytes(4 * 2**20), BAD),
    "noise behind a png's first bytes": (
        lambda: b"\x89PNG\r\n\x1a\n" + random.Random(2).randbytes(10**6),
        BAD,
    ),
    "noise behind a jpeg's first bytes": (lambda: b"\xff\xd8\xff" + random.Random(3).randbytes(10**6), BAD),
    "a png of 60,000 x 60,000": (lambda: png(60_000, 60_000), LARGE),
    "a png whose data unpacks to 1 GB": (lambda: png(64, 64, b"\0" * 2**28), ""),
    "a png whose data ends early": (lambda: png(4096, 4096), BAD),
    "a png whose profile unpacks to 50 MB": (
        lambda: png(64, 64, b"\0" * 64 * 193, (b"iCCP", b"a\0\0" + zlib.compress(b"\0" * 50_000_000))),
        BAD,
    ),
    "a png whose text unpacks to 50 MB": (with_text, BAD),
    "a jpeg of endless scans": (scans, BAD),
    "a jpeg cut short": (lambda: saved(kind="JPEG", size=(640, 480))[:-2000], BAD),
    "a gif": (lambda: saved(kind="GIF"), BAD),
    "a webp": (lambda: saved(kind="WEBP"), BAD),
    "a svg": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', BAD),
    "a zip": (zipped, BAD),
    "a png that is a zip too": (lambda: saved() + zipped(), ""),
    "a jpeg that is a page too": (lambda: saved(kind="JPEG", comment=b"--><script>alert(1)</script>"), ""),
    "a png behind a gif's first bytes": (lambda: b"GIF89a" + saved(), BAD),
    "a jpeg in colours of print": (lambda: saved("CMYK", "JPEG"), ""),
    "a jpeg in grey": (lambda: saved("L", "JPEG"), ""),
    "a png of 16 bits": (lambda: saved("I;16"), ""),
    "a png of one bit": (lambda: saved("1"), ""),
    "a png with a palette": (lambda: saved("P"), ""),
    "a png with transparency": (lambda: saved("RGBA"), ""),
    "one pixel": (lambda: saved(size=(1, 1)), BAD),
    "a strip": (lambda: saved(size=(64, 4096)), BAD),
    "nothing": (lambda: b"\0", BAD),
}


@pytest.mark.parametrize("name", IMAGES)
def test_a_hostile_image_is_refused_by_its_code_and_the_model_goes_on(answering: Deployed, name: str) -> None:
    make, code = IMAGES[name]
    data = make()
    rekognition = answering.home.client("rekognition")

    def detect(image: bytes) -> list[Any]:
        answer = rekognition.detect_custom_labels(ProjectVersionArn=answering.version, Image={"Bytes": image})
        return list(answer["CustomLabels"])

    if code:
        with pytest.raises(ClientError) as refused:
            detect(data)
        assert refused.value.response["Error"]["Code"] == code, refused.value
        assert len(json.dumps(refused.value.response)) < 5000
    else:
        detect(data)
    assert detect((answering.test / "red" / "00.png").read_bytes())[0]["Name"] == "red"
    rekognition.close()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_image_is_turned_back_whatever_its_exif_says(answering: Deployed, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    rekognition = answering.home.client("rekognition")

    data = saved(kind="JPEG", exif=exif, quality=95)
    answer = rekognition.detect_custom_labels(ProjectVersionArn=answering.version, Image={"Bytes": data})

    assert answer["CustomLabels"][0]["Name"] == "red"
    rekognition.close()


def test_the_ending_of_a_key_says_nothing_of_its_content(answering: Deployed) -> None:
    s3, rekognition = answering.home.client("s3"), answering.home.client("rekognition")
    s3.create_bucket(Bucket="endings")
    s3.put_object(Bucket="endings", Key="a.txt", Body=(answering.test / "red" / "00.png").read_bytes())
    s3.put_object(Bucket="endings", Key="a.png", Body=b"no image")

    def detect(key: str) -> Any:
        place = {"S3Object": {"Bucket": "endings", "Name": key}}
        return rekognition.detect_custom_labels(ProjectVersionArn=answering.version, Image=place)

    assert detect("a.txt")["CustomLabels"][0]["Name"] == "red"
    with pytest.raises(ClientError, match=BAD):
        detect("a.png")
    for client in (s3, rekognition):
        client.close()
