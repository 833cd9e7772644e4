"""The parts of a running version: its requests, the places of its units, and how it stands.

Layer: serving.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from customlabels.images import ImageError, ImageTooLarge, InvalidImage, InvalidImageFormat
from customlabels.inference import Found
from customlabels.serving.processes import Unit
from customlabels.serving.refusals import DetectionFailed

REFUSALS: dict[str, type[ImageError]] = {
    refusal.__name__: refusal for refusal in (ImageTooLarge, InvalidImage, InvalidImageFormat)
}


@dataclass(frozen=True)
class UnitStatus:
    """One unit: state is IDLE, BUSY, or DOWN while it is being replaced (then without a pid)."""

    pid: int | None
    state: str
    served: int


@dataclass(frozen=True)
class VersionStatus:
    """One version: `queued` requests wait for a unit; p50 and p99 run from asking to answer, None before.

    refused: found the queue full     failed: got no answer     idle_seconds: since somebody asked
    buckets: answers by their time, as `traffic.BUCKETS`; sum_seconds: of all answers
    """

    version: str
    state: str
    units: tuple[UnitStatus, ...]
    max_units: int | None
    queued: int
    in_flight: int
    served: int
    p50_seconds: float | None
    p99_seconds: float | None
    refused: int = 0
    failed: int = 0
    idle_seconds: float = 0.0
    stops_after_seconds: float | None = None
    buckets: tuple[int, ...] = ()
    sum_seconds: float = 0.0


@dataclass(order=True)
class Request:
    """Ordered by number, so that one which comes back is the next to be taken."""

    number: int
    wishes: dict[str, Any] = field(compare=False)
    image: bytes = field(compare=False)
    answer: "asyncio.Future[list[Found]]" = field(compare=False)
    tries: int = field(default=0, compare=False)


@dataclass(eq=False)
class Slot:
    """The place of one unit, and the task that keeps it filled.

    failures: ends and failed starts in a row without an answer between; how long to wait before the next unit
    failed_starts: in a row; only these say that the version cannot be kept running
    """

    unit: Unit | None = None
    busy: bool = False
    served: int = 0
    failures: int = 0
    failed_starts: int = 0
    keeper: "asyncio.Task[None] | None" = None

    def status(self) -> UnitStatus:
        """How it stands now."""
        if self.unit is None:
            return UnitStatus(None, "DOWN", self.served)
        return UnitStatus(self.unit.pid, "BUSY" if self.busy else "IDLE", self.served)


def settle(answer: "asyncio.Future[list[Found]]", said: dict[str, Any]) -> None:
    """Give what a unit said to whoever waits for it."""
    if answer.done():  # cancelled meanwhile
        return
    if "error" in said:
        kind, text = said["error"]
        answer.set_exception(REFUSALS.get(kind, DetectionFailed)(text))
    else:
        answer.set_result(
            [Found(name, confidence, box and tuple(box)) for name, confidence, box in said["found"]]
        )
