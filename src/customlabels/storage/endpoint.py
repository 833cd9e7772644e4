"""Buckets behind an S3 endpoint. Used through `Objects` only.

Layer: storage. Knows one endpoint; keys come checked by `Objects`. What its objects are worth after a power
cut is the endpoint's matter.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import obstore
from obstore.store import S3Store

from customlabels.storage.buckets import (
    CHUNK,
    Allowed,
    Bucket,
    Draft,
    ObjectAccessError,
    ObjectInfo,
    ObjectNotFound,
    Opened,
    StorageError,
)

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Credential

# What obstore sends as a header of its own; any other name it sends as metadata.
HEADERS = ("cache-control", "content-disposition", "content-encoding", "content-language", "content-type")
METADATA = "x-amz-meta-"


@dataclass(frozen=True)
class S3Endpoint:
    """An S3-compatible service, addressed path-style: AWS, MinIO, Garage, moto."""

    url: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise StorageError(f"{self.url!r}: the address of an S3 endpoint starts with http:// or https://")


class S3Bucket(Bucket):
    """A bucket behind the endpoint."""

    def __init__(self, name: str, endpoint: S3Endpoint) -> None:
        super().__init__(name, "the S3 endpoint has no such object")

        # A provider rather than plain keys: a session token in the environment is not ours to send.
        def credential() -> S3Credential:
            return {
                "access_key_id": endpoint.access_key,
                "secret_access_key": endpoint.secret_key,
                "token": None,
                "expires_at": None,
            }

        self._store = S3Store(
            name,
            endpoint=endpoint.url,
            region=endpoint.region,
            virtual_hosted_style_request=False,
            credential_provider=credential,
            client_options={"allow_http": True, "connect_timeout": timedelta(seconds=5)},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
        )

    def path(self, _key: str) -> None:
        return None

    def head(self, key: str) -> ObjectInfo:
        with self._told(key):
            return _s3_info(obstore.head(self._store, key))

    def open(self, key: str) -> Opened:
        with self._told(key):
            answer = obstore.get(self._store, key)  # its bytes come as they are read
        info = _s3_info(answer.meta)
        said = {str(name).lower(): value for name, value in answer.attributes.items()}
        attributes = {name if name in HEADERS else METADATA + name: value for name, value in said.items()}

        def pieces(start: int, size: int) -> Iterator[bytes]:
            with self._told(key):
                if size:
                    got = answer
                    if size < info.size:
                        got = obstore.get(self._store, key, options={"range": (start, start + size)})
                    yield from (bytes(piece) for piece in got.stream(min_chunk_size=CHUNK))

        return Opened(info, attributes, pieces, lambda: None)

    def draft(self, key: str, attributes: Mapping[str, str]) -> Draft:
        """All of the object is kept here at first, in a file without a name."""
        unknown = [name for name in attributes if name not in HEADERS and not name.startswith(METADATA)]
        if unknown:
            raise ObjectAccessError(f"s3://{self._name}/{key}: {', '.join(unknown)} cannot be passed on")
        said = {name.removeprefix(METADATA): text for name, text in attributes.items()}
        content = tempfile.TemporaryFile()  # noqa: SIM115 - it stays open from write to write

        def put(allowed: Allowed) -> ObjectInfo:
            content.seek(0)
            with self._told(key):
                allowed(self._present(key))
                # Between the look and the write, another client of the endpoint may write.
                obstore.put(self._store, key, content, attributes=said)
            return self.head(key)

        return Draft(content, partial(self._told, key), put)

    def delete(self, key: str, allowed: Allowed) -> None:
        with self._told(key):
            allowed(self._present(key))
            obstore.delete(self._store, key)

    def _present(self, key: str) -> ObjectInfo | None:
        try:
            return self.head(key)
        except ObjectNotFound:
            return None

    def sweep(self) -> None:
        return None

    def list(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        # obstore matches whole segments of a key only: ask for the folder, look closer here.
        folder = prefix.rpartition("/")[0]
        with self._told(prefix):
            for batch in obstore.list(self._store, folder or None, offset=after or None):
                yield from (_s3_info(meta) for meta in batch if meta["path"].startswith(prefix))


def _s3_info(meta: ObjectMeta) -> ObjectInfo:
    return ObjectInfo(
        meta["path"], meta["size"], meta["last_modified"].timestamp(), (meta["e_tag"] or "").strip('"')
    )
