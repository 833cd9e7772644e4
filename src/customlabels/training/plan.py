"""The plan of a training: everything that is decided by looking at the machine, the clock or the data's size.

Layer: training; no torch. It is made once and stored before the first step, so that the clock never reaches
the result: a training that was killed goes on by the same plan, and ends with the same bits (on the same kind
of processor).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from customlabels.inference import BOXES, SINGLE_LABEL

AUTOMATIC_SECONDS = 15 * 60.0  # the most that a training takes without a budget of its own
RESERVED_SECONDS = 4.0  # of a budget: exporting, comparing, testing, writing (measured 2 to 4)
RESERVED_SHARE = 0.1  # of a budget: measuring, and a machine that slows down
LEAST_STEPS = 12  # of a learning, whatever the budget: fewer cannot even warm up
AUTOMATIC_LEAST_STEPS = 200  # of a learning without a budget, for sets that are small
LEAST_OF_MOST_STEPS = 600  # however few images: what an image teaches can be learned too often
HOLDOUT_SHARE, HOLDOUT_MOST = 0.15, 5000  # of the training images; more would sharpen no threshold
HOLDOUT_LEAST = 40  # images that a holdout must have, else folds
HURRIED_SHARE = 0.25  # of the training images, at most, where a holdout of fewer stands in for folds
# Of the looks after which little is gained, that both of two courses must get where more looks would spoil a
# single one: else a third of the budget would be left.
AGAIN_FROM = 0.8
COPIES_MOST = 0.5  # of a label's images, that are held out together as copies of one
FOLDS = 3
CPU, GPU = "cpu", "cuda"  # where a net learns, as torch names it
MODEL = "model"  # name of the course whose net is released
TRIED = "tried"  # of one before it, on fewer images


@dataclass(frozen=True)
class Size:
    """How large the net sees its images.

    height, width: pixels, at the end and when serving
    epochs: without a budget, after which little is gained     most_epochs: after which something is lost
    growth: (share of the steps, share of the sides), in order: small images first teach the coarse things at
        a fraction of the price
    batch: images a step, at most     step: pixels; sides are multiples of it
    margin: sides of the stored training images / training sides: what random crops are taken from
    """

    height: int
    width: int
    growth: tuple[tuple[float, float], ...]
    epochs: int
    batch: int = 32
    step: int = 16
    margin: float = 1.25
    most_epochs: int | None = None

    @property
    def cached(self) -> tuple[int, int]:
        """Height and width, in pixels, of the stored training images."""
        return round(self.height * self.margin), round(self.width * self.margin)

    def sides_at(self, share: float) -> tuple[int, int]:
        """The height and width in use when `share` (0..1) of the steps are done."""
        scale = next((scale for until, scale in self.growth if share < until), 1.0)
        height, width = (
            max(self.step, round(side * scale / self.step) * self.step) for side in (self.height, self.width)
        )
        return height, width

    def work_done(self, share: float) -> float:
        """The share of a course's work that is done with `share` of its steps; work grows with the area."""
        begun, done, whole = 0.0, 0.0, 0.0
        for until, scale in self.growth:
            whole += (until - begun) * scale**2
            done += max(0.0, min(until, share) - begun) * scale**2
            begun = until
        return done / whole


GROWING = ((0.5, 2 / 3), (0.8, 5 / 6), (1.0, 1.0))
PHOTOGRAPHS = Size(96, 96, GROWING, epochs=100)
# Of several things in a photograph each is small.
PHOTOGRAPHS_OF_SEVERAL = Size(160, 160, GROWING, epochs=150)
SMALL_PICTURES = Size(48, 48, ((1.0, 1.0),), epochs=100)
FINER_SIDES = (192, 288)  # of photographs whose labels differ in details (see `fineness`)
FINER_FROM = 60.0  # seconds of a budget: a look at what finer sides show takes some five on one core
# Where what needs no net is nearly always right. Measured on digits: 4, 5 and 8 epochs give a validation F1
# of 0.995, 1.0 and 0.998. Such a training takes a minute at most.
EASY_F1, EASY_EPOCHS, EASY_SECONDS = 0.97, 5, 60.0
BOX_AREA = 256 * 320  # pixels in which boxes are looked for
BOX_STEP, BOX_BATCH = 32, 12
# Looks at each image, mAP50 of `cells`: out of folds 58 0.900, 73 0.903, 116 0.905, 232 0.895; on the test
# images, two seeds each, 70 0.918, 183 0.900.
BOX_EPOCHS, MOST_BOX_EPOCHS = 75, 100
# Small boxes are looked for in more pixels, until all but a tenth have a shorter side of so many.
BOX_SIDE, MOST_BOX_AREA = 16.0, 4 * BOX_AREA


def size_for(kind: str, sides: Sequence[tuple[int, int]], boxes: Sequence[float] = ()) -> Size:
    """By the middling width and height of the images, in pixels: a larger input than they have shows no more.

    Boxes are looked for in a frame of the images' own proportions. boxes: their shorter sides, in pixels
    """
    width, height = np.median(np.array(sides).reshape(-1, 2), axis=0)
    if kind == BOXES:
        usual, most = (math.sqrt(area / (width * height)) for area in (BOX_AREA, MOST_BOX_AREA))
        smallest = float(np.quantile(boxes, 0.1)) if len(boxes) else math.inf
        scale = min(1.0, max(usual, min(BOX_SIDE / smallest, most)))
        rows, columns = (max(2, round(side * scale / BOX_STEP)) * BOX_STEP for side in (height, width))
        batch = max(4, round(BOX_BATCH * min(1.0, BOX_AREA / (rows * columns))))
        return Size(rows, columns, GROWING, BOX_EPOCHS, batch, BOX_STEP, 1.0, MOST_BOX_EPOCHS)
    if min(width, height) < PHOTOGRAPHS.height:
        return SMALL_PICTURES
    return PHOTOGRAPHS if kind == SINGLE_LABEL else PHOTOGRAPHS_OF_SEVERAL


def likely_seconds(size: Size) -> float:
    """What a training without a budget may take; small pictures are mostly easy."""
    return EASY_SECONDS if size == SMALL_PICTURES else AUTOMATIC_SECONDS


def finest_side(size: Size, sides: Sequence[tuple[int, int]], budget: float | None) -> int | None:
    """The largest side at which images could be seen instead, None for no other; `sides` as above."""
    shorter = float(np.median(np.array(sides).reshape(-1, 2).min(axis=1)))
    finer = [side for side in FINER_SIDES if size.height < side <= shorter]
    square = size in (PHOTOGRAPHS, PHOTOGRAPHS_OF_SEVERAL)
    return finer[-1] if finer and square and (budget is None or budget >= FINER_FROM) else None


@dataclass(frozen=True)
class Course:
    """One learning of a net from the start to the end of its steps.

    name: of its files, such as "fold-2"     learn: indices of images     held_out: of those that are scored
    """

    name: str
    learn: NDArray[np.int64]
    held_out: NDArray[np.int64]

    def epoch_at(self, step: int, together: int) -> int:
        """The epoch that a step begins in, from 0."""
        return step * together // len(self.learn)


def courses(
    carried: NDArray[np.bool_],
    seed: int,
    originals: NDArray[np.int64] | None = None,
    *,
    hurried: bool = False,
) -> list[Course]:
    """How the training images are used; the last course gives the model, all give scores for the thresholds.

    carried: (n, labels) bool     hurried: whether there is no time for folds
    originals: (n,) of each image the one it is held out with, see `held_together`

    With enough images, one course: 15 % are held out, and the net that learned from the rest is the model, so
    temperature and thresholds belong to this very net. With fewer, a holdout of a handful of images chooses
    thresholds by luck: then three folds, in which every image is scored once by a net that did not see it,
    and a last course on all images, whose held-out part is empty.
    """
    everything, strata = np.arange(len(carried)), rarest_labels(carried)
    originals = everything if originals is None else originals
    parts = {MODEL: np.empty(0, dtype=np.int64)}
    if hurried or HOLDOUT_SHARE * len(carried) >= HOLDOUT_LEAST:
        share = max(HOLDOUT_SHARE, min(HURRIED_SHARE, HOLDOUT_LEAST / len(carried)))
        parts = {MODEL: held_out_part(strata, min(share, HOLDOUT_MOST / len(carried)), seed, originals)}
    else:
        turn = _turns(strata, seed, originals)
        parts = {f"fold-{fold + 1}": np.flatnonzero(turn == fold) for fold in range(FOLDS)} | parts
    return [Course(name, np.setdiff1d(everything, part), part) for name, part in parts.items()]


def with_all_again(once: Sequence[Course]) -> list[Course]:
    """The course that holds some images out, then one on all images, which gives the model."""
    (tried,) = once
    everything = np.sort(np.concatenate([tried.learn, tried.held_out]))
    return [replace(tried, name=TRIED), Course(MODEL, everything, tried.held_out[:0])]


def held_together(carried: NDArray[np.bool_], copied: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) of each image the first one with the same labels that it is a copy of, itself for others.

    carried: (n, labels) bool     copied: (n,) the same number for images that are copies of one

    Where more than half of a label's images are copies of one, each of them stands alone: else nothing would
    be left of the label to learn from, or to be judged by.
    """
    keys = np.column_stack([copied, carried])
    _, first, of, counts = np.unique(keys, axis=0, return_index=True, return_inverse=True, return_counts=True)
    of, strata = of.reshape(-1), rarest_labels(carried)
    few = counts[of] <= COPIES_MOST * np.bincount(strata)[strata]
    return np.where(few, first[of], np.arange(len(carried)))


def rarest_labels(carried: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n,) the label that each image is dealt out by: its rarest one; one more than the last without any."""
    count = carried.sum(axis=0)
    rank = np.where(carried, count, len(carried) + 1)
    rarest: NDArray[np.int64] = np.where(carried.any(axis=1), rank.argmin(axis=1), carried.shape[1])
    return rarest


def held_out_part(
    strata: NDArray[np.int64], share: float, seed: int, originals: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Indices, ascending, of a random part: the same share of every label, but never its last image.

    strata: (n,) the label that each image is dealt out by     originals: (n,) the one each is held out with
    """
    originals = np.arange(len(strata)) if originals is None else originals
    random, sizes = np.random.default_rng([seed, 1]), np.bincount(originals)
    chosen = []
    for label in np.unique(strata):
        places = random.permutation(np.flatnonzero(strata == label))
        wanted = min(max(1, round(share * len(places))), len(places) - 1)
        led = places[originals[places] == places]
        chosen.append(led[sizes[led].cumsum() - sizes[led] < wanted])
    return np.flatnonzero(np.isin(originals, np.concatenate(chosen)))


def _turns(strata: NDArray[np.int64], seed: int, originals: NDArray[np.int64]) -> NDArray[np.int64]:
    """The fold of each image: labels are dealt out like cards, each goes on where the one before ended."""
    random = np.random.default_rng([seed, 2])
    dealt = np.concatenate([random.permutation(np.flatnonzero(strata == one)) for one in np.unique(strata)])
    dealt = dealt[originals[dealt] == dealt]
    turn = np.empty(len(strata), dtype=np.int64)
    turn[dealt] = np.arange(len(dealt)) % FOLDS
    return turn[originals]


@dataclass(frozen=True)
class Plan:
    """What a resumed training must not decide anew.

    steps, batch: of each course and process
    mirror, upend: whether views may swap left and right, top and bottom
    threads, bfloat16, device: the fastest way on this machine, as timed; "cpu" or "cuda"
    step_seconds: timed, for estimates only     processes: that learn together, each on a batch of its own
    boldness: of the steps, beside the usual ones, where more images than usual agree on them
    again: whether a second course, on all images, follows the one that holds some out
    hurried: whether one course, which holds some images out, stands in for folds
    """

    seed: int
    size: Size
    batch: int
    steps: int
    threads: int
    bfloat16: bool
    mirror: bool
    step_seconds: float
    upend: bool = False
    device: str = CPU
    processes: int = 1
    boldness: float = 1.0
    again: bool = False
    hurried: bool = False

    def courses(
        self, carried: NDArray[np.bool_], seed: int, originals: NDArray[np.int64] | None = None
    ) -> list[Course]:
        """Those that it takes. carried: (n, labels) bool"""
        parts = courses(carried, seed, originals, hurried=self.hurried)
        return with_all_again(parts) if self.again else parts

    @property
    def together(self) -> int:
        """Images of a step."""
        return self.batch * self.processes

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` takes back."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        """From `to_json`."""
        size = value["size"]
        growth = tuple((until, scale) for until, scale in size["growth"])
        return cls(**{**value, "size": Size(**{**size, "growth": growth})})


def batch_for(size: Size, images: int) -> int:
    """Images a step: fewer than usual for sets so small that an epoch would be two or three steps."""
    return int(min(size.batch, max(4, 2 ** int(math.log2(max(images, 8) / 4)))))


def with_steps(
    timed: Plan,
    images: int,
    parts: int,
    budget: float | None,
    known_f1: float | None = None,
    said: int = 0,
) -> Plan:
    """The plan with its steps, and with other courses than `parts` where there is too little or much time.

    Folds cost four courses. Where each would get fewer looks than those after which little is gained, a part
    is held out instead, and a second course on all images follows if both get half of them (measured:
    docs/training.md), but not where fewer than HOLDOUT_LEAST would weigh a net against an answer without. Of
    larger sets it follows where both get all of them, or nearly where one alone could use no more: there the
    images held out are worth less than more steps. The rest as for `planned_steps`.
    """
    enough = timed.size.epochs * images / timed.together  # steps

    def steps(courses: int) -> int:
        return planned_steps(timed, images, courses, budget, known_f1, said)

    plan, short = replace(timed, steps=steps(parts)), affordable_steps(timed, parts, budget, said) < enough
    telling = known_f1 is None or HURRIED_SHARE * images >= HOLDOUT_LEAST
    if parts > 1 and plan.steps and short and telling:
        twice = affordable_steps(timed, 2, budget, said) >= enough / 2
        return replace(plan, steps=steps(2 if twice else 1), again=twice, hurried=True)
    least = enough if timed.size.most_epochs is None else AGAIN_FROM * enough
    if parts == 1 and budget is not None and (half := steps(2)) >= least:
        return replace(plan, steps=half, again=True)
    return plan


def planned_steps(
    timed: Plan,
    images: int,
    parts: int,
    budget: float | None,
    known_f1: float | None = None,
    said: int = 0,
) -> int:
    """Steps of each of `parts` courses over `images` images. timed: the plan, but for its steps

    budget: seconds left, None for as long as it helps     known_f1: of what needs no net, on left-out images
    said: images that the nets are asked about: held-out ones and those of the test

    None where there is an answer that needs no net, and no time for one look at each image: that adds nothing
    to it (`clothing` in ten seconds, three seeds: F1 0.691 with 12 steps, 0.698 without), and bends what was
    pretrained for nothing.
    """
    affordable = affordable_steps(timed, parts, budget, said)
    if budget is None:
        epochs = EASY_EPOCHS if (known_f1 or 0.0) >= EASY_F1 else timed.size.epochs
        wanted = max(AUTOMATIC_LEAST_STEPS, math.ceil(epochs * images / timed.together))
        affordable = min(wanted, affordable)
    if timed.size.most_epochs is not None:
        most = math.ceil(timed.size.most_epochs * images / timed.together)
        affordable = min(affordable, max(LEAST_OF_MOST_STEPS, most))
    steps = max(LEAST_STEPS, affordable)
    return 0 if known_f1 is not None and steps * timed.together < images else steps


def affordable_steps(timed: Plan, parts: int, budget: float | None, said: int) -> int:
    """Steps of each course that there is time for; can be below 0. As for `planned_steps`."""
    limit = AUTOMATIC_SECONDS if budget is None else budget
    # To say something of an image in full precision takes about as long as to learn from it in half of it.
    reserved = max(RESERVED_SECONDS, RESERVED_SECONDS / 2 + said * timed.step_seconds / timed.batch)
    return int((limit * (1 - RESERVED_SHARE) - reserved) / (parts * timed.step_seconds))
