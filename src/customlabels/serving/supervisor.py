"""All running versions by name: start, stop, detect, status.

Layer: serving. It runs on one event loop, the server's; nothing here is called from other threads.
It keeps nothing on disk: which versions ought to run is known to whoever calls `start` after a restart.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from customlabels.inference import Found
from customlabels.serving.refusals import NotServing, StartFailed
from customlabels.serving.versions import Version, VersionStatus

__all__ = ["Supervisor"]


class Supervisor:
    """Starts, keeps and ends the units of versions; versions are told apart by any string.

    on_failed(version, reason): called when a version that was running could not be kept running.
    """

    def __init__(self, on_failed: Callable[[str, str], None]) -> None:
        self._on_failed = on_failed
        self._versions: dict[str, Version] = {}
        self._starts: dict[str, asyncio.Task[None]] = {}
        self._stops: dict[str, asyncio.Task[None]] = {}

    async def start(self, version: str, folder: Path, units: int = 1, max_units: int | None = None) -> None:
        """Bring a version up; returns when all units have answered their warm-up image.

        Once started or starting, further calls only wait for the same end. max_units is kept and shown; the
        number of units does not change by itself yet. Raises StartFailed; then nothing of it is left running.
        """
        if units < 1 or (max_units is not None and max_units < units):
            raise ValueError(f"units at least 1 and max_units not below them: {units}, {max_units}")
        while version in self._stops:
            await asyncio.wait({self._stops[version]})
        if version not in self._versions:
            self._versions[version] = Version(
                version, folder, units, max_units, lambda reason: self._failed(version, reason)
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

    async def stop(self, version: str) -> None:
        """Answer what is queued, then end the units; a version that does not run is already stopped."""
        if version in self._versions and version not in self._stops:
            self._stops[version] = asyncio.create_task(self._stop(version))
        stopping = self._stops.get(version)
        if stopping is not None:
            await asyncio.wait({stopping})
            stopping.result()

    async def _stop(self, version: str) -> None:
        try:
            running, starting = self._versions.get(version), self._starts.get(version)
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
        running = self._versions.get(version)
        if running is None:
            raise NotServing(f"{version} is not running")
        return await running.detect(image, {"min_confidence": min_confidence, "max_results": max_results})

    def status(self) -> list[VersionStatus]:
        """Every version that starts, runs or stops."""
        return [running.status() for running in self._versions.values()]

    async def close(self) -> None:
        """Stop all versions."""
        await asyncio.gather(*(self.stop(version) for version in list(self._versions)))

    def _failed(self, version: str, reason: str) -> None:
        self._versions.pop(version, None)
        self._on_failed(version, reason)
