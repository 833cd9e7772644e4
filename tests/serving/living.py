"""For the serving tests: images, a supervisor for the length of a test, whether a process lives."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from PIL import Image
from tests.images.drawn import encoded

from customlabels.serving import Supervisor, VersionStatus

RED, GREEN, BLUE = (encoded(Image.new("RGB", (80, 80), colour)) for colour in ("red", "lime", "blue"))

Story = Callable[[Supervisor], Coroutine[Any, Any, None]]


def play(story: Story, on_failed: Callable[[str, str], None] | None = None) -> None:
    """Run a story with a supervisor that is closed at its end; then no process of it is left."""

    async def whole() -> None:
        supervisor = Supervisor(on_failed or _unexpected)
        seen: list[int] = []
        try:
            await story(supervisor)
            seen = [pid for status in supervisor.status() for pid in pids(status)]
        finally:
            await supervisor.close()
        assert supervisor.status() == []
        assert not any(lives(pid) for pid in seen)

    asyncio.run(whole())


def _unexpected(version: str, reason: str) -> None:
    raise AssertionError(f"{version} failed: {reason}")


def pids(status: VersionStatus) -> list[int]:
    return [unit.pid for unit in status.units if unit.pid is not None]


def lives(pid: int) -> bool:
    """Whether a process runs; one that is dead and only not collected does not count."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something that other processes bring about."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        await asyncio.sleep(0.01)


async def outcome(asked: Awaitable[Any]) -> Any:
    """The result, or the error as a value."""
    return (await asyncio.gather(asked, return_exceptions=True))[0]
