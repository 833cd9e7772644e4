"""Objects behind an S3 endpoint: moto's server, where its program is installed."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import boto3
import pytest

from customlabels.storage import (
    BucketNotFound,
    ObjectAccessError,
    ObjectNotFound,
    Objects,
    ObjectTooLarge,
    S3Endpoint,
    StorageError,
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    program = shutil.which("moto_server")
    if program is None:
        pytest.skip("no moto_server on PATH: S3 is not tested")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([program, "-p", str(port)], stderr=subprocess.DEVNULL)
    try:
        yield _answering(server, port)
    finally:
        server.terminate()
        server.wait()


def _answering(server: "subprocess.Popen[bytes]", port: int) -> str:
    for _ in range(300):
        if server.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return f"http://127.0.0.1:{port}"
    pytest.skip("moto_server does not start here: S3 is not tested")


@pytest.fixture(scope="module")
def objects(url: str) -> Objects:
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
    )
    client.create_bucket(Bucket="photos")
    return Objects(lambda _name: None, S3Endpoint(url, "k", "s"))


def test_an_object_is_written_read_listed_and_deleted(objects: Objects) -> None:
    key = "train/a b%20#c?é.jpg"
    objects.write("photos", key, b"one\ntwo")

    assert objects.read("photos", key) == b"one\ntwo"
    assert list(objects.lines("photos", key)) == [b"one", b"two"]
    assert [info.key for info in objects.list("photos", "train/a ")] == [key]
    assert next(objects.list("photos", "tra")) == objects.head("photos", key)
    assert objects.path("photos", key) is None
    with pytest.raises(ObjectTooLarge):
        objects.read("photos", key, limit=3)

    objects.delete("photos", key)
    objects.delete("photos", key)

    assert list(objects.list("photos")) == []


def test_what_is_missing_is_named(objects: Objects) -> None:
    with pytest.raises(ObjectNotFound, match="s3://photos/none"):
        objects.read("photos", "none")
    with pytest.raises(ObjectNotFound, match="s3://photos/none"):
        objects.head("photos", "none")
    with pytest.raises(BucketNotFound, match="s3://absent/a"):
        objects.read("absent", "a")
    with pytest.raises(BucketNotFound, match="s3://absent/"):
        list(objects.list("absent"))
    with pytest.raises(ObjectAccessError, match=r"s3://photos/a/\.\./b"):
        objects.read("photos", "a/../b")


def test_an_endpoint_that_does_not_answer_is_a_clear_error() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = S3Endpoint(f"http://127.0.0.1:{closed.getsockname()[1]}", "k", "s")

        with pytest.raises(ObjectAccessError, match="s3://photos/a"):
            Objects(lambda _name: None, endpoint).head("photos", "a")


def test_an_endpoint_keeps_its_secret_and_needs_an_address() -> None:
    assert "hush" not in repr(S3Endpoint("http://minio", "key", "hush"))
    with pytest.raises(StorageError, match="starts with http"):
        S3Endpoint("minio:9000", "key", "hush")
