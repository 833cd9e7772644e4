"""Buckets that are local folders: a key is a file's path. Used through `Objects` only.

Layer: storage. Knows files; keys come checked by `Objects`.

What a power cut leaves: an object appears whole or not at all. It is written under a hidden name in the
bucket's own folder, synced and renamed; what may stay behind is that hidden file, which `list` does not show
and `sweep` removes.

A key may have what no path has: an empty part, as in `a//b`, `folder/` and `/a`. Such a part is the name
EMPTY. An object `a` beside `a/b` cannot be: one would be a file and a folder.

Folders are read with the standard library: obstore's LocalStore cannot address a file named `a#1`, ends a
listing at a name with a line break, follows links out of its folder and does not sync (obstore 0.12).
"""

import hashlib
import os
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO

from obstore.exceptions import BaseError

from customlabels.errors import CustomLabelsError
from customlabels.storage.attributes import Attributes
from customlabels.storage.durable import sync

CHUNK = 1 << 20  # bytes read at a time
HIDDEN = ".customlabels-part-"  # how our unfinished files are named
EMPTY = ".customlabels-empty"  # the file or folder that stands for an empty part of a key
LAST = chr(0x10FFFF)  # sorts behind every character of a key
STALE_SECONDS = 3600.0  # nobody writes on an unfinished file that was not touched for so long
_placing = threading.Lock()  # held while an object is looked at and then put in place or removed


class StorageError(CustomLabelsError):
    """An object or its bucket cannot be used."""


class BucketNotFound(StorageError):
    """No folder is registered under the name, and no endpoint has it."""


class ObjectNotFound(StorageError):
    """The bucket has no object under this key; a folder is not one."""


class ObjectAccessError(StorageError):
    """The key leaves its bucket or cannot be a name, or disk, permissions or network fail."""


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
class Opened:
    """An object that is held open: what is read is what `info` describes, whatever happens to the key."""

    info: ObjectInfo
    attributes: Mapping[str, str]
    pieces: Callable[[int, int], Iterator[bytes]]  # from an offset, so many bytes; closes at its end
    close: Callable[[], None]


Allowed = Callable[[ObjectInfo | None], None]  # raises where an object may not take the place of another


class Draft:
    """An object on its way into a bucket. It ends with `place` or `drop`, whatever comes first."""

    def __init__(
        self,
        file: IO[bytes],
        told: Callable[[], AbstractContextManager[None]],
        put: Callable[[Allowed], ObjectInfo],
        part: Path | None = None,
    ) -> None:
        """told, put: how the bucket reports errors, and takes what was written    part: the file's name"""
        self._file, self._told, self._put, self._part = file, told, put, part

    def write(self, data: bytes) -> None:
        """Append bytes."""
        with self._told():
            self._file.write(data)

    def place(self, allowed: Allowed = lambda _earlier: None) -> ObjectInfo:
        """Put the object in place durably, unless `allowed` raises at what is there now."""
        try:
            with self._told():
                self._file.flush()
            return self._put(allowed)
        finally:
            self.drop()

    def drop(self) -> None:
        """Forget what was written."""
        self._file.close()
        if self._part is not None:
            self._part.unlink(missing_ok=True)


class Bucket:
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
            if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
                raise missing(f"{name}: {self._absent}") from error
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
            raise ObjectAccessError(f"{name}: {reason}") from error


class FolderBucket(Bucket):
    """A bucket that is a local folder; a key is a file's path inside it, character by character."""

    def __init__(self, name: str, folder: Path, attributes: Attributes | None = None) -> None:
        try:
            self.root = folder.resolve(strict=True)
        except OSError as error:
            raise ObjectAccessError(
                f"the folder {folder} of bucket {name!r} is not there; is its disk connected?"
            ) from error
        self._attributes = attributes
        super().__init__(name, f"no such file under {self.root}")

    def path(self, key: str) -> Path:
        parts = key.split("/")
        if "\0" in key or any(part == EMPTY or part.startswith(HIDDEN) for part in parts):
            raise ObjectAccessError(f"s3://{self._name}/{key}: the key cannot be the name of a file")
        with self._told(key):
            place = Path(os.path.realpath(self.root.joinpath(*(part or EMPTY for part in parts))))
        if not place.is_relative_to(self.root):
            raise ObjectAccessError(f"s3://{self._name}/{key}: a link leads out of the bucket's folder")
        return place

    def head(self, key: str) -> ObjectInfo:
        with self._told(key):
            found = os.stat(self.path(key))
        return self._info(key, found)

    def _info(self, key: str, found: os.stat_result) -> ObjectInfo:
        if not stat.S_ISREG(found.st_mode):
            raise ObjectNotFound(f"s3://{self._name}/{key}: not a file")
        return _info(key, found)

    def open(self, key: str) -> Opened:
        with self._told(key):
            file = open(self.path(key), "rb", opener=_unblocked)  # noqa: SIM115 - it stays open
        try:
            info = self._info(key, os.fstat(file.fileno()))
            attributes = self._attributes.of(self._name, key, info.etag) if self._attributes else {}
        except BaseException:
            file.close()
            raise
        return Opened(info, attributes, lambda start, size: self._pieces(key, file, start, size), file.close)

    def _pieces(self, key: str, file: BinaryIO, start: int, size: int) -> Iterator[bytes]:
        with file, self._told(key):
            file.seek(start)
            while size and (piece := file.read(min(size, CHUNK))):
                size -= len(piece)
                yield piece

    def draft(self, key: str, attributes: Mapping[str, str]) -> Draft:
        if attributes and self._attributes is None:
            raise ObjectAccessError(f"s3://{self._name}/{key}: attributes of objects are not kept here")
        place = self.path(key)
        with self._told(key, missing=ObjectAccessError):
            if place.is_dir():
                raise ObjectAccessError(f"s3://{self._name}/{key}: there are objects below {key}/")
            part = self.root / (HIDDEN + secrets.token_hex(8))
            file = open(part, "xb")  # noqa: SIM115 - it stays open from write to write

        def put(allowed: Allowed) -> ObjectInfo:
            with self._told(key):
                os.fsync(file.fileno())
            with self._told(key, missing=ObjectAccessError):
                now = time.time_ns()  # finer than a file system's own clock: each version differs
                os.utime(part, ns=(now, now))
                info = _info(key, os.stat(part))
                if self._attributes:
                    self._attributes.keep(self._name, key, info.etag, attributes)
                with _placing:
                    earlier = self._present(key, place)
                    allowed(earlier)
                    self._make(place.parent)
                    os.replace(part, place)
                _sync_if_there(place.parent)
                self._forget(key, earlier)
            return info

        return Draft(file, partial(self._told, key), put, part)

    def delete(self, key: str, allowed: Allowed) -> None:
        place = self.path(key)
        with self._told(key):
            with _placing:
                earlier = self._present(key, place)
                allowed(earlier)
                if earlier is None:
                    return
                place.unlink(missing_ok=True)
                parent = self._without_empty(place.parent)
            _sync_if_there(parent)
            self._forget(key, earlier)

    def _present(self, key: str, place: Path) -> ObjectInfo | None:
        return _info(key, place.stat()) if place.is_file() else None

    def _forget(self, key: str, earlier: ObjectInfo | None) -> None:
        if earlier and self._attributes:
            self._attributes.forget(self._name, key, earlier.etag)

    def _without_empty(self, folder: Path) -> Path:
        """Remove a folder in which nothing is left, and those above it: S3 has no folders without objects."""
        while folder != self.root:
            try:
                folder.rmdir()
            except OSError:  # something is in it
                break
            folder = folder.parent
        return folder

    def sweep(self) -> None:
        """Remove what interrupted writes left."""
        with self._told(""), os.scandir(self.root) as scan:
            for entry in scan:
                if entry.name.startswith(HIDDEN) and entry.stat().st_mtime < time.time() - STALE_SECONDS:
                    os.unlink(entry.path)

    def list(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        with self._told(prefix):
            yield from self._walk(self.root, "", prefix, after)

    def _walk(self, folder: Path, start: str, prefix: str, after: str) -> Iterator[ObjectInfo]:
        try:
            scanned = os.scandir(folder)
        except FileNotFoundError:
            if folder == self.root:
                raise
            return  # its last object was deleted meanwhile
        with scanned as scan:
            named = [
                (
                    (entry.name if entry.name != EMPTY else "") + "/" * entry.is_dir(follow_symlinks=False),
                    entry,
                )
                for entry in scan
            ]
        for name, entry in sorted(named, key=lambda pair: pair[0]):  # "a-b" before "a/b", as S3 has it
            key = start + name
            if name.startswith(HIDDEN) or not is_text(name):
                continue
            if entry.is_dir(follow_symlinks=False):
                is_wanted = key.startswith(prefix) or prefix.startswith(key)
                if is_wanted and key + LAST > after:
                    yield from self._walk(folder / entry.name, key, prefix, after)
            elif key > after and key.startswith(prefix) and (info := self._listed(key, entry)):
                yield info

    def _listed(self, key: str, entry: os.DirEntry[str]) -> ObjectInfo | None:
        """The file as `head` would show it; None for a link that leads out, and for what is not a file."""
        if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(self.root):
            return None
        try:
            found = entry.stat()
        except OSError:  # deleted meanwhile, or a link to nothing
            return None
        return _info(key, found) if stat.S_ISREG(found.st_mode) else None

    def _make(self, folder: Path) -> None:
        """Create a folder and those above it, synced, but never the bucket's own."""
        if folder != self.root and not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
            sync(folder.parent)


def _sync_if_there(folder: Path) -> None:
    """Make names durable; whoever emptied the folder and removed it meanwhile has synced the one above."""
    with suppress(FileNotFoundError):
        sync(folder)


def _unblocked(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe that lies in the folder would wait for its writer


def _info(key: str, found: os.stat_result) -> ObjectInfo:
    # By time and size: a file that some other program put there has one too, unread. Its form is that of an
    # object uploaded in parts, so that no client takes it for the MD5 of the content.
    stamp = f"{found.st_mtime_ns} {found.st_size}".encode()
    etag = f"{hashlib.sha256(stamp).hexdigest()[:32]}-1"
    return ObjectInfo(key, found.st_size, found.st_mtime, etag)


def is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8; a file's name on Linux may be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
