"""What a version is asked and how it fares: figures for people and metrics, and for the number of units.

Layer: serving. Counts only; no clock of its own: the time comes from the loop that asks.
"""

import bisect
import collections
import math
from dataclasses import dataclass, field

LATENCIES = 500  # last requests that p50 and p99 are taken from
BUCKETS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5.0, 10.0)  # seconds, upper ends
CROWDED, CROWDED_SECONDS = 2.0, 10.0  # in flight a unit: above it for so long, a unit is added
EMPTY, EMPTY_SECONDS = 0.5, 300.0  # below it for so long, a unit goes


@dataclass(frozen=True)
class Terms:
    """How a version is to be served.

    max_units: None for as many as `units`, always       idle_seconds: without a request, then it stops
    wake: it only sleeps then: without units, and the next request starts one
    """

    units: int = 1
    max_units: int | None = None
    idle_seconds: float | None = None
    wake: bool = False

    def __post_init__(self) -> None:
        if self.units < 1 or (self.max_units is not None and self.max_units < self.units):
            raise ValueError(f"units at least 1 and max_units not below them: {self.units}, {self.max_units}")


@dataclass
class Traffic:
    """Counts since the start, and the latencies of late; `refused` found the queue full, `failed` no answer.

    seconds: from asking to answer, of the last requests      buckets: how many answers fell into each
    crowded_since, empty_since: since when there is too much, or too little, to do for the units
    """

    asked_at: float
    served: int = 0
    refused: int = 0
    failed: int = 0
    seconds: collections.deque[float] = field(default_factory=lambda: collections.deque(maxlen=LATENCIES))
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    sum_seconds: float = 0.0
    crowded_since: float | None = None
    empty_since: float | None = None

    def quantile(self, share: float) -> float | None:
        """Seconds within which this share of the last requests was answered; None before the first."""
        if not self.seconds:
            return None
        ordered = sorted(self.seconds)
        below, part = divmod(share * (len(ordered) - 1), 1)
        lower, upper = ordered[int(below)], ordered[math.ceil(below + part)]
        return lower + part * (upper - lower)

    def answered(self, seconds: float) -> None:
        """Note an answer."""
        self.seconds.append(seconds)
        self.sum_seconds += seconds
        self.buckets[bisect.bisect_left(BUCKETS, seconds)] += 1


def wanted_units(traffic: Traffic, terms: Terms, now: float, units: int, in_flight: int, cores: int) -> int:
    """How many units there should be now: at most one more or one less, or none while a version sleeps.

    in_flight: requests at work and waiting     cores: more units than these would only share them
    """
    if terms.wake and terms.idle_seconds is not None and now - traffic.asked_at >= terms.idle_seconds:
        return 0 if in_flight == 0 else max(units, 1)
    if units == 0:
        return terms.units
    crowded, empty = in_flight > CROWDED * units, in_flight < EMPTY * units
    traffic.crowded_since = (traffic.crowded_since or now) if crowded else None
    traffic.empty_since = (traffic.empty_since or now) if empty else None
    most = max(terms.units, min(terms.max_units or terms.units, cores))
    if traffic.crowded_since is not None and now - traffic.crowded_since >= CROWDED_SECONDS and units < most:
        traffic.crowded_since = None
        return units + 1
    if traffic.empty_since is not None and now - traffic.empty_since >= EMPTY_SECONDS and units > terms.units:
        traffic.empty_since = None
        return units - 1
    return units
