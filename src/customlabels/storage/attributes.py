"""What was said of an object besides its bytes: its type, its metadata. Used through `Objects` only.

Layer: storage. One small file each in the home, so that users' folders hold nothing but what was put there.
It is found by bucket, key and etag: an object that is changed or replaced by another program has none.

What a power cut leaves: attributes are on the disk before their object is in place; a cut in between leaves a
file that nothing points to.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from customlabels.storage.durable import sync, write_whole


class Attributes:
    """Texts by name, of any object of a home. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, bucket: str, key: str, etag: str, attributes: Mapping[str, str]) -> None:
        """Keep them durably; without any, nothing is kept."""
        if attributes:
            file = self._file(bucket, key, etag)
            if not file.parent.is_dir():
                file.parent.mkdir(parents=True, exist_ok=True)
                sync(file.parent.parent)
            write_whole(file, [json.dumps(dict(attributes)).encode()])

    def of(self, bucket: str, key: str, etag: str) -> dict[str, str]:
        """What was kept; empty where nothing was."""
        try:
            kept: dict[str, str] = json.loads(self._file(bucket, key, etag).read_bytes())
        except FileNotFoundError:
            return {}
        return kept

    def forget(self, bucket: str, key: str, etag: str) -> None:
        """Keep them no longer."""
        self._file(bucket, key, etag).unlink(missing_ok=True)

    def _file(self, bucket: str, key: str, etag: str) -> Path:
        name = hashlib.sha256(f"{bucket}\0{key}\0{etag}".encode()).hexdigest()
        return self._folder / name[:2] / f"{name[2:42]}.json"
