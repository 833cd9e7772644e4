"""Objects of buckets in the words of S3: put, get, head, copy, delete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any

from customlabels.errors import ServiceError
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.s3_terms import (
    HEADERS,
    byte_range,
    etag_of,
    given_attributes,
    in_s3_codes,
    object_members,
    object_place,
    own_bucket,
    require_conditions,
    source_place,
    written_where,
)
from customlabels.storage import Allowed, Draft, ObjectInfo, Opened

BATCH = 1 << 20  # bytes that are written at once, and held at most
SMALL = 1 << 18  # bytes of an object that is answered as a whole; more is read as it is sent
MOST_DELETED = 1000
SAID = (*HEADERS, "Expires", "Metadata")
CONDITIONS = ("IfMatch", "IfNoneMatch", "IfModifiedSince", "IfUnmodifiedSince")
COPIED = ("CopySource", "ExpectedSourceBucketOwner", *(f"CopySource{name}" for name in CONDITIONS))
OVERRIDES = {f"Response{name}": name for name in (*HEADERS, "Expires")}


@operation("s3", "PutObject")
async def put_object(call: Call) -> Response:
    """Write an object, whole or not at all."""
    params = call.params
    body = params.get("Body", b"")

    def begin() -> Draft:  # before a byte is read: who asked whether to send may be told no
        bucket, key = object_place(call, "Body", "IfMatch", "IfNoneMatch", *SAID)
        return call.parts.objects.draft(bucket, key, given_attributes(call, key))

    with in_s3_codes():
        info = await taken(body, await asyncio.to_thread(begin), written_where(params))
    return {"ETag": etag_of(info), **getattr(body, "checksums", {})}


async def taken(
    body: bytes | AsyncIterable[bytes], draft: Draft, allowed: Allowed = lambda _earlier: None
) -> ObjectInfo:
    """Write a body through a draft, in batches, and put it in place once it is known to be whole."""
    held: list[bytes] = []
    size = 0

    def finish() -> ObjectInfo:
        draft.write(b"".join(held))
        return draft.place(allowed)

    try:
        async for piece in _pieces(body):
            held.append(piece)
            size += len(piece)
            if size >= BATCH:
                await asyncio.to_thread(draft.write, b"".join(held))
                held, size = [], 0
        return await asyncio.to_thread(finish)
    except BaseException:
        await asyncio.to_thread(draft.drop)
        raise


async def _pieces(body: bytes | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body
        return
    async for piece in body:
        yield piece


@operation("s3", "GetObject")
def get_object(call: Call) -> Response:
    """An object's bytes, or a range of them."""
    opened, answer, part = _found(call)
    if answer["ContentLength"] > SMALL:
        return answer | {"Body": opened.pieces(*part)}
    with in_s3_codes():
        return answer | {"Body": b"".join(opened.pieces(*part))}


@operation("s3", "HeadObject")
def head_object(call: Call) -> Response:
    """An object without its bytes."""
    opened, answer, _ = _found(call)
    opened.close()
    return answer


def _found(call: Call) -> tuple[Opened, Response, tuple[int, int]]:
    """The object, its description, and the first byte and the length that are asked for."""
    params = call.params
    bucket, key = object_place(call, *CONDITIONS, *OVERRIDES, "Range", "PartNumber", "ChecksumMode")
    with in_s3_codes():
        opened = call.parts.objects.open(bucket, key)
    info = opened.info
    try:
        require_conditions(info, params)
        answer = object_members(info, opened.attributes)
        answer |= {name: params[override] for override, name in OVERRIDES.items() if override in params}
        if params.get("PartNumber", 1) != 1:
            raise ServiceError("InvalidPartNumber", "objects are kept in one part, which is number 1")
        part = byte_range(params.get("Range"), info.size)
    except BaseException:
        opened.close()
        raise
    if part is None:
        return opened, answer, (0, info.size)
    start, size = part
    answer |= {"ContentLength": size, "ContentRange": f"bytes {start}-{start + size - 1}/{info.size}"}
    return opened, answer, part


@operation("s3", "CopyObject")
def copy_object(call: Call) -> Response:
    """Copy an object on this server, with what is said of it unless other is given."""
    params = call.params
    bucket, key = object_place(call, *COPIED, "MetadataDirective", "IfMatch", "IfNoneMatch", *SAID)
    source = source_place(call)
    is_replaced = params.get("MetadataDirective") == "REPLACE"
    if source == (bucket, key) and not is_replaced:
        raise ServiceError("InvalidRequest", "an object copied onto itself needs MetadataDirective REPLACE")

    def begin(opened: Opened) -> tuple[Draft, None]:
        attributes = given_attributes(call, key) if is_replaced else dict(opened.attributes)
        return call.parts.objects.draft(bucket, key, attributes), None

    return {"CopyObjectResult": copied(call, source, begin, written_where(params))}


def copied(
    call: Call,
    source: tuple[str, str],
    begin: Callable[[Opened], tuple[Draft, tuple[int, int] | None]],
    allowed: Allowed = lambda _earlier: None,
) -> Response:
    """Copy an object, or a range of it, into the draft that is begun once the request's conditions hold."""
    with in_s3_codes():
        opened = call.parts.objects.open(*source)
        try:
            require_conditions(opened.info, call.params, "CopySource")
            draft, part = begin(opened)
        except BaseException:
            opened.close()
            raise
        try:
            for piece in opened.pieces(*(part or (0, opened.info.size))):
                draft.write(piece)
            info = draft.place(allowed)
        finally:
            draft.drop()
    return {"ETag": etag_of(info), "LastModified": info.modified}


@operation("s3", "GetObjectTagging")
def get_object_tagging(call: Call) -> Response:
    """None: tags are refused where they are given. Clients ask before they copy an object in parts."""
    bucket, key = object_place(call)
    with in_s3_codes():
        call.parts.objects.head(bucket, key)
    return {"TagSet": []}


@operation("s3", "DeleteObject")
def delete_object(call: Call) -> Response:
    """Remove an object; without one nothing happens."""
    bucket, key = object_place(call, "IfMatch")
    with in_s3_codes():
        call.parts.objects.delete(bucket, key, written_where(call.params))
    return {}


@operation("s3", "DeleteObjects")
def delete_objects(call: Call) -> Response:
    """Remove up to a thousand objects; each that cannot be removed is told by its own error."""
    bucket, wanted = own_bucket(call, "Delete", "ChecksumAlgorithm"), call.params["Delete"]
    if len(wanted["Objects"]) > MOST_DELETED:
        raise ServiceError("MalformedXML", f"at most {MOST_DELETED} objects are deleted at once")
    deleted: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for each in wanted["Objects"]:
        try:
            if each.keys() - {"Key", "ETag", "VersionId"} or each.get("VersionId", "null") != "null":
                raise ServiceError("NotImplemented", "objects are deleted by Key and ETag only")
            with in_s3_codes():
                call.parts.objects.delete(bucket, each["Key"], written_where({"IfMatch": each.get("ETag")}))
            deleted.append({"Key": each["Key"]})
        except ServiceError as error:
            errors.append({"Key": each["Key"], "Code": error.code, "Message": error.message})
    return {"Errors": errors} if wanted.get("Quiet") else {"Deleted": deleted, "Errors": errors}
