"""Distributing: which entries of a training set become the test set.

Layer: datasets. The choice is pure and depends on labels and addresses alone, so that it is the same
whenever and wherever it is made, whatever the order of the lines.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice

from customlabels.datasets.manifests import ManifestFileError

TEST_SHARE = 0.2
UNLABELED = ""  # no label has this name
LOOKED_AT = 50  # entries that are compared for one move


def chosen_for_test(
    found: Mapping[int, tuple[str, Sequence[str]]], seed: int = 0, share: float = TEST_SHARE
) -> set[int]:
    """The positions of a share of the entries, and of each label's as nearly as that goes.

    found: address and labels of each entry. A label of two images or more is on both sides afterwards, where
    that is possible at all: with several labels an image, two of them may exclude each other. Raises
    ManifestFileError where no label has two images.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for position in sorted(found, key=lambda at: _lot(found[at][0], seed)):
        for label in dict.fromkeys(found[position][1]) or (UNLABELED,):
            members[label].append(position)
    counts = {label: len(positions) for label, positions in members.items()}
    if max((count for label, count in counts.items() if label != UNLABELED), default=0) < 2:
        detail = "It needs at least one label with two images, one for each side."
        raise ManifestFileError("ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_DISTRIBUTE", detail)

    chosen: set[int] = set()
    decided: set[int] = set()
    for label in sorted(members, key=lambda name: (counts[name], name)):  # the rarest have the least choice
        open_ones = [position for position in members[label] if position not in decided]
        missing = _wanted(label, counts[label], share) - sum(
            position in chosen for position in members[label]
        )
        chosen.update(open_ones[: max(0, missing)])
        decided.update(open_ones)
    sides = _Sides(members, found, chosen, share)
    sides.mend()
    sides.fill_up(round(share * len(found)))
    return chosen


def _lot(source_ref: str, seed: int) -> bytes:
    return hashlib.blake2b(source_ref.encode(), digest_size=8, salt=seed.to_bytes(8, "big")).digest()


def _wanted(label: str, count: int, share: float) -> int:
    part = round(share * count)
    return part if label == UNLABELED or count < 2 else max(1, part)


class _Sides:
    """Both sides of a choice, changed by moves that never take a label's last image from a side."""

    def __init__(
        self,
        members: Mapping[str, list[int]],
        found: Mapping[int, tuple[str, Sequence[str]]],
        chosen: set[int],
        share: float,
    ) -> None:
        self._members, self._found, self._chosen, self._share = members, found, chosen, share
        self._tested = Counter(label for position in chosen for label in self._labels(position))

    def mend(self) -> None:
        """Bring every label of two images or more to both sides, where others allow it."""
        for label, positions in self._members.items():
            if label != UNLABELED and len(positions) > 1:
                if self._tested[label] == 0:
                    self._move(label, to_test=True)
                elif self._tested[label] == len(positions):
                    self._move(label, to_test=False)

    def fill_up(self, target: int) -> None:
        """Come to `target` test entries, by moves of the labels that have too few or too many there."""
        to_test = len(self._chosen) < target
        while (len(self._chosen) < target) == to_test and len(self._chosen) != target:
            by_need = sorted(self._members, key=self._need, reverse=to_test)
            if not any(self._move(label, to_test) for label in by_need):
                return

    def _need(self, label: str) -> float:
        return self._share * len(self._members[label]) - self._tested[label]

    def _labels(self, position: int) -> set[str]:
        return set(self._found[position][1]) or {UNLABELED}

    def _move(self, label: str, to_test: bool) -> bool:
        """Move the entry of the label that helps most, of the first that all labels can spare; if any."""
        spared = (
            position
            for position in self._members[label]
            if (position in self._chosen) != to_test
            and all(self._can_spare(name, to_test) for name in self._labels(position))
        )
        gains = {position: self._gain(position, to_test) for position in islice(spared, LOOKED_AT)}
        if not gains:
            return False
        best = max(gains, key=lambda position: gains[position])
        (self._chosen.add if to_test else self._chosen.discard)(best)
        self._tested.update(dict.fromkeys(self._labels(best), 1 if to_test else -1))
        return True

    def _gain(self, position: int, to_test: bool) -> float:
        """How much nearer to their share the labels of the entry come when it moves."""
        step = 1 if to_test else -1
        needs = [self._need(label) for label in self._labels(position)]
        return sum(abs(need) - abs(need - step) for need in needs)

    def _can_spare(self, label: str, to_test: bool) -> bool:
        count, tested = len(self._members[label]), self._tested[label]
        return label == UNLABELED or count < 2 or (count - tested if to_test else tested) > 1
