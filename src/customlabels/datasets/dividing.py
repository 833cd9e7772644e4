"""Dividing images into training and test, and comparing two data sets by what their images are.

Layer: datasets. Reads each image once. Copies of an image, near ones too, never come to both sides: they are
grouped first, and whole groups are chosen.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from customlabels.datasets.copies import near_duplicates
from customlabels.datasets.distributing import chosen_for_test
from customlabels.datasets.exporting import Images
from customlabels.datasets.items import Item
from customlabels.images import grouped


def divided_by_label(images: Images, share: float, seed: int) -> tuple[list[Item], list[Item]]:
    """Training and test items: the share of each label as nearly as copies allow, the same for the same seed.

    Raises ManifestFileError where no label has two images that are not copies of each other.
    """
    items = {item.key: item for item in images.items}
    keys = sorted(items)
    place = {key: number for number, key in enumerate(keys)}
    copies = near_duplicates((key, (images.root / key).read_bytes()) for key in items)
    first = grouped(len(place), ((place[one], place[other]) for one, other, _likeness in copies))
    groups: dict[str, list[Item]] = {}
    for key, item in items.items():
        groups.setdefault(keys[first[place[key]]], []).append(item)
    labels = {
        number: (key, tuple({label: None for item in group for label in item.all_labels}))
        for number, (key, group) in enumerate(sorted(groups.items()))
    }
    chosen = chosen_for_test(labels, seed, share)
    tested = {item.key for number in chosen for item in groups[labels[number][0]]}
    train = [item for item in images.items if item.key not in tested]
    return train, [item for key, item in items.items() if key in tested]


@dataclass(frozen=True)
class Difference:
    """Paths in the second data set, of what is removed in the first one; sorted."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    relabelled: tuple[tuple[str, str, str], ...]  # path, labels before, labels after

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.relabelled)


def compared(before: Images, after: Images) -> Difference:
    """What changed between two data sets; an image is known by its bytes, whatever its name."""
    old, new = _by_digest(before), _by_digest(after)
    changed = [
        (new[digest].key, _told(old[digest]), _told(new[digest]))
        for digest in old.keys() & new.keys()
        if _said(old[digest]) != _said(new[digest])
    ]
    return Difference(
        tuple(sorted(new[digest].key for digest in new.keys() - old.keys())),
        tuple(sorted(old[digest].key for digest in old.keys() - new.keys())),
        tuple(sorted(changed)),
    )


def _by_digest(images: Images) -> dict[bytes, Item]:
    return {hashlib.sha256((images.root / item.key).read_bytes()).digest(): item for item in images.items}


def _said(item: Item) -> tuple[object, ...]:
    boxes = sorted(
        (box.label, *(round(x, 1) for x in (box.left, box.top, box.width, box.height))) for box in item.boxes
    )
    return sorted(set(item.labels)), boxes


def _told(item: Item) -> str:
    boxes = [f"{box.label} at {box.left:g},{box.top:g} {box.width:g}x{box.height:g}" for box in item.boxes]
    return ", ".join([*sorted(item.labels), *sorted(boxes)]) or "no label"
