"""A newer version beside the one in service: silently asked too, or answering a share; judged by rule.

Layer: serving. Whoever asks never waits for the newer version's silent answers, and never gets an error that
the older one would not give. What differs is handed out for review; what the rules decide, too.
"""

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from customlabels import evaluation
from customlabels.images import ImageError
from customlabels.inference import Found
from customlabels.serving.refusals import DetectionFailed, NotServing, Overloaded

PROMOTE, ROLL_BACK = "PROMOTE", "ROLL_BACK"
ENOUGH_FAILURES = 3  # fewer may be chance, however few were asked
AT_ONCE = 4  # silent questions; more are left out, for the live answers need the processor

Wishes = dict[str, Any]
Ask = Callable[[str, bytes, Wishes], Awaitable[list[Found]]]


@dataclass(frozen=True)
class Pair:
    """Two versions; `live` is the one of them that clients ask, the newer one once it was promoted."""

    older: str
    newer: str
    live: str

    @property
    def silent(self) -> str:
        """The other one."""
        return self.older if self.live == self.newer else self.newer


@dataclass(frozen=True)
class Rules:
    """Shares are 0..1. sample: of calls, put to the silent version too; answering: of calls, answered by it.

    compared: before anything but failures counts     slower: at most so many times the older one's seconds
    promote: whether to, once so many were compared and all rules are kept
    """

    sample: float = 0.1
    answering: float = 0.0
    compared: int = 100
    disagreement: float = 0.1
    failures: float = 0.01
    slower: float = 2.0
    promote: bool = False


@dataclass
class Counts:
    """asked, failed: calls of the newer version; seconds: sums over those that were compared."""

    asked: int = 0
    failed: int = 0
    compared: int = 0
    disagreed: int = 0
    left_out: int = 0
    newer_seconds: float = 0.0
    older_seconds: float = 0.0


def verdict(counts: Counts, rules: Rules) -> tuple[str, str] | None:
    """What the figures say, with the reason; None while they say nothing."""
    if counts.failed >= ENOUGH_FAILURES and counts.failed > rules.failures * counts.asked:
        return ROLL_BACK, f"{counts.failed} of {counts.asked} calls failed; at most {rules.failures:.0%} may"
    if counts.compared < max(1, rules.compared):
        return None
    if counts.disagreed > rules.disagreement * counts.compared:
        share = f"{counts.disagreed} of {counts.compared} answers differ"
        return ROLL_BACK, f"{share}; at most {rules.disagreement:.0%} may"
    if counts.newer_seconds > rules.slower * counts.older_seconds:
        times = counts.newer_seconds / max(counts.older_seconds, 1e-9)
        return ROLL_BACK, f"it takes {times:.1f} times as long; at most {rules.slower:g} times are allowed"
    return PROMOTE, f"{counts.disagreed} of {counts.compared} answers differ, {counts.failed} calls failed"


def differ(ours: list[Found], theirs: list[Found]) -> bool:
    """Whether a caller would act differently: other labels, another one first, boxes elsewhere."""
    if [found.name for found in ours[:1]] != [found.name for found in theirs[:1]]:
        return True
    if sorted(found.name for found in ours) != sorted(found.name for found in theirs):
        return True
    left = [found for found in theirs if found.box is not None]
    for found in ours:
        if found.box is None:
            continue
        same = [
            other
            for other in left
            if other.name == found.name
            and evaluation.overlap(found.box, other.box) >= evaluation.LEAST_OVERLAP
        ]
        if not same:
            return True
        left.remove(max(same, key=lambda other: evaluation.overlap(found.box, other.box)))
    return False


class Shadow:
    """One pair under way.

    on_difference(image, the newer one's, the older one's), on_verdict(what, why): called on the loop; the
    verdict once, and then no call is put to the silent version any more.
    """

    def __init__(
        self,
        pair: Pair,
        rules: Rules,
        on_difference: Callable[[bytes, list[Found], list[Found]], None],
        on_verdict: Callable[[str, str], None],
        counts: Counts | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.pair, self.rules, self.counts = pair, rules, counts or Counts()
        self._on_difference, self._on_verdict, self._chance = on_difference, on_verdict, chance
        self._asking: set[asyncio.Task[None]] = set()
        self._judged = False

    async def detect(self, ask: Ask, image: bytes, wishes: Wishes) -> list[Found]:
        """The answer of the live version, or for a share of the calls that of the newer one."""
        pair, loop = self.pair, asyncio.get_running_loop()
        newer_first = pair.live == pair.newer or (not self._judged and self._chance() < self.rules.answering)
        first, second = (pair.newer, pair.older) if newer_first else (pair.live, pair.silent)
        begun = loop.time()
        try:
            found = await ask(first, image, wishes)
            self.counts.asked += newer_first
        except (DetectionFailed, NotServing):
            if not newer_first:
                raise
            self._failed()
            return await ask(second, image, wishes)
        except Overloaded:
            if first == pair.live:
                raise
            return await ask(second, image, wishes)
        if not self._judged and self._chance() < self.rules.sample:
            self._compare(ask, second, image, wishes, found, loop.time() - begun)
        return found

    def _compare(
        self, ask: Ask, other: str, image: bytes, wishes: Wishes, found: list[Found], seconds: float
    ) -> None:
        if len(self._asking) >= AT_ONCE:
            self.counts.left_out += 1
            return
        task = asyncio.create_task(self._ask_too(ask, other, image, wishes, found, seconds))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask_too(
        self, ask: Ask, other: str, image: bytes, wishes: Wishes, found: list[Found], seconds: float
    ) -> None:
        loop, newer_too = asyncio.get_running_loop(), other == self.pair.newer
        begun = loop.time()
        try:
            also = await ask(other, image, wishes)
        except (ImageError, Overloaded):
            self.counts.left_out += 1
            return
        except (DetectionFailed, NotServing):
            if newer_too:
                self._failed()
            return
        took = loop.time() - begun
        self.counts.asked += newer_too
        self.counts.compared += 1
        self.counts.newer_seconds += took if newer_too else seconds
        self.counts.older_seconds += seconds if newer_too else took
        if differ(found, also):
            self.counts.disagreed += 1
            newer, older = (also, found) if newer_too else (found, also)
            self._on_difference(image, newer, older)
        self._judge()

    def _failed(self) -> None:
        self.counts.asked += 1
        self.counts.failed += 1
        self._judge()

    def _judge(self) -> None:
        said = verdict(self.counts, self.rules)
        if said is None or self._judged:
            return
        if said[0] == PROMOTE and not self.rules.promote and self.pair.live == self.pair.older:
            return  # good so far; people decide
        self._judged = True
        self._on_verdict(*said)

    def figures(self) -> dict[str, Any]:
        """The counts, by name."""
        return dataclasses.asdict(self.counts)
