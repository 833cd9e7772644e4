"""Objects by key: the bytes of images, manifests and models, in registered folders or behind S3.

Layer: storage. Knows names of buckets and keys; knows nothing of projects or labels.
A bucket is a registered local folder, else a bucket of the S3 endpoint, where one is set. A bucket that is
neither does not exist: a typo never becomes a call to AWS.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from customlabels.storage.attributes import Attributes
from customlabels.storage.buckets import (
    Allowed,
    BucketNotFound,
    Draft,
    FolderBucket,
    ObjectAccessError,
    ObjectInfo,
    ObjectTooLarge,
    Opened,
    is_text,
)
from customlabels.storage.endpoint import S3Bucket, S3Endpoint

LONGEST_KEY = 1024  # bytes of UTF-8
LONGEST_LINE = 1 << 20  # bytes; more than any line that a manifest may have (100,000 characters)


class Objects:
    """Bytes by bucket and key. Threads may share it.

    `folder_of` names a bucket's registered folder, or None; it is asked at each call, so that a bucket
    registered a moment ago is seen. Every method raises StorageError or one of its kinds.
    """

    def __init__(
        self,
        folder_of: Callable[[str], Path | None],
        s3: S3Endpoint | None = None,
        attributes: Path | None = None,
    ) -> None:
        """attributes: the folder for what is said of objects in folders; without it nothing can be said."""
        self._folder_of = folder_of
        self._s3 = s3
        self._s3_buckets: dict[str, S3Bucket] = {}  # each keeps its connections
        self._attributes = Attributes(attributes) if attributes else None

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """Size, time and etag of an object; raises ObjectNotFound."""
        return self._bucket(bucket, key).head(key)

    def open(self, bucket: str, key: str) -> Opened:
        """The object, held open until it is read or closed; raises ObjectNotFound."""
        return self._bucket(bucket, key).open(key)

    def read(self, bucket: str, key: str, *, limit: int | None = None) -> bytes:
        """All bytes of an object; raises ObjectTooLarge, unread, where it has more than `limit`."""
        opened = self.open(bucket, key)
        size = opened.info.size
        if limit is not None and size > limit:
            opened.close()
            raise ObjectTooLarge(f"s3://{bucket}/{key} has {size} bytes; at most {limit} are allowed here")
        return b"".join(opened.pieces(0, size))

    def lines(self, bucket: str, key: str) -> Iterator[bytes]:
        """The object's lines without their ends, read as they are asked for.

        A line is cut after LONGEST_LINE bytes, so that memory stays bounded whatever the object holds.
        """
        opened = self.open(bucket, key)
        yield from _lines(opened.pieces(0, opened.info.size))

    def draft(self, bucket: str, key: str, attributes: Mapping[str, str] | None = None) -> Draft:
        """Begin an object that is written in pieces; attributes: what is said of it, such as content-type."""
        return self._bucket(bucket, key).draft(key, attributes or {})

    def write(self, bucket: str, key: str, data: bytes) -> None:
        """Put an object in place, whole or not at all; it has reached the disk when this returns."""
        draft = self.draft(bucket, key)
        try:
            draft.write(data)
            draft.place()
        finally:
            draft.drop()

    def list(self, bucket: str, prefix: str = "", after: str = "") -> Iterator[ObjectInfo]:
        """The objects whose keys start with `prefix` and sort behind `after`, in the order of their keys.

        In a folder: linked folders are not entered, and names that are not UTF-8 have no key.
        """
        return self._bucket(bucket, None).list(prefix, after)

    def delete(self, bucket: str, key: str, allowed: Allowed = lambda _earlier: None) -> None:
        """Remove an object, unless `allowed` raises; without one nothing happens, as with S3."""
        self._bucket(bucket, key).delete(key, allowed)

    def path(self, bucket: str, key: str) -> Path | None:
        """Where the object lies, or would lie, as a local file inside the bucket's folder; None for S3."""
        return self._bucket(bucket, key).path(key)

    def folder(self, bucket: str) -> Path | None:
        """The folder of a bucket; None where it is behind the endpoint, or not there."""
        return self._folder_of(bucket)

    def require(self, bucket: str) -> Path | None:
        """The folder of a bucket that is there, None behind the endpoint; raises BucketNotFound."""
        found = self._bucket(bucket, None)
        if isinstance(found, FolderBucket):
            return found.root
        next(found.list("", ""), None)
        return None

    def sweep(self, bucket: str) -> None:
        """Remove what interrupted writes left in a bucket's folder."""
        self._bucket(bucket, None).sweep()

    def _bucket(self, name: str, key: str | None) -> FolderBucket | S3Bucket:
        if key is not None:
            _check_key(name, key)
        folder = self._folder_of(name)
        if folder is not None:
            return FolderBucket(name, folder, self._attributes)
        if self._s3 is None:
            raise BucketNotFound(
                f"there is no bucket {name!r}; register its folder: customlabels bucket add {name} FOLDER"
            )
        if name not in self._s3_buckets:
            self._s3_buckets[name] = S3Bucket(name, self._s3)
        return self._s3_buckets[name]


def _check_key(bucket: str, key: str) -> None:
    if not is_text(key):
        raise ObjectAccessError(f"s3://{bucket}/{key!a}: the key is not Unicode text")
    size = len(key.encode())
    if not 1 <= size <= LONGEST_KEY:
        raise ObjectAccessError(f"s3://{bucket}/{key[:80]}: a key has 1 to {LONGEST_KEY} bytes, not {size}")
    if not {".", ".."}.isdisjoint(key.split("/")):
        raise ObjectAccessError(f"s3://{bucket}/{key}: the key leaves its bucket ('..' or '.')")


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    held = b""
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        held = (held + first)[:LONGEST_LINE]
        for piece in others:
            yield held
            held = piece[:LONGEST_LINE]
    if held:
        yield held
