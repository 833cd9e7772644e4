"""A server beside another S3: buckets that are not registered here are looked for there."""

import io
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.journeys.stage import Home, home_in


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """moto's server, with a bucket."""
    program = shutil.which("moto_server")
    if program is None:
        pytest.skip("no moto_server on PATH: another S3 is not tested")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    else:
        pytest.skip("moto_server does not start here: another S3 is not tested")
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait()


def client(url: str) -> Any:
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s"}
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)


@pytest.fixture
def beside(endpoint: str, tmp_path: Path) -> Iterator[Home]:
    settings = {"AWS_ENDPOINT_URL_S3": endpoint, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    with home_in(tmp_path, **settings) as home:
        yield home


def test_a_bucket_of_the_other_s3_is_used_as_one_of_ours(beside: Home, endpoint: str) -> None:
    there, here = client(endpoint), client(beside.server.url)
    there.create_bucket(Bucket="far")
    there.put_object(Bucket="far", Key="from there", Body=b"0123456789", Metadata={"who": "they"})
    large = bytes(range(256)) * 50_000

    here.put_object(Bucket="far", Key="from/here", Body=b"x", ContentType="x/y", Metadata={"who": "we"})
    here.upload_fileobj(io.BytesIO(large), "far", "large")
    here.create_bucket(Bucket="near")
    here.copy_object(Bucket="near", Key="copied", CopySource="far/from there")

    got = here.get_object(Bucket="far", Key="from there", Range="bytes=2-4")
    assert (got["Body"].read(), got["Metadata"]) == (b"234", {"who": "they"})
    head = there.head_object(Bucket="far", Key="from/here")
    assert (head["ContentType"], head["Metadata"]) == ("x/y", {"who": "we"})
    assert there.get_object(Bucket="far", Key="large")["Body"].read() == large
    assert here.get_object(Bucket="near", Key="copied")["Metadata"] == {"who": "they"}
    listed = here.list_objects_v2(Bucket="far", Delimiter="/")
    assert [each["Key"] for each in listed["Contents"]] == ["from there", "large"]
    assert [each["Prefix"] for each in listed["CommonPrefixes"]] == ["from/"]
    with pytest.raises(ClientError, match="NoSuchBucket"):
        here.list_objects_v2(Bucket="neither-here-nor-there")
    for one in (there, here):
        one.close()
