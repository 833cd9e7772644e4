"""One server per home: an exclusive lock file that holds the server's address and process id.

Layer: app. The kernel drops the lock with the process, however it ends, so a file that is left behind by a
killed server says nothing: only a held lock does.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from customlabels.errors import CustomLabelsError

LOCK_NAME = "server.lock"
UNKNOWN_PID = 0  # of a server that is writing into the lock file at this moment
PEEK_SECONDS = 0.5  # a client that looks at the lock holds it for a moment; a server waits that long


@dataclass(frozen=True)
class Served:
    """A server that holds a home; `url` is empty while it is still starting."""

    pid: int
    url: str
    detached: bool


class AlreadyServed(CustomLabelsError):
    """Another server holds this home."""

    def __init__(self, home: Path, server: Served | None) -> None:
        where = f"at {server.url} (process {server.pid})" if server and server.url else "(still starting)"
        super().__init__(
            f"{home} is served already {where}; use that server, or end it with `customlabels down`"
        )
        self.server = server


class HomeLock:
    """Held by the server for its whole life."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._file = home / LOCK_NAME

    @contextmanager
    def held(self) -> Iterator[HomeLock]:
        """Take the lock or raise AlreadyServed."""
        self._home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + PEEK_SECONDS
            while not _locked(descriptor, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise AlreadyServed(self._home, _content(self._file))
                time.sleep(0.02)
            self._descriptor = descriptor
            self.publish(Served(os.getpid(), "", False))
            yield self
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def publish(self, server: Served) -> None:
        """Write who serves; readers that come in the middle see no server yet and look again."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(asdict(server)).encode(), 0)


def served(home: Path) -> Served | None:
    """The server that holds `home` now; None when there is none."""
    try:
        descriptor = os.open(home / LOCK_NAME, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        if _locked(descriptor, fcntl.LOCK_SH):
            return None
        return _content(home / LOCK_NAME) or Served(UNKNOWN_PID, "", False)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _content(file: Path) -> Served | None:
    try:
        return Served(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
