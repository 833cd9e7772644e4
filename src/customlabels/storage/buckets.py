"""Buckets: where objects lie, in a local folder or behind an S3 endpoint. Used through `Objects` only.

Layer: storage. Knows files, and one endpoint; keys come checked by `Objects`.

    StorageError
        BucketNotFound       no folder is registered under the name, and no endpoint has it
        ObjectNotFound       no such object; a folder is not one
        ObjectAccessError    the key leaves its bucket, or disk, permissions or network fail
        ObjectTooLarge       more bytes than the caller wants to read

What a power cut leaves: an object appears whole or not at all. It is written beside its place under a
hidden name, synced and renamed; what may stay behind is a hidden file, which `list` does not show.

Folders are read with the standard library: obstore's LocalStore cannot address a file named `a#1`, ends a
listing at a name with a line break, follows links out of its folder and does not sync (obstore 0.12).
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from customlabels.errors import CustomLabelsError
from customlabels.storage.durable import sync

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Credential

__all__ = [
    "BucketNotFound",
    "FolderBucket",
    "ObjectAccessError",
    "ObjectInfo",
    "ObjectNotFound",
    "ObjectTooLarge",
    "S3Bucket",
    "S3Endpoint",
    "StorageError",
    "is_text",
]

CHUNK = 1 << 20  # bytes read at a time
HIDDEN = ".customlabels-part-"  # how our unfinished files are named


class StorageError(CustomLabelsError):
    """An object or its bucket cannot be used."""


class BucketNotFound(StorageError):
    """No bucket of this name is known here."""


class ObjectNotFound(StorageError):
    """The bucket has no object under this key."""


class ObjectAccessError(StorageError):
    """The key is not allowed, or the disk or the endpoint refuses."""


class ObjectTooLarge(StorageError):
    """The object has more bytes than the caller wants to read."""


@dataclass(frozen=True)
class ObjectInfo:
    """An object without its bytes: size in bytes, modified in epoch seconds; the etag follows changes."""

    key: str
    size: int
    modified: float
    etag: str


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


class _Bucket:
    """What both kinds have: a name, and errors that name the object; `absent` says that there is none."""

    def __init__(self, name: str, absent: str) -> None:
        self._name, self._absent = name, absent

    @contextmanager
    def _told(self, key: str, missing: type[StorageError] = ObjectNotFound) -> Iterator[None]:
        """What the disk or the endpoint says, as an error of ours."""
        name = f"s3://{self._name}/{key}"
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            if "<Code>NoSuchBucket<" in str(error):
                raise BucketNotFound(f"{name}: the S3 endpoint has no such bucket") from error
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                raise missing(f"{name}: {self._absent}") from error
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
            raise ObjectAccessError(f"{name}: {reason}") from error


class FolderBucket(_Bucket):
    """A bucket that is a local folder; a key is a file's path inside it, character by character."""

    def __init__(self, name: str, folder: Path) -> None:
        try:
            self._root = folder.resolve(strict=True)
        except OSError as error:
            raise ObjectAccessError(
                f"the folder {folder} of bucket {name!r} is not there; is its disk connected?"
            ) from error
        super().__init__(name, f"no such file under {self._root}")

    def path(self, key: str) -> Path:
        if "\0" in key or "" in key.split("/"):
            raise ObjectAccessError(f"s3://{self._name}/{key}: the key cannot be the name of a file")
        with self._told(key):
            place = Path(os.path.realpath(self._root / key))
        if not place.is_relative_to(self._root):
            raise ObjectAccessError(f"s3://{self._name}/{key}: a link leads out of the bucket's folder")
        return place

    def head(self, key: str) -> ObjectInfo:
        with self._told(key):
            found = os.stat(self.path(key))
        if not stat.S_ISREG(found.st_mode):
            raise ObjectNotFound(f"s3://{self._name}/{key}: not a file")
        return _info(key, found)

    @contextmanager
    def opened(self, key: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        size = self.head(key).size
        with self._told(key), open(self.path(key), "rb") as file:
            yield size, iter(lambda: file.read(CHUNK), b"")

    def write(self, key: str, data: bytes) -> None:
        place = self.path(key)
        part = place.parent / (HIDDEN + secrets.token_hex(8))
        with self._told(key, missing=ObjectAccessError):
            self._make(place.parent)
            try:
                with open(part, "xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(part, place)
            finally:
                part.unlink(missing_ok=True)
            sync(place.parent)

    def delete(self, key: str) -> None:
        place = self.path(key)
        with self._told(key):
            if place.is_file():
                place.unlink(missing_ok=True)
                sync(place.parent)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        with self._told(prefix):
            yield from self._walk(self._root, "", prefix)

    def _walk(self, folder: Path, start: str, prefix: str) -> Iterator[ObjectInfo]:
        with os.scandir(folder) as scan:
            named = [(entry.name + "/" * entry.is_dir(follow_symlinks=False), entry) for entry in scan]
        for name, entry in sorted(named, key=lambda pair: pair[0]):  # "a-b" before "a/b", as S3 has it
            key = start + name
            if name.startswith(HIDDEN) or not is_text(name):
                continue
            if name.endswith("/"):
                if key.startswith(prefix) or prefix.startswith(key):
                    yield from self._walk(folder / entry.name, key, prefix)
            elif key.startswith(prefix) and (info := self._listed(key, entry)):
                yield info

    def _listed(self, key: str, entry: os.DirEntry[str]) -> ObjectInfo | None:
        """The file as `head` would show it; None for a link that leads out, and for what is not a file."""
        if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(self._root):
            return None
        try:
            found = entry.stat()
        except OSError:  # deleted meanwhile, or a link to nothing
            return None
        return _info(key, found) if stat.S_ISREG(found.st_mode) else None

    def _make(self, folder: Path) -> None:
        """Create a folder and those above it, synced, but never the bucket's own."""
        if folder != self._root and not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
            sync(folder.parent)


def _info(key: str, found: os.stat_result) -> ObjectInfo:
    etag = f"{found.st_mtime_ns:x}-{found.st_ino:x}-{found.st_size:x}"
    return ObjectInfo(key, found.st_size, found.st_mtime, etag)


def is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8; a file's name on Linux may be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class S3Bucket(_Bucket):
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

    @contextmanager
    def opened(self, key: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        with self._told(key):
            answer = obstore.get(self._store, key)
            yield answer.meta["size"], (bytes(chunk) for chunk in answer.stream(min_chunk_size=CHUNK))

    def write(self, key: str, data: bytes) -> None:
        with self._told(key):
            obstore.put(self._store, key, data)

    def delete(self, key: str) -> None:
        with self._told(key):
            obstore.delete(self._store, key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        # obstore matches whole segments of a key only: ask for the folder, look closer here.
        folder = prefix.rpartition("/")[0]
        with self._told(prefix):
            for batch in obstore.list(self._store, folder or None):
                yield from (_s3_info(meta) for meta in batch if meta["path"].startswith(prefix))


def _s3_info(meta: ObjectMeta) -> ObjectInfo:
    return ObjectInfo(
        meta["path"], meta["size"], meta["last_modified"].timestamp(), (meta["e_tag"] or "").strip('"')
    )
