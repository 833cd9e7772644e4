"""What S3's operations share: which members are offered, conditions, ranges, headers of objects, refusals.

Layer: operations. A member that an operation does not do is refused; that table is `require_offered`.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate, parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote

from customlabels.errors import ServiceError
from customlabels.operations.access import may_use
from customlabels.operations.dispatch import Call
from customlabels.storage import BucketNotFound, ObjectInfo, ObjectNotFound, StorageError, UploadNotFound

# Members that are kept with an object and given back, by the header that carries them.
HEADERS = {
    "CacheControl": "cache-control",
    "ContentDisposition": "content-disposition",
    "ContentEncoding": "content-encoding",
    "ContentLanguage": "content-language",
    "ContentType": "content-type",
}
METADATA = "x-amz-meta-"
# Members of which only some values mean what is done here: one owner, one kind of storage, no versions.
ONLY = {
    "ACL": ("private", "bucket-owner-full-control"),
    "StorageClass": ("STANDARD",),
    "VersionId": ("null",),
    "TaggingDirective": ("COPY",),
    "AnnotationDirective": ("COPY",),
}
ALWAYS = frozenset({"Bucket", "Key", "RequestPayer", "ExpectedBucketOwner"})  # nobody pays for a request here
ENDINGS = mimetypes.MimeTypes()  # Python's own table: the same on every machine
UNTYPED = "binary/octet-stream"
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def require_offered(call: Call, *members: str) -> None:
    """NotImplemented where a member is given that is none of these: it would have to be left undone."""
    for name, value in call.params.items():
        if name in ONLY and value in ONLY[name]:
            continue
        if name not in ALWAYS and name not in members:
            only = f" other than {' or '.join(ONLY[name])}" if name in ONLY else ""
            raise ServiceError("NotImplemented", f"{name}{only} is not offered with {call.operation}")


def require_bucket(call: Call, bucket: str, owner: str = "ExpectedBucketOwner") -> None:
    """AccessDenied where the bucket is another account's than the caller's, or than is expected of it."""
    with in_s3_codes():
        if not may_use(call, bucket, call.params.get(owner)):
            raise ServiceError("AccessDenied", f"account {call.caller.account} may not use bucket {bucket}")


def own_bucket(call: Call, *members: str) -> str:
    """The bucket, once it is known to be there and the caller's, and that every member can be done."""
    require_offered(call, *members)
    bucket: str = call.params["Bucket"]
    require_bucket(call, bucket)
    with in_s3_codes():
        call.parts.objects.require(bucket)
    return bucket


def object_place(call: Call, *members: str) -> tuple[str, str]:
    """Bucket and key, once it is known that the caller may use them and that every member can be done."""
    require_offered(call, *members)
    params = call.params
    require_bucket(call, params["Bucket"])
    return params["Bucket"], params["Key"]


def source_place(call: Call) -> tuple[str, str]:
    """Bucket and key of CopySource: BUCKET/KEY, percent-encoded where needed."""
    source, _, version = call.params["CopySource"].partition("?versionId=")
    bucket, _, key = unquote(source).removeprefix("/").partition("/")
    if version not in ("", "null"):
        raise ServiceError("NotImplemented", f"versions of objects are not kept: {version}")
    if not bucket or not key:
        raise ServiceError("InvalidArgument", f"CopySource is BUCKET/KEY, not {call.params['CopySource']!r}")
    require_bucket(call, bucket, "ExpectedSourceBucketOwner")
    return bucket, key


def etag_of(info: ObjectInfo) -> str:
    """An etag as headers and XML have it."""
    return f'"{info.etag}"'


def spelled(call: Call, text: str | None) -> str | None:
    """A key in a listing, as the caller wants it written."""
    encoded = call.params.get("EncodingType") == "url"
    return quote(text, safe="/~") if encoded and text is not None else text


# ---------------------------------------------------------------- what is said of an object


def given_attributes(call: Call, key: str) -> dict[str, str]:
    """What a request says of an object; a type that the key's ending says already is not kept."""
    params = call.params
    given = {header: params[name] for name, header in HEADERS.items() if params.get(name)}
    coding = [part for part in given.pop("content-encoding", "").split(",") if part.strip() != "aws-chunked"]
    if any(coding):
        given["content-encoding"] = ",".join(coding).strip()
    if "Expires" in params:
        given["expires"] = formatdate(params["Expires"], usegmt=True)
    given |= {f"{METADATA}{name}": value for name, value in params.get("Metadata", {}).items()}
    if given.get("content-type") == _type_of(key):
        del given["content-type"]
    if sum(len(name) + len(value) for name, value in given.items()) > 8192:
        raise ServiceError("MetadataTooLarge", "metadata and headers of an object have at most 8192 bytes")
    return given


def object_members(info: ObjectInfo, attributes: Mapping[str, str]) -> dict[str, Any]:
    """An object in the members of HeadObject and GetObject."""
    answer: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "ContentLength": info.size,
        "ETag": etag_of(info),
        "LastModified": info.modified,
        "ContentType": _type_of(info.key),
    }
    answer |= {name: attributes[header] for name, header in HEADERS.items() if header in attributes}
    if "expires" in attributes:
        answer["Expires"] = parsedate_to_datetime(attributes["expires"]).timestamp()
    metadata = {
        name.removeprefix(METADATA): value for name, value in attributes.items() if name.startswith(METADATA)
    }
    return answer | ({"Metadata": metadata} if metadata else {})


def _type_of(key: str) -> str:
    """An object put without a type has that of its ending, so that a browser shows an image."""
    return ENDINGS.guess_type(key, strict=True)[0] or UNTYPED


# ---------------------------------------------------------------- conditions and ranges


def require_conditions(info: ObjectInfo, params: Mapping[str, Any], prefix: str = "") -> None:
    """PreconditionFailed or NotModified where the conditions of a read do not hold; prefix: CopySource."""
    match, none_match = (params.get(f"{prefix}{name}") for name in ("IfMatch", "IfNoneMatch"))
    since, until = (params.get(f"{prefix}{name}") for name in ("IfModifiedSince", "IfUnmodifiedSince"))
    modified = int(info.modified)  # headers have whole seconds
    if match is not None:
        if not _names(match, info):
            raise _failed("If-Match")
    elif until is not None and modified > until:
        raise _failed("If-Unmodified-Since")
    fits = since is None or modified > since
    if not (fits if none_match is None else not _names(none_match, info)):
        if prefix:
            raise _failed("If-None-Match or If-Modified-Since")
        raise ServiceError("NotModified", f"{info.key} is as you have it")


def written_where(params: Mapping[str, Any]) -> Callable[[ObjectInfo | None], None]:
    """What a write's conditions say of the object that is there already, or is not."""
    match, none_match = params.get("IfMatch"), params.get("IfNoneMatch")

    def allowed(earlier: ObjectInfo | None) -> None:
        if match is not None and earlier is None:
            raise ServiceError("NoSuchKey", "If-Match names an etag, and there is no object")
        if match is not None and earlier is not None and not _names(match, earlier):
            raise _failed("If-Match")
        if none_match is not None and earlier is not None and _names(none_match, earlier):
            raise _failed("If-None-Match")

    return allowed


def _names(etags: str, info: ObjectInfo) -> bool:
    named = [etag.strip().removeprefix("W/").strip('"') for etag in etags.split(",")]
    return "*" in named or info.etag in named


def _failed(condition: str) -> ServiceError:
    message = "At least one of the pre-conditions you specified did not hold"
    return ServiceError("PreconditionFailed", f"{message}: {condition}")


def byte_range(text: str | None, size: int) -> tuple[int, int] | None:
    """First byte and length of a Range; None for all. What is no single range means all, as HTTP has it."""
    found = RANGE.fullmatch(text or "")
    if found is None or found.group() == "bytes=-":
        return None
    first, last = found.groups()
    if first:
        start, end = int(first), min(int(last or size), size - 1)
        if last and int(last) < start:
            return None
    else:
        start, end = max(0, size - int(last)), size - 1
    if start > end:
        raise ServiceError("InvalidRange", f"{text}: the object has {size} bytes")
    return start, end - start + 1


@contextmanager
def in_s3_codes() -> Iterator[None]:
    """What storage refuses, in S3's codes."""
    try:
        yield
    except BucketNotFound as error:
        raise ServiceError("NoSuchBucket", str(error)) from error
    except UploadNotFound as error:
        raise ServiceError("NoSuchUpload", str(error)) from error
    except ObjectNotFound as error:
        raise ServiceError("NoSuchKey", str(error)) from error
    except StorageError as error:
        raise ServiceError("AccessDenied", str(error)) from error
