"""The few S3 calls that a workflow makes: objects of our buckets, in the words of S3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any
from urllib.parse import unquote

from customlabels.errors import ServiceError
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.pages import page_start, page_token
from customlabels.storage import BucketNotFound, ObjectInfo, ObjectNotFound, StorageError

__all__: list[str] = []

UNDONE = ("If", "CopySourceIf", "Range", "PartNumber", "VersionId", "SSECustomer")  # beginnings of members


@operation("s3", "PutObject")
def put_object(call: Call) -> Response:
    """Write an object, whole or not at all."""
    bucket, key = _place(call)
    with _told():
        call.parts.objects.write(bucket, key, call.params.get("Body", b""))
        return {"ETag": _etag(call.parts.objects.head(bucket, key))}


@operation("s3", "GetObject")
def get_object(call: Call) -> Response:
    """An object's bytes."""
    bucket, key = _place(call)
    with _told():
        info = call.parts.objects.head(bucket, key)
        return _described(info) | {"Body": call.parts.objects.read(bucket, key)}


@operation("s3", "HeadObject")
def head_object(call: Call) -> Response:
    """An object without its bytes."""
    with _told():
        return _described(call.parts.objects.head(*_place(call)))


@operation("s3", "DeleteObject")
def delete_object(call: Call) -> Response:
    """Remove an object; without one nothing happens."""
    with _told():
        call.parts.objects.delete(*_place(call))
    return {}


@operation("s3", "CopyObject")
def copy_object(call: Call) -> Response:
    """Copy an object; CopySource is BUCKET/KEY, percent-encoded where needed."""
    source, _, key = unquote(call.params["CopySource"]).removeprefix("/").partition("/")
    bucket, target = _place(call)
    with _told():
        call.parts.objects.write(bucket, target, call.parts.objects.read(source, key))
        info = call.parts.objects.head(bucket, target)
    return {"CopyObjectResult": {"ETag": _etag(info), "LastModified": info.modified}}


@operation("s3", "ListObjectsV2")
def list_objects(call: Call) -> Response:
    """Objects by key, a page at a time. Grouping by Delimiter is not offered, and refused."""
    params = call.params
    if params.get("Delimiter"):
        raise ServiceError("NotImplemented", "Delimiter: listing by folders is not offered; use Prefix")
    request = {name: value for name, value in params.items() if name not in ("ContinuationToken", "MaxKeys")}
    start = page_start(call, request, params.get("ContinuationToken"), "InvalidArgument")
    after = start or params.get("StartAfter", "")
    size = params.get("MaxKeys", 1000)
    with _told():
        listed = call.parts.objects.list(params["Bucket"], params.get("Prefix", ""))
        found = list(islice((info for info in listed if info.key > after), size + 1))
    contents = [
        {"Key": info.key, "LastModified": info.modified, "ETag": _etag(info), "Size": info.size}
        for info in found[:size]
    ]
    more = len(found) > size
    answer: Response = {
        "Name": params["Bucket"],
        "Prefix": params.get("Prefix", ""),
        "MaxKeys": size,
        "KeyCount": len(contents),
        "IsTruncated": more,
        "Contents": contents,
    }
    if more and contents:
        answer["NextContinuationToken"] = page_token(call, request, contents[-1]["Key"])
    return answer


def _place(call: Call) -> tuple[str, str]:
    """Bucket and key, once it is known that nothing is asked for that would have to be left undone."""
    if undone := [name for name in call.params if name.startswith(UNDONE)]:
        raise ServiceError(
            "NotImplemented", f"{', '.join(undone)}: conditions, ranges and versions are not offered"
        )
    return call.params["Bucket"], call.params["Key"]


def _etag(info: ObjectInfo) -> str:
    return f'"{info.etag}"'


def _described(info: ObjectInfo) -> dict[str, Any]:
    return {"ContentLength": info.size, "LastModified": info.modified, "ETag": _etag(info)}


@contextmanager
def _told() -> Iterator[None]:
    """What storage refuses, in S3's codes."""
    try:
        yield
    except BucketNotFound as error:
        raise ServiceError("NoSuchBucket", str(error)) from error
    except ObjectNotFound as error:
        raise ServiceError("NoSuchKey", str(error)) from error
    except StorageError as error:
        raise ServiceError("AccessDenied", str(error)) from error
