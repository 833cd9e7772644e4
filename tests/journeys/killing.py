"""For the kill tests: a real server of a home that can be killed, its processes, and what may be seen of it.

Processes are found by their parent or by the home in their environment, never by name, and signalled through
a descriptor, so that no process of somebody else can be hit.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from tests.journeys.stage import COMMAND, Home, processes_of

from customlabels.app import served

SERVER, TRAINING, UNIT = "server", "training", "unit"
MODULES = {b"customlabels.training": TRAINING, b"customlabels.serving.unit": UNIT}
START_SECONDS = 90.0
ORPHAN_SECONDS = 30.0  # a child that is importing torch on a busy machine looks up only afterwards


@dataclass(frozen=True)
class Process:
    """A process that lived when it was looked at; `started` tells it from a later one of the same number."""

    pid: int
    started: str
    kind: str

    def lives(self) -> bool:
        """Whether it still runs; one that is dead and only not collected does not."""
        state = _state(self.pid)
        return state is not None and state.started == self.started

    def kill(self) -> bool:
        """SIGKILL; False where it had ended before."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.lives():
                return False
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True


@dataclass(frozen=True)
class _State:
    parent: int
    started: str


def _state(pid: int) -> _State | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    values = text.rsplit(")", 1)[1].split()  # from the third on, as proc(5) counts
    return None if values[0] in "ZX" else _State(int(values[1]), values[19])


def _processes(wanted: Callable[[int, _State], bool]) -> list[Process]:
    found = []
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        state = _state(pid)
        if state is not None and wanted(pid, state):
            found.append(Process(pid, state.started, _kind(pid)))
    return found


def _kind(pid: int) -> str:
    words = _bytes_of(pid, "cmdline").split(b"\0")
    return next((kind for module, kind in MODULES.items() if module in words), "")


def _bytes_of(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


@dataclass
class Server:
    """The server of a home, in the foreground as a child of the test, and what its disk says."""

    home: Home
    starts: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _clients: dict[str, Any] = field(default_factory=dict)
    _left: list[tuple[Process, float]] = field(default_factory=list)  # of killed servers, with their deadline

    def client(self, service: str) -> Any:
        """A boto3 client of the server that lives now."""
        if service not in self._clients:
            self._clients[service] = self.home.client(service)
        return self._clients[service]

    def start(self) -> None:
        """Start the server and wait for its address."""
        self.home.path.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            server = subprocess.Popen(
                [COMMAND, "serve"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.home.environment,
            )
        self._process, self.starts = server, self.starts + 1
        self._clients.clear()

        def is_up() -> bool:
            held = served(self.home.path)
            assert server.poll() is None, f"the server ended with {server.returncode}:\n{self.last_words()}"
            return held is not None and held.pid == server.pid and bool(held.url)

        until(is_up, START_SECONDS, "the server did not come up")

    def kill(self) -> None:
        """SIGKILL the server; its children are looked after in `check_orphans`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        deadline = time.monotonic() + ORPHAN_SECONDS
        self._left += [(process, deadline) for process in self.everyone()]

    def end(self) -> None:
        """End the server in order."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(60)

    def children(self, kind: str) -> list[Process]:
        """The server's children of a kind, by process number."""
        assert self._process is not None
        own = self._process.pid
        found = _processes(lambda _pid, state: state.parent == own)
        return sorted((one for one in found if one.kind == kind), key=lambda one: one.pid)

    def everyone(self) -> list[Process]:
        """Every process that was started for this home, wherever it hangs."""
        own = processes_of(self.home)
        return _processes(lambda pid, _state: pid in own)

    def check_orphans(self) -> None:
        """Children of a killed server have ended, or still have time to notice."""
        self._left = [(process, deadline) for process, deadline in self._left if process.lives()]
        late = [process for process, deadline in self._left if time.monotonic() > deadline]
        assert not late, f"left over {ORPHAN_SECONDS:g} s after their server was killed: {late}"

    def no_orphans(self) -> None:
        """Wait until nobody is left of killed servers."""
        while self._left:
            self.check_orphans()
            time.sleep(0.05)

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What the records say, read only."""
        with closing(sqlite3.connect(f"file:{self.home.path / 'records.db'}?mode=ro", uri=True)) as records:
            records.row_factory = sqlite3.Row
            return [dict(row) for row in records.execute(query, values)]

    def files(self) -> set[str]:
        """The names in the work folders of trainings and among the models."""
        return {str(path) for name in ("work", "models") for path in (self.home.path / name).glob("*/*")}

    @property
    def _log(self) -> Path:
        return self.home.path / "server.log"

    def last_words(self) -> str:
        """The end of the server's log."""
        return self._log.read_text("utf-8", "replace")[-4000:]


def until(condition: Callable[[], Any], seconds: float, otherwise: str, pause: float = 0.02) -> Any:
    """Wait for something that other processes bring about; what it came to."""
    end = time.monotonic() + seconds
    while not (came := condition()):
        assert time.monotonic() < end, f"{otherwise} within {seconds:g} s"
        time.sleep(pause)
    return came


def answered(call: Callable[[], Any]) -> Any:
    """What a client is answered, None where it is refused or nobody listens just now."""
    try:
        return call()
    except (BotoCoreError, ClientError):
        return None


@dataclass
class Observer:
    """Reads the histories again and again: what was seen once is there, unchanged, the next time."""

    server: Server
    seen: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    reads: int = 0

    def look(self) -> None:
        for arn, before in self.seen.items():
            pages = self.server.client("stepfunctions").get_paginator("get_execution_history")
            now = list(pages.paginate(executionArn=arn, PaginationConfig={"PageSize": 1000}).search("events"))
            assert now[: len(before)] == before, f"{arn}: what was seen has changed"
            self.seen[arn] = now
            self.reads += 1
