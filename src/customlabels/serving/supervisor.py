"""All running versions by name: start, stop, detect, status.

Layer: serving. It runs on one event loop, the server's; nothing here is called from other threads.
It keeps nothing on disk: which versions ought to run is known to whoever calls `start` after a restart.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from customlabels.inference import Found
from customlabels.serving.refusals import NotServing, StartFailed
from customlabels.serving.shadows import Shadow
from customlabels.serving.slots import VersionStatus
from customlabels.serving.traffic import Terms
from customlabels.serving.versions import RUNNING, Version

GRACE_SECONDS = 5.0  # for clients that still know a version by an address which has just changed
QUIET_SECONDS = 1.0  # without a request: everybody has moved


class Supervisor:
    """Starts, keeps and ends the units of versions; versions are told apart by any string.

    on_failed(version, reason): called when a version that was running could not be kept running.
    on_idle(version): called, again and again, while nobody has asked a version for as long as agreed.
    """

    def __init__(
        self, on_failed: Callable[[str, str], None], on_idle: Callable[[str], None] | None = None
    ) -> None:
        self._on_failed, self._on_idle = on_failed, on_idle or (lambda _version: None)
        self._versions: dict[str, Version] = {}
        self._starts: dict[str, asyncio.Task[None]] = {}
        self._stops: dict[str, asyncio.Task[None]] = {}
        self._shadows: dict[str, Shadow] = {}

    async def start(self, version: str, folder: Path, terms: Terms | None = None) -> None:
        """Bring a version up; returns when all units have answered their warm-up image.

        Once started or starting, further calls only wait for the same end.
        Raises StartFailed; then nothing of it is left running.
        """
        while version in self._stops:
            await asyncio.wait({self._stops[version]})
        if version not in self._versions:
            self._versions[version] = Version(
                version,
                folder,
                terms or Terms(),
                lambda reason: self._failed(version, reason),
                lambda: self._on_idle(version),
            )
            self._starts[version] = asyncio.create_task(self._start(version))
        if version in self._starts:
            await self._wait_for_start(version, self._starts[version])

    async def _start(self, version: str) -> None:
        try:
            await self._versions[version].start()
        except BaseException:
            del self._versions[version]
            raise
        finally:
            del self._starts[version]  # `stop` does both where this task was cancelled before it ran

    async def _wait_for_start(self, version: str, starting: "asyncio.Task[None]") -> None:
        """Wait without taking the start down when the caller goes away."""
        await asyncio.wait({starting})
        if starting.cancelled():
            raise StartFailed(f"{version} was stopped while it was starting")
        starting.result()

    async def stop(self, version: str, *, gently: bool = False) -> None:
        """Answer what is queued, then end the units; a version that does not run is already stopped.

        gently: another version has taken its place; first answer, for some seconds, who has not noticed yet.
        """
        if version in self._versions and version not in self._stops:
            self._stops[version] = asyncio.create_task(self._stop(version, gently=gently))
        stopping = self._stops.get(version)
        if stopping is not None:
            await asyncio.wait({stopping})
            stopping.result()

    async def _stop(self, version: str, *, gently: bool) -> None:
        try:
            running, starting = self._versions.get(version), self._starts.get(version)
            if gently and running is not None and starting is None:
                await running.until_quiet(QUIET_SECONDS, GRACE_SECONDS)
            if starting is not None:
                starting.cancel()
                await asyncio.wait({starting})
                self._starts.pop(version, None)
            if running is not None:  # it may have failed just before
                await running.stop()
        finally:
            self._versions.pop(version, None)
            del self._stops[version]

    async def detect(
        self, version: str, image: bytes, min_confidence: float | None = None, max_results: int | None = None
    ) -> list[Found]:
        """The labels of an image, by the rules of `inference.found_labels`.

        Raises NotServing, Overloaded, DetectionFailed, and ImageError for an image that cannot be used.
        """
        wishes = {"min_confidence": min_confidence, "max_results": max_results}
        shadow = self._shadows.get(version)
        if shadow is not None:
            return await shadow.detect(self._ask, image, wishes)
        return await self._ask(version, image, wishes)

    async def _ask(self, version: str, image: bytes, wishes: dict[str, Any]) -> list[Found]:
        running = self._versions.get(version)
        if running is None:
            raise NotServing(f"{version} is not running")
        return await running.detect(image, wishes)

    def watch(self, shadow: Shadow) -> None:
        """From now on put the calls of the pair's live version to the other one too, as its rules say."""
        self._shadows[shadow.pair.live] = shadow

    def unwatch(self, live: str) -> None:
        """Leave a live version alone again."""
        self._shadows.pop(live, None)

    def shadow(self, live: str) -> Shadow | None:
        """What watches a live version."""
        return self._shadows.get(live)

    def answers(self, version: str) -> bool:
        """Whether a request to the version would be taken now."""
        running = self._versions.get(version)
        return running is not None and running.state == RUNNING

    def status(self) -> list[VersionStatus]:
        """Every version that starts, runs or stops."""
        return [running.status() for running in self._versions.values()]

    async def close(self) -> None:
        """Stop all versions."""
        await asyncio.gather(*(self.stop(version) for version in list(self._versions)))

    def _failed(self, version: str, reason: str) -> None:
        self._versions.pop(version, None)
        self._on_failed(version, reason)
