"""A unit as the supervisor sees it: a child process, a socket to it, and the end of its standard error.

Layer: serving. Images go through memory that both share: one copy in, one out, whatever a socket holds.
"""

import asyncio
import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from customlabels.serving.refusals import StartFailed, StartKilled

START_SECONDS = 120.0  # a large model on a busy machine; beyond it something hangs
ANSWER_SECONDS = 60.0  # a unit needs milliseconds; one that hangs is replaced
END_SECONDS = 5.0
LAST_WORDS = 2000  # bytes of standard error that are kept
LONGEST_LINE = 1 << 20  # bytes of an answer, before it is believed
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class UnitDied(Exception):
    """The process ended, hung or spoke nonsense; the text says which, with its last words.

    killed: by a signal that was not ours
    """

    killed = False


class _Link(asyncio.Protocol):
    """Our end of the socket, for one line at a time: a fraction of what streams would do for it."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = self._loop.create_future()
        self._got = b""
        self._line: asyncio.Future[bytes] | None = None

    # It can be written to, which the base class does not say; uvloop's is none of asyncio's classes.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep what is written to."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Collect up to the end of the line."""
        self._got += data
        self._look()

    def connection_lost(self, _error: Exception | None) -> None:
        """Nothing more will come."""
        self.over.set_result(None)
        self._look()

    def _look(self) -> None:
        is_whole = self.over.done() or self._got.endswith(b"\n") or len(self._got) > LONGEST_LINE
        if is_whole and self._line is not None and not self._line.done():
            self._line.set_result(self._got)
            self._got = b""

    async def line(self, seconds: float) -> bytes:
        """The next line; half of it where the connection ended. Raises TimeoutError."""
        self._line = self._loop.create_future()
        self._look()
        late = self._loop.call_later(seconds, _give_up, self._line)
        try:
            return await self._line
        finally:
            late.cancel()


def _give_up(line: "asyncio.Future[bytes]") -> None:
    if not line.done():
        line.set_exception(TimeoutError())


class Unit:
    """One running child process; made by `open`, ended by `end`."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        memory: BinaryIO,
        link: _Link,
    ) -> None:
        self._process, self._memory, self._link = process, memory, link
        self._said = b""
        self._listening = asyncio.create_task(self._listen())
        self.gone = asyncio.create_task(process.wait())

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @classmethod
    async def open(cls, folder: Path) -> "Unit":
        """Start a process on a model folder; returns once it has answered its warm-up image.

        Raises StartFailed with the reason; then, or when cancelled, no process is left.
        """
        try:
            memory = _shared_memory()
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise StartFailed(f"no process could be started: {error}") from error
        _, link = await asyncio.get_running_loop().create_unix_connection(_Link, sock=ours)
        making = asyncio.ensure_future(_started(theirs.fileno(), memory.fileno(), folder))
        try:
            unit = cls(await asyncio.shield(making), memory, link)
        except OSError as error:
            memory.close()
            link.transport.close()
            raise StartFailed(f"no process could be started: {error}") from error
        except BaseException:
            memory.close()
            link.transport.close()
            process = await making  # of which nobody else would know
            process.kill()
            await process.wait()
            raise
        finally:
            theirs.close()
        try:
            said = await unit._receive(START_SECONDS)
        except UnitDied as error:
            await unit.end()
            refusal = StartKilled if error.killed else StartFailed
            raise refusal(f"the unit did not come up: {error}") from error
        except BaseException:
            await unit.end()
            raise
        if "failed" in said:
            await unit.end()
            raise StartFailed(said["failed"])
        return unit

    async def ask(self, request: Mapping[str, Any], image: bytes) -> dict[str, Any]:
        """Send a request and wait for its answer; raises UnitDied. One at a time: the caller sees to that."""
        try:
            written = os.pwrite(self._memory.fileno(), image, 0)
        except OSError:
            written = 0
        if written < len(image):
            raise UnitDied(f"there is no memory for an image of {len(image)} bytes")
        # Where the process is gone the receiving side tells, with the last words.
        self._link.transport.write(orjson.dumps({**request, "bytes": len(image)}) + b"\n")
        return await self._receive(ANSWER_SECONDS)

    async def _receive(self, seconds: float) -> dict[str, Any]:
        try:
            message: dict[str, Any] = orjson.loads(await self._link.line(seconds))
            return message
        except TimeoutError as error:
            self._kill()
            raise UnitDied(f"no answer within {seconds:g} s") from error
        except ValueError as error:  # half a line, and what is no JSON
            # A moment for its traceback and its own exit status.
            ended, _ = await asyncio.wait({self.gone}, timeout=1.0)
            killed = bool(ended) and self.gone.result() < 0
            await self._wait_then_kill(0.0)
            last_words = self._said.decode(errors="replace").strip()
            death = UnitDied(f"it ended with {self.gone.result()}: {last_words or 'no message'}")
            death.killed = killed
            raise death from error

    async def end(self) -> None:
        """Let the process end by closing its socket, then by force; returns when it is gone."""
        self._link.transport.close()
        await self._wait_then_kill(END_SECONDS)
        self._memory.close()
        await self._link.over

    async def _wait_then_kill(self, seconds: float) -> None:
        await asyncio.wait({self.gone}, timeout=seconds)
        self._kill()
        await asyncio.wait({self.gone, self._listening})

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _listen(self) -> None:
        """Keep the last of what the process writes to standard error; a full pipe would stop it."""
        stream = self._process.stderr
        while stream is not None and (some := await stream.read(LAST_WORDS)):
            self._said = (self._said + some)[-LAST_WORDS:]


def _shared_memory() -> BinaryIO:
    """A file without a name or a disk under it, where the system has such files."""
    made = getattr(os, "memfd_create", None)
    return open(made("image"), "w+b", buffering=0) if made else tempfile.TemporaryFile(buffering=0)


async def _started(connection: int, memory: int, folder: Path) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "customlabels.serving.unit", str(connection), str(memory), str(folder))
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=(connection, memory),
        start_new_session=True,  # signals of the terminal go to the server alone
        env={**os.environ, **ONE_THREAD},
    )
