"""Whose a bucket is, and who may use it.

Layer: operations. A bucket that an account created lies in that account's folder of the home and is that
account's. Registered folders, and what lies behind an S3 endpoint, are the operator's: the person whose
machine this is. Nobody uses another account's bucket; where no access keys are set, there is one account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from customlabels.errors import InvalidInput, ServiceError
from customlabels.operations.dispatch import Call
from customlabels.operations.parts import Parts
from customlabels.operations.refusals import invalid_s3_object
from customlabels.storage import ObjectNotFound, Objects


def bucket_folder(parts: Parts, account: str, name: str) -> Path:
    """Where a bucket that `account` creates lies."""
    return parts.home / "buckets" / account / name


def owner_of(parts: Parts, folder: Path | None) -> str | None:
    """The account of the bucket with this folder (None: at the endpoint); None where there is only one."""
    if parts.operator is None:
        return None
    if folder is not None and folder.parent.parent == parts.home / "buckets":
        return folder.parent.name
    return parts.operator


def may_use(call: Call, bucket: str, expected_owner: str | None = None) -> bool:
    """Whether the bucket is the caller's, and its owner the one that is expected."""
    owner = owner_of(call.parts, call.parts.objects.folder(bucket)) or call.caller.account
    return call.caller.account == owner and expected_owner in (None, owner)


def readable(call: Call, place: Mapping[str, str]) -> tuple[str, str]:
    """Bucket and key of a whole S3Object; InvalidS3ObjectException where the caller may not read it."""
    if "Version" in place:
        raise invalid_s3_object(f"versions of objects are not kept: {place['Version']}")
    if not may_use(call, place["Bucket"]):
        raise invalid_s3_object(f"account {call.caller.account} may not use bucket {place['Bucket']}")
    return place["Bucket"], place["Name"]


def account_may_use(parts: Parts, account: str, bucket: str) -> bool:
    """The same for what an account's executions read and write by themselves."""
    return owner_of(parts, parts.objects.folder(bucket)) in (None, account)


def require_operator(call: Call, instead: str = "create a bucket with S3's CreateBucket") -> None:
    """AccessDeniedException where another than the operator would open a folder of this machine."""
    if call.parts.operator not in (None, call.caller.account):
        raise ServiceError(
            "AccessDeniedException",
            f"folders of this machine are for account {call.parts.operator}, not {call.caller.account}; "
            f"{instead}",
        )


@dataclass(frozen=True)
class OwnObjects:
    """The objects that one account may use, for the judge and the report."""

    objects: Objects
    may_use: Callable[[str], bool]

    def read(self, bucket: str, key: str, *, limit: int | None = None) -> bytes | None:
        """All bytes; None where there is no such object; refused, unread, above the limit."""
        try:
            return self._of(bucket).read(bucket, key, limit=limit)
        except ObjectNotFound:
            return None

    def lines(self, bucket: str, key: str) -> Iterator[bytes]:
        """Line by line; refused where there is no such object."""
        return self._of(bucket).lines(bucket, key)

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """The keys that start with `prefix`."""
        return (found.key for found in self._of(bucket).list(bucket, prefix))

    def write(self, bucket: str, key: str, data: bytes) -> None:
        """Put an object in place."""
        self._of(bucket).write(bucket, key, data)

    def _of(self, bucket: str) -> Objects:
        if not self.may_use(bucket):
            raise InvalidInput(f"the account may not use bucket {bucket}")
        return self.objects
