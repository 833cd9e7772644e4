"""One running version: its units, the queue before them, and what happens when a unit dies.

Layer: serving. All units take from one queue: the next request goes to whichever is free first. A dead unit
is replaced; the request it held goes back to the head of the queue, once: an image that ends two units gets
an error for an answer. When new units do not come up, again and again, and no other is up, the version fails.
"""

import asyncio
import collections
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from customlabels.images import ImageError, ImageTooLarge, InvalidImage, InvalidImageFormat
from customlabels.inference import Found
from customlabels.serving.processes import Unit, UnitDied
from customlabels.serving.refusals import (
    DetectionFailed,
    NotServing,
    Overloaded,
    ServingError,
    StartFailed,
    StartKilled,
)

__all__ = ["RUNNING", "STARTING", "STOPPING", "UnitStatus", "Version", "VersionStatus"]

log = logging.getLogger(__name__)

STARTING, RUNNING, STOPPING, FAILED = "STARTING", "RUNNING", "STOPPING", "FAILED"

QUEUE_PER_UNIT = 8  # more would only make everyone wait longer
TRIES = 2  # units that one request may end
FAILED_STARTS = 5  # in a row, then the version is given up
REVIVAL_SECONDS = 5.0  # how long a request waits while no unit is up
DRAIN_SECONDS = 30.0
LATENCIES = 500  # last requests that p50 and p99 are taken from

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
    """One version: `queued` requests wait for a unit; p50 and p99 run from asking to answer, None before."""

    version: str
    state: str
    units: tuple[UnitStatus, ...]
    max_units: int | None
    queued: int
    in_flight: int
    served: int
    p50_seconds: float | None
    p99_seconds: float | None


@dataclass(order=True)
class _Request:
    """Ordered by number, so that one which comes back is the next to be taken."""

    number: int
    wishes: dict[str, Any] = field(compare=False)
    image: bytes = field(compare=False)
    answer: "asyncio.Future[list[Found]]" = field(compare=False)
    tries: int = field(default=0, compare=False)


@dataclass(eq=False)
class _Slot:
    """The place of one unit.

    failures: ends and failed starts in a row without an answer between; how long to wait before the next unit
    failed_starts: in a row; only these say that the version cannot be kept running
    """

    unit: Unit | None = None
    busy: bool = False
    served: int = 0
    failures: int = 0
    failed_starts: int = 0


def backoff_seconds(failures: int) -> float:
    """How long to wait before a new unit: not at all after a first crash, then 0.25 s, doubling."""
    return 0.0 if failures == 0 else 0.25 * 2.0 ** (failures - 1)


class Version:
    """A version from its start to its end; not used again afterwards."""

    def __init__(
        self, name: str, folder: Path, units: int, max_units: int | None, on_failed: Callable[[str], None]
    ) -> None:
        self.state = STARTING
        self._name, self._folder, self._max_units, self._on_failed = name, folder, max_units, on_failed
        self._slots = [_Slot() for _ in range(units)]
        self._queue: asyncio.PriorityQueue[_Request] = asyncio.PriorityQueue()
        self._open: set[asyncio.Future[list[Found]]] = set()
        self._numbers = itertools.count()
        self._seconds: collections.deque[float] = collections.deque(maxlen=LATENCIES)
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bring all units up; raises StartFailed, and then, or when cancelled, nothing is left running."""
        opening = (self._fill_first(slot) for slot in self._slots)
        try:
            for failure in await asyncio.gather(*opening, return_exceptions=True):
                if failure is not None:
                    raise failure
        except BaseException as failure:
            self._refuse_all(NotServing(f"{self._name} did not start: {failure}"))
            await self._end_units()
            raise
        self.state = RUNNING
        self._running = asyncio.create_task(self._run())

    async def detect(self, image: bytes, wishes: dict[str, Any]) -> list[Found]:
        """The labels of an image; waits some seconds for a unit while none is up."""
        if self.state not in (STARTING, RUNNING):
            raise NotServing(f"{self._name} is {self.state}")
        if self._queue.qsize() >= QUEUE_PER_UNIT * len(self._slots):
            raise Overloaded(f"all {len(self._slots)} units of {self._name} are busy and the queue is full")
        loop = asyncio.get_running_loop()
        asked, answer = loop.time(), loop.create_future()
        self._open.add(answer)
        answer.add_done_callback(self._open.discard)
        self._queue.put_nowait(_Request(next(self._numbers), wishes, image, answer))
        try:
            async with asyncio.timeout(REVIVAL_SECONDS if self._none_up() else None):
                found: list[Found] = await answer
        except TimeoutError as error:
            raise NotServing(f"no unit of {self._name} came up within {REVIVAL_SECONDS:g} s") from error
        self._seconds.append(loop.time() - asked)
        return found

    async def stop(self) -> None:
        """Take no more requests, answer those that wait, then end the units."""
        self.state = STOPPING
        if self._running is not None:
            if self._open:
                await asyncio.wait(set(self._open), timeout=DRAIN_SECONDS)
            self._running.cancel()
            await asyncio.wait({self._running})
        self._refuse_all(NotServing(f"{self._name} was stopped"))
        await self._end_units()

    def status(self) -> VersionStatus:
        """How it stands now."""
        p50, p99 = np.quantile(list(self._seconds), [0.5, 0.99]).tolist() if self._seconds else (None, None)
        return VersionStatus(
            version=self._name,
            state=self.state,
            units=tuple(_unit_status(slot) for slot in self._slots),
            max_units=self._max_units,
            queued=self._queue.qsize(),
            in_flight=sum(slot.busy for slot in self._slots),
            served=sum(slot.served for slot in self._slots),
            p50_seconds=p50,
            p99_seconds=p99,
        )

    async def _run(self) -> None:
        """Keep every unit going until cancelled; when one cannot be replaced, the version has failed."""
        try:
            async with asyncio.TaskGroup() as keepers:
                for slot in self._slots:
                    keepers.create_task(self._keep(slot))
        except* Exception as failures:  # whatever it was: no request may wait for a version that nobody keeps
            reason = str(failures.exceptions[0])
            log.error("%s failed", self._name, exc_info=failures)
            self.state = FAILED
            self._refuse_all(NotServing(f"{self._name} failed: {reason}"))
            self._on_failed(reason)
            await self._end_units()

    async def _keep(self, slot: _Slot) -> None:
        while True:
            if slot.unit is not None:
                await self._serve(slot, slot.unit)
                await slot.unit.end()
                slot.unit = None
            await asyncio.sleep(backoff_seconds(slot.failures))
            try:
                await self._fill(slot)
            except StartFailed as failure:
                log.warning("a new unit of %s did not come up: %s", self._name, failure)
                slot.failures = min(slot.failures + 1, FAILED_STARTS)
                slot.failed_starts += 1
                if slot.failed_starts >= FAILED_STARTS and self._none_up():
                    raise
            else:
                slot.failed_starts = 0

    async def _fill_first(self, slot: _Slot) -> None:
        """The first unit of a slot: one that is killed while it starts is replaced as later ones are."""
        for _ in range(FAILED_STARTS - 1):
            try:
                return await self._fill(slot)
            except StartKilled as failure:
                log.warning("a first unit of %s did not come up: %s", self._name, failure)
        await self._fill(slot)

    async def _fill(self, slot: _Slot) -> None:
        slot.unit = await Unit.open(self._folder)

    def _none_up(self) -> bool:
        return all(slot.unit is None for slot in self._slots)

    async def _serve(self, slot: _Slot, unit: Unit) -> None:
        """Answer requests from one unit until it dies."""
        while (request := await self._next(unit)) is not None:
            if request.answer.done():  # whoever asked has gone
                continue
            slot.busy = True
            try:
                said = await unit.ask(request.wishes, request.image)
            except UnitDied as death:
                log.warning("unit %d of %s died with a request: %s", unit.pid, self._name, death)
                self._give_back(request, death)
                return
            finally:
                slot.busy = False
            slot.served += 1
            slot.failures = 0
            _settle(request.answer, said)
        log.warning("unit %d of %s died while it was idle", unit.pid, self._name)
        slot.failures = min(slot.failures + 1, FAILED_STARTS - 1)  # wait before the next one

    async def _next(self, unit: Unit) -> _Request | None:
        """The next request, or None when the unit is gone."""
        taking = asyncio.create_task(self._queue.get())
        try:
            await asyncio.wait({taking, unit.gone}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            taking.cancel()
            raise
        if not taking.done():
            taking.cancel()
            return None
        request = taking.result()
        if not unit.gone.done():
            return request
        self._queue.put_nowait(request)
        return None

    def _give_back(self, request: _Request, death: UnitDied) -> None:
        request.tries += 1
        if request.tries < TRIES:
            self._queue.put_nowait(request)
        elif not request.answer.done():
            last_line = str(death).splitlines()[-1]
            problem = f"the image ended {TRIES} units of {self._name}, one after the other: {last_line}"
            request.answer.set_exception(DetectionFailed(problem))

    def _refuse_all(self, refusal: ServingError) -> None:
        for answer in self._open:
            if not answer.done():
                answer.set_exception(refusal)

    async def _end_units(self) -> None:
        units = [slot.unit for slot in self._slots if slot.unit is not None]
        await asyncio.gather(*(unit.end() for unit in units))
        for slot in self._slots:
            slot.unit = None


def _unit_status(slot: _Slot) -> UnitStatus:
    if slot.unit is None:
        return UnitStatus(None, "DOWN", slot.served)
    return UnitStatus(slot.unit.pid, "BUSY" if slot.busy else "IDLE", slot.served)


def _settle(answer: "asyncio.Future[list[Found]]", said: dict[str, Any]) -> None:
    if answer.done():  # cancelled meanwhile
        return
    if "error" in said:
        kind, text = said["error"]
        answer.set_exception(REFUSALS.get(kind, DetectionFailed)(text))
    else:
        answer.set_result(
            [Found(name, confidence, box and tuple(box)) for name, confidence, box in said["found"]]
        )
