"""One running version: its units, the queue before them, and what happens when a unit dies.

Layer: serving. All units take from one queue: the next request goes to whichever is free first. A dead unit
is replaced; the request it held goes back to the head of the queue, once: an image that ends two units gets
an error for an answer. When new units do not come up, again and again, and no other is up, the version fails.
How many units there are follows the traffic, within the `Terms`; a version that may sleep has none meanwhile.
"""

import asyncio
import contextlib
import itertools
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from customlabels.serving.slots import Request, Slot, VersionStatus, settle
from customlabels.serving.traffic import Terms, Traffic, wanted_units

log = logging.getLogger(__name__)

STARTING, RUNNING, STOPPING, FAILED = "STARTING", "RUNNING", "STOPPING", "FAILED"

QUEUE_PER_UNIT = 8  # more would only make everyone wait longer
TRIES = 2  # units that one request may end
FAILED_STARTS = 5  # in a row, then the version is given up
REVIVAL_SECONDS = 5.0  # how long a request waits while no unit is up
DRAIN_SECONDS = 30.0
LOOK_SECONDS = 1.0  # between two looks at the number of units


def backoff_seconds(failures: int) -> float:
    """How long to wait before a new unit: not at all after a first crash, then 0.25 s, doubling."""
    return 0.0 if failures == 0 else 0.25 * 2.0 ** (failures - 1)


class Version:
    """A version from its start to its end; not used again afterwards.

    on_failed(reason): it could not be kept running     on_idle(): nobody has asked for as long as agreed
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        terms: Terms,
        on_failed: Callable[[str], None],
        on_idle: Callable[[], None],
    ) -> None:
        self.state = STARTING
        self._name, self._folder, self._terms = name, folder, terms
        self._on_failed, self._on_idle = on_failed, on_idle
        self._slots = [Slot() for _ in range(terms.units)]
        self._queue: asyncio.PriorityQueue[Request] = asyncio.PriorityQueue()
        self._open: set[asyncio.Future[list[Found]]] = set()
        self._numbers = itertools.count()
        self._traffic = Traffic(asyncio.get_running_loop().time())
        self._running: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()

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
        self._traffic.asked_at = asyncio.get_running_loop().time()
        self._running = asyncio.create_task(self._run())

    async def detect(self, image: bytes, wishes: dict[str, Any]) -> list[Found]:
        """The labels of an image; waits some seconds for a unit while none is up."""
        if self.state not in (STARTING, RUNNING):
            raise NotServing(f"{self._name} is {self.state}")
        loop = asyncio.get_running_loop()
        asked = self._traffic.asked_at = loop.time()
        if self._queue.qsize() >= QUEUE_PER_UNIT * max(1, len(self._slots)):
            self._traffic.refused += 1
            raise Overloaded(f"all {len(self._slots)} units of {self._name} are busy and the queue is full")
        answer = loop.create_future()
        self._open.add(answer)
        answer.add_done_callback(self._open.discard)
        self._queue.put_nowait(Request(next(self._numbers), wishes, image, answer))
        if not self._slots:
            self._woken.set()
        try:
            async with asyncio.timeout(REVIVAL_SECONDS if self._none_up() else None):
                found: list[Found] = await answer
        except TimeoutError as error:
            self._traffic.failed += 1
            raise NotServing(f"no unit of {self._name} came up within {REVIVAL_SECONDS:g} s") from error
        except ServingError:
            self._traffic.failed += 1
            raise
        self._traffic.answered(loop.time() - asked)
        return found

    async def until_quiet(self, quiet_seconds: float, at_most: float) -> None:
        """Go on answering until nobody has asked for a while."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while (now := loop.time()) < begun + at_most:
            if now - max(begun, self._traffic.asked_at) >= quiet_seconds:
                return
            await asyncio.sleep(0.05)

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
        traffic = self._traffic
        return VersionStatus(
            version=self._name,
            state=self.state if self._slots else "ASLEEP",
            units=tuple(slot.status() for slot in self._slots),
            max_units=self._terms.max_units,
            queued=self._queue.qsize(),
            in_flight=sum(slot.busy for slot in self._slots),
            served=traffic.served,
            p50_seconds=traffic.quantile(0.5),
            p99_seconds=traffic.quantile(0.99),
            refused=traffic.refused,
            failed=traffic.failed,
            idle_seconds=asyncio.get_running_loop().time() - traffic.asked_at,
            stops_after_seconds=self._terms.idle_seconds,
            buckets=tuple(traffic.buckets),
            sum_seconds=traffic.sum_seconds,
        )

    async def _run(self) -> None:
        """Keep every unit going until cancelled; when one cannot be replaced, the version has failed."""
        try:
            async with asyncio.TaskGroup() as keepers:
                for slot in self._slots:
                    slot.keeper = keepers.create_task(self._keep(slot))
                keepers.create_task(self._follow_traffic(keepers))
        except* Exception as failures:  # whatever it was: no request may wait for a version that nobody keeps
            reason = str(failures.exceptions[0])
            log.error("%s failed", self._name, exc_info=failures)
            self.state = FAILED
            self._refuse_all(NotServing(f"{self._name} failed: {reason}"))
            self._on_failed(reason)
            await self._end_units()

    async def _follow_traffic(self, keepers: asyncio.TaskGroup) -> None:
        """Add units or take some away, as the traffic asks for; tell while nobody has asked for too long."""
        loop, cores, terms = asyncio.get_running_loop(), len(os.sched_getaffinity(0)), self._terms
        most_idle = terms.idle_seconds
        while True:
            self._woken.clear()
            in_flight, idle = len(self._open), loop.time() - self._traffic.asked_at
            wanted = wanted_units(self._traffic, terms, loop.time(), len(self._slots), in_flight, cores)
            for _ in range(wanted - len(self._slots)):
                slot = Slot()
                slot.keeper = keepers.create_task(self._keep(slot))
                self._slots.append(slot)
            while len(self._slots) > wanted:
                # A unit that is starting is left to come up, and the last one that is up to answer meanwhile.
                up = [slot for slot in self._slots if slot.unit is not None]
                free = next((slot for slot in up if not slot.busy), None)
                if free is None or (wanted and len(up) == 1):
                    break
                await self._take_away(free)
            if most_idle is not None and idle >= most_idle and not (terms.wake or in_flight):
                self._on_idle()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), LOOK_SECONDS)

    async def _keep(self, slot: Slot) -> None:
        while True:
            if slot.unit is not None:
                await self._serve(slot, slot.unit)
                await slot.unit.end()
                slot.unit = None
            await asyncio.sleep(backoff_seconds(slot.failures))
            try:
                slot.unit = await Unit.open(self._folder)
            except StartFailed as failure:
                log.warning("a new unit of %s did not come up: %s", self._name, failure)
                slot.failures = min(slot.failures + 1, FAILED_STARTS)
                slot.failed_starts += 1
                if slot.failed_starts >= FAILED_STARTS and self._none_up():
                    raise
            else:
                slot.failed_starts = 0

    async def _take_away(self, slot: Slot) -> None:
        """End a unit that has nothing to do; a request that it was just given goes back to the queue."""
        assert slot.keeper is not None
        slot.keeper.cancel()
        await asyncio.wait({slot.keeper})
        if slot.unit is not None:
            await slot.unit.end()
        self._slots.remove(slot)  # last: a stop that comes meanwhile still knows of its unit
        if self._open:
            self._woken.set()

    async def _fill_first(self, slot: Slot) -> None:
        """The first unit of a slot: one that is killed while it starts is replaced as later ones are."""
        failed = 0
        while slot.unit is None:
            try:
                slot.unit = await Unit.open(self._folder)
            except StartKilled as failure:
                log.warning("a first unit of %s did not come up: %s", self._name, failure)
                if (failed := failed + 1) == FAILED_STARTS:
                    raise

    def _none_up(self) -> bool:
        return all(slot.unit is None for slot in self._slots)

    async def _serve(self, slot: Slot, unit: Unit) -> None:
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
            self._traffic.served += 1
            slot.failures = 0
            settle(request.answer, said)
        log.warning("unit %d of %s died while it was idle", unit.pid, self._name)
        slot.failures = min(slot.failures + 1, FAILED_STARTS - 1)  # wait before the next one

    async def _next(self, unit: Unit) -> Request | None:
        """The next request, or None when the unit is gone."""
        if not (self._queue.empty() or unit.gone.done()):
            # At once: each turn of the loop would leave the unit without work.
            return self._queue.get_nowait()
        taking = asyncio.create_task(self._queue.get())
        try:
            await asyncio.wait({taking, unit.gone}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not taking.cancel():
                self._queue.put_nowait(taking.result())
            raise
        if not taking.done():
            taking.cancel()
            return None
        request = taking.result()
        if not unit.gone.done():
            return request
        self._queue.put_nowait(request)
        return None

    def _give_back(self, request: Request, death: UnitDied) -> None:
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
        await asyncio.gather(*(slot.unit.end() for slot in self._slots if slot.unit is not None))
        for slot in self._slots:
            slot.unit = None
