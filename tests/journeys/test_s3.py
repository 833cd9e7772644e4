"""S3 on the same port, through unmodified boto3 clients."""

import hashlib
import io
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from tests.journeys.stage import Home, until

from customlabels.app import served as server_of

ODD_KEYS = [
    "a b/c+d%é.png",
    "a//b",
    "folder/",
    "/leading",
    "x&<>\"'\n",
    "猫/🐈",
    "100%25",
    "q?x=1#f",
    "~._-!$'()*,;=:@",
    "é" * 120 + "/" + "k" * 200,
    "trailing ",
    ".hidden",
]


@pytest.fixture(scope="module")
def s3(served: Home) -> Iterator[Any]:
    client = served.client("s3")
    yield client
    client.close()


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """A bucket of the test's own, gone afterwards."""
    name = f"b-{hashlib.sha256(request.node.name.encode()).hexdigest()[:20]}"
    s3.create_bucket(Bucket=name)
    yield name
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        for each in page.get("Contents", []):
            s3.delete_object(Bucket=name, Key=each["Key"])
    s3.delete_bucket(Bucket=name)


def refusal(call: Callable[..., Any], **members: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        call(**members)
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def keys(answer: dict[str, Any]) -> list[str]:
    return [each["Key"] for each in answer.get("Contents", [])]


def test_a_bucket_is_created_found_and_deleted_when_it_is_empty(s3: Any, served: Home) -> None:
    s3.create_bucket(Bucket="made-here")
    names = [each["Name"] for each in s3.list_buckets()["Buckets"]]
    s3.put_object(Bucket="made-here", Key="a/b", Body=b"x")

    assert "made-here" in names
    assert s3.head_bucket(Bucket="made-here")["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket="made-here")["LocationConstraint"] is None
    assert s3.create_bucket(Bucket="made-here")  # one's own, again, as in us-east-1
    assert refusal(s3.delete_bucket, Bucket="made-here") == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket="made-here", Key="a/b")
    s3.delete_bucket(Bucket="made-here")
    assert refusal(s3.head_bucket, Bucket="made-here") == ("404", 404)
    assert not list((served.path / "buckets").rglob("made-here"))


def test_a_registered_folder_is_a_bucket_too_and_stays(s3: Any, served: Home, tmp_path: Path) -> None:
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    (tmp_path / "photos" / "cats" / "1.jpg").write_bytes(b"pixels")
    served.typed("bucket", "add", "photos-of-mine", tmp_path / "photos")

    assert keys(s3.list_objects_v2(Bucket="photos-of-mine")) == ["cats/1.jpg"]
    got = s3.get_object(Bucket="photos-of-mine", Key="cats/1.jpg")
    assert (got["Body"].read(), got["ContentType"]) == (b"pixels", "image/jpeg")
    s3.put_object(Bucket="photos-of-mine", Key="dogs/2.jpg", Body=b"x", Metadata={"by": "me"})
    found = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file())
    assert found == ["photos/cats/1.jpg", "photos/dogs/2.jpg"]
    for key in ("cats/1.jpg", "dogs/2.jpg"):
        s3.delete_object(Bucket="photos-of-mine", Key=key)
    s3.delete_bucket(Bucket="photos-of-mine")
    assert (tmp_path / "photos").is_dir()


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
def test_any_key_comes_back_as_it_was_put(s3: Any, bucket: str, key: str) -> None:
    body = f"the body of {key}".encode()

    put = s3.put_object(Bucket=bucket, Key=key, Body=body)
    got = s3.get_object(Bucket=bucket, Key=key)
    address = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
    s3.copy_object(Bucket=bucket, Key=f"{key}.copy", CopySource={"Bucket": bucket, "Key": key})

    assert (got["Body"].read(), got["ETag"]) == (body, put["ETag"])
    assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(body)
    assert keys(s3.list_objects_v2(Bucket=bucket)) == keys(s3.list_objects(Bucket=bucket))
    assert set(keys(s3.list_objects_v2(Bucket=bucket))) == {key, f"{key}.copy"}
    assert urllib.request.urlopen(address).read() == body
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": f"{key}.copy"}]})
    assert [each["Key"] for each in gone["Deleted"]] == [key, f"{key}.copy"]
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []


def test_what_is_said_of_an_object_is_given_back_and_copied(s3: Any, bucket: str) -> None:
    said = {
        "ContentType": "application/x-own",
        "CacheControl": "no-store",
        "ContentDisposition": 'attachment; filename="a"',
        "ContentLanguage": "de",
        "ContentEncoding": "identity",
        "Metadata": {"who": "a  b", "when": "now"},
    }
    place, copy = {"Bucket": bucket, "Key": "a.png"}, {"Bucket": bucket, "Key": "b.png"}
    expires = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)

    s3.put_object(**place, **said, Expires=expires, Body=b"x")
    s3.copy_object(**copy, CopySource=place)
    head, copied = s3.head_object(**place), s3.head_object(**copy)
    s3.copy_object(**copy, CopySource=place, MetadataDirective="REPLACE", ContentType="text/x")
    replaced = s3.head_object(**copy)

    assert {name: head[name] for name in said} == said
    assert {name: copied[name] for name in said} == said
    assert head["ExpiresString"] == "Wed, 02 Jan 2030 03:04:05 GMT"
    assert (replaced["ContentType"], replaced["Metadata"]) == ("text/x", {})
    assert refusal(s3.copy_object, **place, CopySource=place) == ("InvalidRequest", 400)
    overridden = s3.get_object(**place, ResponseContentType="text/plain")
    assert overridden["ContentType"] == "text/plain"


def test_ranges_are_answered_as_http_has_them(s3: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "digits"}
    s3.put_object(**place, Body=b"0123456789")

    def part(text: str) -> tuple[bytes, str | None]:
        got = s3.get_object(**place, Range=text)
        return got["Body"].read(), got.get("ContentRange")

    assert part("bytes=2-4") == (b"234", "bytes 2-4/10")
    assert part("bytes=7-") == (b"789", "bytes 7-9/10")
    assert part("bytes=-3") == (b"789", "bytes 7-9/10")
    assert part("bytes=5-99") == (b"56789", "bytes 5-9/10")
    assert part("bytes=0-1,3-4") == (b"0123456789", None)
    assert part("bytes=4-2") == (b"0123456789", None)
    assert refusal(s3.get_object, **place, Range="bytes=10-") == ("InvalidRange", 416)
    assert s3.head_object(**place, Range="bytes=1-3")["ContentLength"] == 3


def test_conditions_hold_for_reading_and_for_writing(s3: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "a"}
    etag = s3.put_object(**place, Body=b"old")["ETag"]
    past, future = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    other = '"0123456789abcdef"'

    assert s3.get_object(**place, IfMatch=etag, IfModifiedSince=past, IfUnmodifiedSince=future)
    assert refusal(s3.get_object, **place, IfMatch=other) == ("PreconditionFailed", 412)
    assert refusal(s3.get_object, **place, IfUnmodifiedSince=past) == ("PreconditionFailed", 412)
    assert refusal(s3.get_object, **place, IfNoneMatch=etag) == ("304", 304)
    assert refusal(s3.head_object, **place, IfModifiedSince=future) == ("304", 304)
    assert refusal(s3.put_object, **place, IfNoneMatch="*", Body=b"x") == ("PreconditionFailed", 412)
    assert refusal(s3.put_object, **place, IfMatch=other, Body=b"x") == ("PreconditionFailed", 412)
    assert refusal(s3.delete_object, **place, IfMatch=other) == ("PreconditionFailed", 412)
    assert s3.get_object(**place)["Body"].read() == b"old"
    s3.put_object(**place, IfMatch=etag, Body=b"new")
    assert s3.put_object(Bucket=bucket, Key="b", IfNoneMatch="*", Body=b"x")
    assert s3.get_object(**place)["Body"].read() == b"new"


def test_listings_are_grouped_and_come_in_pages(s3: Any, bucket: str) -> None:
    names = [*(f"photos/{at:02}.jpg" for at in range(7)), "photos-2", "a", "zoo/x/1", "zoo/x/2", "zoo/y"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=b"")

    def all_pages(operation: str, **members: Any) -> list[str]:
        found = []
        for page in s3.get_paginator(operation).paginate(Bucket=bucket, **members):
            found += [each["Prefix"] for each in page.get("CommonPrefixes", [])] + keys(page)
        return found

    for operation in ("list_objects_v2", "list_objects"):
        for size in (1, 2, 5, 1000):
            paged = {"PaginationConfig": {"PageSize": size}}
            assert all_pages(operation, **paged) == sorted(names)
            groups = all_pages(operation, Delimiter="/", **paged)
            assert sorted(groups) == ["a", "photos-2", "photos/", "zoo/"]
            assert (
                all_pages(operation, Prefix="zoo/", Delimiter="/", **paged) == ["zoo/x/", "zoo/y"] or size > 1
            )
            assert all_pages(operation, Prefix="photos/0", **paged) == sorted(names)[2:9]
    assert keys(s3.list_objects_v2(Bucket=bucket, StartAfter="photos/05.jpg")) == sorted(names)[8:]
    assert keys(s3.list_objects(Bucket=bucket, Marker="photos/05.jpg")) == sorted(names)[8:]
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0
    assert refusal(s3.list_objects_v2, Bucket=bucket, ContinuationToken="made-up") == ("InvalidArgument", 400)


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_an_object_in_parts_is_the_one_that_was_sent(
    s3: Any, bucket: str, tmp_path: Path, algorithm: str
) -> None:
    body = os.urandom(12 * 2**20 + 5)
    quick = TransferConfig(multipart_threshold=5 * 2**20, multipart_chunksize=5 * 2**20)
    extra = {"ContentType": "x/y", "Metadata": {"a": "b"}, "ChecksumAlgorithm": algorithm}

    s3.upload_fileobj(io.BytesIO(body), bucket, "large", ExtraArgs=extra, Config=quick)
    s3.copy({"Bucket": bucket, "Key": "large"}, bucket, "copied", Config=quick)

    assert s3.head_object(Bucket=bucket, Key="large")["Metadata"] == {"a": "b"}
    for key in ("large", "copied"):
        s3.download_file(bucket, key, str(tmp_path / key), Config=quick)
        assert (tmp_path / key).read_bytes() == body
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_an_upload_tells_its_parts_and_refuses_wrong_ones(s3: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "in parts"}
    upload = {**place, "UploadId": s3.create_multipart_upload(**place)["UploadId"]}
    first = s3.upload_part(**upload, PartNumber=1, Body=b"small")["ETag"]
    again = s3.upload_part(**upload, PartNumber=1, Body=b"small too")["ETag"]
    last = s3.upload_part(**upload, PartNumber=9, Body=b"end")["ETag"]

    def complete(*parts: tuple[int, str]) -> Any:
        named = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": named})

    listed = s3.list_parts(**upload)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in listed] == [(1, 9), (9, 3)]
    assert [each["Key"] for each in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["in parts"]
    assert refusal(complete, *[]) == ("MalformedXML", 400)
    for parts, code in [
        ([(1, first)], "InvalidPart"),
        ([(2, again)], "InvalidPart"),
        ([(9, last), (1, again)], "InvalidPartOrder"),
        ([(1, again), (9, last)], "EntityTooSmall"),
    ]:
        with pytest.raises(ClientError, match=code):
            complete(*parts)
    assert refusal(s3.upload_part, **upload, PartNumber=0, Body=b"") == ("InvalidArgument", 400)
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []
    complete((9, last))
    assert s3.get_object(**place)["Body"].read() == b"end"
    assert refusal(s3.list_parts, **upload) == ("NoSuchUpload", 404)


def test_an_upload_that_is_given_up_leaves_nothing(s3: Any, bucket: str, served: Home) -> None:
    place = {"Bucket": bucket, "Key": "never"}
    upload = {**place, "UploadId": s3.create_multipart_upload(**place)["UploadId"]}
    s3.upload_part(**upload, PartNumber=1, Body=b"x" * 1000)

    s3.abort_multipart_upload(**upload)

    assert refusal(s3.abort_multipart_upload, **upload) == ("NoSuchUpload", 404)
    assert list((served.path / "uploads").iterdir()) == []


@pytest.mark.parametrize(
    ("operation", "members", "refused"),
    [
        ("get_object", {"Key": "none"}, ("NoSuchKey", 404)),
        ("head_object", {"Key": "none"}, ("404", 404)),
        ("list_objects_v2", {"Bucket": "no-such-bucket"}, ("NoSuchBucket", 404)),
        ("put_object", {"Bucket": "no-such-bucket", "Key": "a", "Body": b"x"}, ("NoSuchBucket", 404)),
        ("put_object", {"Key": "../a", "Body": b"x"}, ("AccessDenied", 403)),
        ("put_object", {"Key": "a/../../a", "Body": b"x"}, ("AccessDenied", 403)),
        ("put_object", {"Key": "a", "Body": b"x", "StorageClass": "GLACIER"}, ("NotImplemented", 501)),
        ("put_object", {"Key": "a", "Body": b"x", "ACL": "public-read"}, ("NotImplemented", 501)),
        (
            "put_object",
            {"Key": "a", "Body": b"x", "ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA=="},
            ("BadDigest", 400),
        ),
        ("put_object", {"Key": "a", "Body": b"x", "ChecksumCRC32": "AAAAAA=="}, ("BadDigest", 400)),
        ("get_object", {"Key": "a", "VersionId": "1"}, ("NotImplemented", 501)),
        ("get_object_acl", {"Key": "a"}, ("NotImplemented", 501)),
        ("put_bucket_versioning", {"VersioningConfiguration": {}}, ("NotImplemented", 501)),
        ("create_bucket", {"Bucket": "Capitals"}, ("InvalidBucketName", 400)),
        ("head_bucket", {"ExpectedBucketOwner": "999999999999"}, ("403", 403)),
    ],
)
def test_refusals_have_s3s_codes(
    s3: Any, bucket: str, operation: str, members: dict[str, Any], refused: tuple[str, int]
) -> None:
    assert refusal(getattr(s3, operation), **{"Bucket": bucket, **members}) == refused


def test_a_signed_address_takes_an_object_from_any_client(s3: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "from outside"}
    address = s3.generate_presigned_url("put_object", Params=place)

    urllib.request.urlopen(urllib.request.Request(address, b"hello", method="PUT")).close()

    assert s3.get_object(**place)["Body"].read() == b"hello"


def test_a_page_of_another_site_may_not_ask(s3: Any, bucket: str, served: Home) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    address = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a"})
    foreign = urllib.request.Request(address, headers={"Origin": "https://example.org"})

    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(foreign)
    refused.value.close()
    with urllib.request.urlopen(address) as own:  # shown by a browser, it is no page of this server's
        assert own.headers["content-security-policy"] == "sandbox"


@pytest.mark.parametrize(("name", "answer"), [("waited-for", b"100"), ("not-there", b"404")])
def test_who_asks_whether_to_send_is_told_before(s3: Any, served: Home, name: str, answer: bytes) -> None:
    s3.create_bucket(Bucket="waited-for")
    host, port = served.server.url.removeprefix("http://").split(":")
    head = f"PUT /{name}/a HTTP/1.1\r\nHost: localhost\r\nx-amz-date: 1\r\nExpect: 100-continue\r\n"

    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(f"{head}Content-Length: 100000000\r\n\r\n".encode())

        assert connection.recv(1000).startswith(b"HTTP/1.1 " + answer)
    s3.delete_bucket(Bucket="waited-for")


def test_kill_9_leaves_objects_whole_and_parts_that_were_answered_for(home: Home) -> None:
    place, parts = {"Bucket": "kept-through", "Key": "a"}, {"Bucket": "kept-through", "Key": "in parts"}
    s3 = home.client("s3")
    s3.create_bucket(Bucket="kept-through")
    s3.put_object(**place, Body=b"old", Metadata={"who": "me"})
    upload = {**parts, "UploadId": s3.create_multipart_upload(**parts)["UploadId"]}
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"first")["ETag"]
    host, port = home.server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as half_sent:
        head = b"PUT /kept-through/a HTTP/1.1\r\nHost: localhost\r\nx-amz-date: 1\r\n"
        half_sent.sendall(head + b"Content-Length: 9000000\r\n\r\n" + b"x" * 4_000_000)
        written = until(lambda: list(home.path.rglob(".customlabels-part-*")), seconds=20)
        os.kill(home.server.pid, signal.SIGKILL)
    s3.close()
    assert written
    assert until(lambda: server_of(home.path) is None, seconds=20)

    s3 = home.client("s3")
    got = s3.get_object(**place)
    named = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3.complete_multipart_upload(**upload, MultipartUpload=named)

    assert (got["Body"].read(), got["Metadata"]) == (b"old", {"who": "me"})
    assert keys(s3.list_objects_v2(Bucket="kept-through")) == ["a", "in parts"]
    s3.close()


def test_pages_are_still_pages(served: Home) -> None:
    with urllib.request.urlopen(served.server.url) as page:
        assert page.headers["content-type"].startswith("text/html")
