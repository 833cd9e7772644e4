"""Objects that arrive in parts: what is there of them, until they are put together or given up.

Layer: storage. An upload is a folder of the home: one file a part, and one that says what it is to become.

What a power cut leaves: every part that was answered for. Putting together can be asked again: the parts go
only when the object is in place.
"""

import json
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from customlabels.storage.buckets import Draft, FolderBucket, ObjectInfo, ObjectNotFound, StorageError
from customlabels.storage.durable import sync, write_whole

ABOUT = "upload.json"
ID = re.compile(r"[0-9a-f]{32}")


class UploadNotFound(StorageError):
    """No such upload: it was completed, given up, or never begun."""


@dataclass(frozen=True)
class Upload:
    """What an upload is to become.

    attributes: of the object     algorithm: of the checksums that its parts come with, or empty
    whole: whether the object's checksum is that of all its bytes, rather than of its parts' checksums
    """

    id: str
    bucket: str
    key: str
    started_at: float
    attributes: Mapping[str, str]
    algorithm: str = ""
    whole: bool = False


@dataclass(frozen=True)
class Part:
    """A part that is there; checksum: in base64, empty where it came without."""

    number: int
    info: ObjectInfo
    checksum: str


class Uploads:
    """The open uploads of a home. Threads may share it; every method raises StorageError or a kind of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, upload: Upload) -> None:
        """Remember durably what the upload is to become."""
        place = self._folder / upload.id
        place.mkdir(parents=True)
        write_whole(place / ABOUT, [json.dumps(asdict(upload)).encode()])
        sync(self._folder)

    @staticmethod
    def new_id() -> str:
        """An id that nobody can guess."""
        return secrets.token_hex(16)

    def find(self, bucket: str, key: str, upload_id: str) -> Upload:
        """The open upload of that object; raises UploadNotFound."""
        upload = self._about(upload_id)
        if upload is None or (upload.bucket, upload.key) != (bucket, key):
            raise UploadNotFound(f"s3://{bucket}/{key} has no open upload {upload_id[:80]!r}")
        return upload

    def _about(self, upload_id: str) -> Upload | None:
        if not ID.fullmatch(upload_id):
            return None
        try:
            return Upload(**json.loads((self._folder / upload_id / ABOUT).read_bytes()))
        except FileNotFoundError:
            return None

    def open_of(self, bucket: str, prefix: str = "") -> list[Upload]:
        """The open uploads into a bucket, by key, older ones first."""
        found = [upload for place in self._folder.glob("*") if (upload := self._about(place.name))]
        wanted = [each for each in found if each.bucket == bucket and each.key.startswith(prefix)]
        return sorted(wanted, key=lambda each: (each.key, each.started_at, each.id))

    def draft(self, upload: Upload, number: int) -> Draft:
        """Begin a part; put in place, it replaces an earlier one of its number."""
        return self._parts(upload).draft(f"{number:05d}", {})

    def keep_checksum(self, upload: Upload, number: int, info: ObjectInfo, checksum: str) -> None:
        """Remember the checksum of a part that is in place."""
        write_whole(self._folder / upload.id / f"{number:05d}.sum", [f"{info.etag} {checksum}".encode()])

    def parts(self, upload: Upload, after: int = 0) -> list[Part]:
        """The parts that are there, by number."""
        found = self._parts(upload).list("", f"{after:05d}")
        numbered = (info for info in found if info.key.isdecimal())
        return [Part(int(info.key), info, self._checksum(upload, info)) for info in numbered]

    def _checksum(self, upload: Upload, info: ObjectInfo) -> str:
        try:
            text = (self._folder / upload.id / f"{info.key}.sum").read_text("ascii")
        except FileNotFoundError:
            return ""
        etag, _, checksum = text.partition(" ")
        return checksum if etag == info.etag else ""  # of an earlier part with this number

    def pieces(self, upload: Upload, parts: Sequence[Part]) -> Iterator[bytes]:
        """The bytes of these parts, one after the other; raises ObjectNotFound where one was replaced."""
        for part in parts:
            opened = self._parts(upload).open(part.info.key)
            if opened.info.etag != part.info.etag:
                opened.close()
                raise ObjectNotFound(f"part {part.number} was replaced meanwhile")
            yield from opened.pieces(0, opened.info.size)

    def end(self, upload: Upload) -> None:
        """Forget an upload and its parts."""
        place = self._folder / upload.id
        (place / ABOUT).unlink(missing_ok=True)  # first: what is left after a kill is no upload any more
        shutil.rmtree(place)

    def sweep(self) -> None:
        """Remove what is left of uploads that had ended."""
        for place in self._folder.glob("*"):
            if not (place / ABOUT).exists():
                shutil.rmtree(place)

    def _parts(self, upload: Upload) -> FolderBucket:
        return FolderBucket(upload.id, self._folder / upload.id)
