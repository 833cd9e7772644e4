"""Listings of objects in the words of S3: by prefix, grouped by a delimiter, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from customlabels.errors import ServiceError
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.pages import page_start, page_token
from customlabels.operations.s3_terms import etag_of, in_s3_codes, require_bucket, require_offered, spelled
from customlabels.storage import ObjectInfo

LARGEST_PAGE = 1000
LAST = chr(0x10FFFF)  # sorts behind every character of a key
COMMON = ("Prefix", "Delimiter", "MaxKeys", "EncodingType", "OptionalObjectAttributes")


@dataclass
class Page:
    """Objects and groups in the order of their keys; `after` is where the next page begins."""

    objects: list[ObjectInfo] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    after: str | None = None


@operation("s3", "ListObjectsV2")
def list_objects_v2(call: Call) -> Response:
    """Objects by key, each page with a token for the next."""
    require_offered(call, *COMMON, "ContinuationToken", "StartAfter", "FetchOwner")
    params = call.params
    start = page_start(call, params.get("ContinuationToken"), "InvalidArgument")
    page = _page(call, start or params.get("StartAfter", ""))
    answer = _described(call, page, with_owner=params.get("FetchOwner", False))
    answer |= {"KeyCount": len(page.objects) + len(page.groups)}
    answer |= {name: params[name] for name in ("ContinuationToken",) if name in params}
    if "StartAfter" in params:
        answer["StartAfter"] = spelled(call, params["StartAfter"])
    if page.after is not None:
        answer["NextContinuationToken"] = page_token(call, page.after)
    return answer


@operation("s3", "ListObjects")
def list_objects(call: Call) -> Response:
    """The older listing, whose pages begin behind a key or a group."""
    require_offered(call, *COMMON, "Marker")
    marker, delimiter = call.params.get("Marker", ""), call.params.get("Delimiter")
    is_group = bool(delimiter) and marker.endswith(delimiter)
    page = _page(call, marker + LAST if is_group else marker)
    answer = _described(call, page, with_owner=True) | {"Marker": spelled(call, marker)}
    if page.after is not None:
        answer["NextMarker"] = spelled(call, page.after.removesuffix(LAST))
    return answer


def _page(call: Call, after: str) -> Page:
    params, objects = call.params, call.parts.objects
    bucket, prefix, delimiter = params["Bucket"], params.get("Prefix", ""), params.get("Delimiter", "")
    size = _page_size(params)
    page, count = Page(), 0
    with in_s3_codes():
        require_bucket(call, bucket)
        listed = objects.list(bucket, prefix, after)
        while size and (info := next(listed, None)):
            if count == size:
                page.after = after
                break
            count += 1
            end = info.key.find(delimiter, len(prefix)) if delimiter else -1
            if end < 0:
                page.objects.append(info)
                after = info.key
            else:
                page.groups.append(info.key[: end + len(delimiter)])
                after = page.groups[-1] + LAST
                listed = objects.list(bucket, prefix, after)  # on behind the group, which may be large
    return page


def _page_size(params: dict[str, Any]) -> int:
    asked: int = params.get("MaxKeys", LARGEST_PAGE)
    if asked < 0:
        raise ServiceError("InvalidArgument", f"MaxKeys is 0 or more, not {asked}")
    return min(asked, LARGEST_PAGE)


def _described(call: Call, page: Page, *, with_owner: bool) -> Response:
    params = call.params
    owner = {"Owner": {"ID": call.caller.account}} if with_owner else {}
    answer: Response = {
        "Name": params["Bucket"],
        "Prefix": spelled(call, params.get("Prefix", "")),
        "MaxKeys": _page_size(params),
        "IsTruncated": page.after is not None,
        "Contents": [
            {
                "Key": spelled(call, info.key),
                "LastModified": info.modified,
                "ETag": etag_of(info),
                "Size": info.size,
                "StorageClass": "STANDARD",
                **owner,
            }
            for info in page.objects
        ],
    }
    if params.get("Delimiter"):
        answer["Delimiter"] = spelled(call, params["Delimiter"])
        answer["CommonPrefixes"] = [{"Prefix": spelled(call, group)} for group in page.groups]
    if "EncodingType" in params:
        answer["EncodingType"] = params["EncodingType"]
    return answer
