"""Objects by bucket and key, as the judge and the report want them: those of AWS.

Layer: pipeline; boto3 at most, for Lambda has no more. Those of a home are given by `operations`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from customlabels.errors import InvalidInput


class Reader(Protocol):
    """Objects to read; CustomLabelsError where that is not allowed."""

    def read(self, bucket: str, key: str, *, limit: int | None = None) -> bytes | None:
        """All bytes; None where there is no such object; refused, unread, above the limit."""

    def lines(self, bucket: str, key: str) -> Iterator[bytes]:
        """Line by line; refused where there is no such object."""

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """The keys that start with `prefix`."""


class Bucket(Reader, Protocol):
    """Objects to read and to write."""

    def write(self, bucket: str, key: str, data: bytes) -> None:
        """Put an object in place."""


class S3:
    """Objects behind boto3's client of S3; without one, its default."""

    def __init__(self, client: Any = None) -> None:
        if client is None:
            import boto3

            client = boto3.client("s3")
        self._client = client

    def read(self, bucket: str, key: str, *, limit: int | None = None) -> bytes | None:
        """All bytes; None where there is no such object; refused, unread, above the limit."""
        answer = self._opened(bucket, key)
        if answer and limit is not None and answer["ContentLength"] > limit:
            raise InvalidInput(f"s3://{bucket}/{key} has more than {limit} bytes: too many to be read here")
        data: bytes | None = answer and answer["Body"].read()
        return data

    def lines(self, bucket: str, key: str) -> Iterator[bytes]:
        """Line by line; refused where there is no such object."""
        answer = self._opened(bucket, key)
        if answer is None:
            raise InvalidInput(f"there is no s3://{bucket}/{key}")
        yield from answer["Body"].iter_lines()

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """The keys that start with `prefix`."""
        with _refused(f"s3://{bucket}/{prefix}*"):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            yield from (each["Key"] for page in pages for each in page.get("Contents", ()))

    def write(self, bucket: str, key: str, data: bytes) -> None:
        """Put an object in place."""
        kind = "text/html" if key.endswith(".html") else "application/json"
        with _refused(f"s3://{bucket}/{key}"):
            self._client.put_object(Bucket=bucket, Key=key, Body=data, ContentType=kind)

    def _opened(self, bucket: str, key: str) -> Any:
        """The answer; None where there is no such object."""
        with _refused(f"s3://{bucket}/{key}"), suppress(self._client.exceptions.NoSuchKey):
            return self._client.get_object(Bucket=bucket, Key=key)


@contextmanager
def _refused(what: str) -> Iterator[None]:
    """Tells a refusal as ours, with what was asked for."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise InvalidInput(f"{what}: {error}") from error
