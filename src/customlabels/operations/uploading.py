"""Objects that arrive in parts, in the words of S3."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from customlabels.errors import ServiceError
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.objects import COPIED, SAID, copied, taken
from customlabels.operations.s3_terms import (
    byte_range,
    etag_of,
    given_attributes,
    in_s3_codes,
    object_place,
    require_bucket,
    require_offered,
    source_place,
    spelled,
    written_where,
)
from customlabels.storage import Draft, Opened, Part, Upload, Uploads
from customlabels.wire import ALGORITHMS

LARGEST_PAGE = 1000
MOST_PARTS = 10_000
SMALLEST_PART = 5 * 2**20  # bytes, of every part but the last
SUMS = tuple(f"Checksum{name}" for name in ALGORITHMS)


@operation("s3", "CreateMultipartUpload")
def create_multipart_upload(call: Call) -> Response:
    """Begin; nothing is seen of the object before it is complete."""
    bucket, key = object_place(call, *SAID, "ChecksumAlgorithm", "ChecksumType")
    params = call.params
    algorithm = params.get("ChecksumAlgorithm", "")
    if algorithm and algorithm not in ALGORITHMS:
        raise ServiceError("NotImplemented", f"{algorithm}: checksums here are {', '.join(ALGORITHMS)}")
    # Only CRCs can be of the whole object, and CRC64NVME always is.
    kind = params.get("ChecksumType") or ("FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE")
    fits = algorithm != "CRC64NVME" if kind == "COMPOSITE" else algorithm.startswith("CRC")
    if algorithm and not fits:
        raise ServiceError("InvalidRequest", f"the checksum type {kind} is not for {algorithm}")
    attributes = given_attributes(call, key)
    with in_s3_codes():
        call.parts.objects.require(bucket)
        uploads = call.parts.uploads
        upload_id = uploads.new_id()
        uploads.begin(Upload(upload_id, bucket, key, call.now, attributes, algorithm, kind == "FULL_OBJECT"))
    answer = {"Bucket": bucket, "Key": key, "UploadId": upload_id}
    return answer | ({"ChecksumAlgorithm": algorithm, "ChecksumType": kind} if algorithm else {})


@operation("s3", "UploadPart")
async def upload_part(call: Call) -> Response:
    """Take one part; the same number again replaces it."""
    uploads, number = call.parts.uploads, _number(call)
    body = call.params.get("Body", b"")

    def begin() -> tuple[Upload, Draft]:
        upload = _upload(call, "Body", "PartNumber")
        return upload, uploads.draft(upload, number)

    with in_s3_codes():
        upload, draft = await asyncio.to_thread(begin)
        info = await taken(body, draft)
        sums: dict[str, str] = getattr(body, "checksums", {})
        if checksum := sums.get(f"Checksum{upload.algorithm}"):
            await asyncio.to_thread(uploads.keep_checksum, upload, number, info, checksum)
    return {"ETag": etag_of(info), **sums}


@operation("s3", "UploadPartCopy")
def upload_part_copy(call: Call) -> Response:
    """Take a part, or a range, of an object that is here already."""
    upload, number = _upload(call, *COPIED, "PartNumber", "CopySourceRange"), _number(call)

    def begin(opened: Opened) -> tuple[Draft, tuple[int, int] | None]:
        part = byte_range(call.params.get("CopySourceRange"), opened.info.size)
        return call.parts.uploads.draft(upload, number), part

    return {"CopyPartResult": copied(call, source_place(call), begin)}


@operation("s3", "CompleteMultipartUpload")
def complete_multipart_upload(call: Call) -> Response:
    """Put the named parts together in their order, in place of what the key held."""
    names = ("MultipartUpload", "MpuObjectSize", "ChecksumType", "IfMatch", "IfNoneMatch", *SUMS)
    upload, params = _upload(call, *names), call.params
    uploads = call.parts.uploads
    with in_s3_codes():
        parts = _named_parts(call, uploads.parts(upload))
        size = sum(part.info.size for part in parts)
        if params.get("MpuObjectSize", size) != size:
            raise ServiceError(
                "InvalidRequest", f"the parts have {size} bytes, not {params['MpuObjectSize']}"
            )
        draft = call.parts.objects.draft(upload.bucket, upload.key, upload.attributes)
        try:
            checksum = _put_together(uploads, upload, parts, draft.write)
            _require_checksum(call, upload, checksum)
            info = draft.place(written_where(params))
        finally:
            draft.drop()
        uploads.end(upload)
    answer = {"Location": f"/{upload.bucket}/{upload.key}", "ETag": etag_of(info)}
    answer |= {"Bucket": upload.bucket, "Key": upload.key}
    if checksum:
        answer[f"Checksum{upload.algorithm}"] = checksum
        answer["ChecksumType"] = "FULL_OBJECT" if upload.whole else "COMPOSITE"
    return answer


def _named_parts(call: Call, there: Sequence[Part]) -> list[Part]:
    """The parts that the request names, held to what it says of them."""
    named: list[dict[str, Any]] = call.params.get("MultipartUpload", {}).get("Parts", [])
    numbers = [each.get("PartNumber", 0) for each in named]
    if not named:
        raise ServiceError("MalformedXML", "no part is named")
    if any(first >= second for first, second in pairwise(numbers)):
        raise ServiceError("InvalidPartOrder", "the parts are not in the order of their numbers")
    by_number = {part.number: part for part in there}
    parts = []
    for each in named:
        part = by_number.get(each.get("PartNumber", 0))
        sums = [each[name] for name in SUMS if name in each]
        if part is None or each.get("ETag", "").strip('"') != part.info.etag:
            raise ServiceError("InvalidPart", f"there is no part {each.get('PartNumber')} with this etag")
        if part.checksum and any(value != part.checksum for value in sums):
            raise ServiceError("InvalidPart", f"part {part.number} has another checksum")
        parts.append(part)
    for part in parts[:-1]:
        if part.info.size < SMALLEST_PART:
            message = f"part {part.number} has {part.info.size} bytes; all but the last need {SMALLEST_PART}"
            raise ServiceError("EntityTooSmall", message)
    return parts


def _put_together(
    uploads: Uploads, upload: Upload, parts: Sequence[Part], write: Callable[[bytes], None]
) -> str:
    """Write the parts; the object's checksum in base64, empty where none was asked for or can be."""
    total = ALGORITHMS[upload.algorithm]() if upload.algorithm else None
    for piece in uploads.pieces(upload, parts):
        write(piece)
        if total and upload.whole:
            total.update(piece)
    if total is None or not (upload.whole or all(part.checksum for part in parts)):
        return ""
    if upload.whole:
        return base64.b64encode(total.digest()).decode()
    total.update(b"".join(base64.b64decode(part.checksum) for part in parts))
    return f"{base64.b64encode(total.digest()).decode()}-{len(parts)}"


def _require_checksum(call: Call, upload: Upload, checksum: str) -> None:
    for name in SUMS:
        given = call.params.get(name)
        if given is None:
            continue
        if name != f"Checksum{upload.algorithm}" or not checksum:
            raise ServiceError("InvalidRequest", f"{name}: the upload was begun without this checksum")
        if given.partition("-")[0] != checksum.partition("-")[0]:
            raise ServiceError("BadDigest", f"{name} is {checksum}, not {given}")


@operation("s3", "AbortMultipartUpload")
def abort_multipart_upload(call: Call) -> Response:
    """Give an upload up."""
    upload = _upload(call)
    with in_s3_codes():
        call.parts.uploads.end(upload)
    return {}


@operation("s3", "ListParts")
def list_parts(call: Call) -> Response:
    """The parts that are there, by number."""
    upload = _upload(call, "MaxParts", "PartNumberMarker")
    after, size = _page(call, "PartNumberMarker", "MaxParts")
    with in_s3_codes():
        parts = call.parts.uploads.parts(upload, after)
    page = parts[:size]
    answer: Response = {
        "Bucket": upload.bucket,
        "Key": upload.key,
        "UploadId": upload.id,
        "PartNumberMarker": after,
        "MaxParts": size,
        "IsTruncated": len(parts) > size,
        "Parts": [_described(upload, part) for part in page],
        "Initiator": {"ID": call.caller.account},
        "Owner": {"ID": call.caller.account},
        "StorageClass": "STANDARD",
    }
    if len(parts) > size and page:
        answer["NextPartNumberMarker"] = page[-1].number
    return answer


def _described(upload: Upload, part: Part) -> dict[str, Any]:
    info = part.info
    answer = {
        "PartNumber": part.number,
        "LastModified": info.modified,
        "ETag": etag_of(info),
        "Size": info.size,
    }
    return answer | ({f"Checksum{upload.algorithm}": part.checksum} if part.checksum else {})


@operation("s3", "ListMultipartUploads")
def list_multipart_uploads(call: Call) -> Response:
    """The open uploads into a bucket."""
    require_offered(call, "Prefix", "KeyMarker", "UploadIdMarker", "MaxUploads", "EncodingType")
    params = call.params
    bucket, prefix = params["Bucket"], params.get("Prefix", "")
    _, size = _page(call, "", "MaxUploads")
    after = (
        params.get("KeyMarker", ""),
        params.get("UploadIdMarker", "" if "KeyMarker" not in params else "~"),
    )
    with in_s3_codes():
        require_bucket(call, bucket)
        call.parts.objects.require(bucket)
        found = [each for each in call.parts.uploads.open_of(bucket, prefix) if (each.key, each.id) > after]
    page = found[:size]
    answer: Response = {
        "Bucket": bucket,
        "Prefix": spelled(call, prefix),
        "KeyMarker": spelled(call, after[0]),
        "MaxUploads": size,
        "IsTruncated": len(found) > size,
        "Uploads": [
            {
                "UploadId": each.id,
                "Key": spelled(call, each.key),
                "Initiated": each.started_at,
                "StorageClass": "STANDARD",
                "Owner": {"ID": call.caller.account},
                "Initiator": {"ID": call.caller.account},
            }
            for each in page
        ],
    }
    if len(found) > size and page:
        answer |= {"NextKeyMarker": spelled(call, page[-1].key), "NextUploadIdMarker": page[-1].id}
    return answer | ({"EncodingType": params["EncodingType"]} if "EncodingType" in params else {})


def _upload(call: Call, *members: str) -> Upload:
    bucket, key = object_place(call, "UploadId", *members)
    with in_s3_codes():
        return call.parts.uploads.find(bucket, key, call.params["UploadId"])


def _number(call: Call) -> int:
    number: int = call.params["PartNumber"]
    if not 1 <= number <= MOST_PARTS:
        raise ServiceError("InvalidArgument", f"Part number must be from 1 to {MOST_PARTS}, not {number}")
    return number


def _page(call: Call, marker: str, size: str) -> tuple[int, int]:
    values = [call.params.get(marker, 0), call.params.get(size, LARGEST_PAGE)]
    if min(values) < 0:
        raise ServiceError("InvalidArgument", f"{marker} and {size} are 0 or more")
    return values[0], min(values[1], LARGEST_PAGE)
