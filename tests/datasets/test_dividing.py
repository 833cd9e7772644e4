"""Dividing: every label on both sides, no copy on two; comparing by what the images are."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from customlabels.datasets import ManifestFileError, compared, divided_by_label, images_of, open_source


def _photos(folder: Path, **counts: int) -> Path:
    seed = sum(map(ord, str(counts)))
    for label, count in counts.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            seed += 1
            pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((96, 96), Image.Resampling.BICUBIC).save(
                folder / label / f"{number}.png"
            )
    return folder


def test_each_label_gives_its_share_and_the_seed_decides(tmp_path: Path) -> None:
    images = images_of(open_source(_photos(tmp_path / "all", cat=20, dog=10, owl=5)))

    train, test = divided_by_label(images, 0.2, seed=1)

    assert Counter(item.labels[0] for item in test) == {"cat": 4, "dog": 2, "owl": 1}
    assert {item.key for item in train} | {item.key for item in test} == {item.key for item in images.items}
    assert divided_by_label(images, 0.2, seed=1) == (train, test) != divided_by_label(images, 0.2, seed=2)


@pytest.mark.parametrize("seed", range(5))
def test_copies_stay_on_one_side(seed: int, tmp_path: Path) -> None:
    folder = _photos(tmp_path / "all", cat=6, dog=6)
    for number in range(6):
        picture = Image.open(folder / f"cat/{number}.png")
        picture.crop((4, 6, 90, 96)).save(folder / f"cat/crop {number}.jpg")
        (folder / f"cat/same {number}.png").write_bytes((folder / f"cat/{number}.png").read_bytes())

    train, test = divided_by_label(images_of(open_source(folder)), 0.3, seed)

    sides = [
        {Path(item.key).stem.split()[-1] for item in side if item.labels == ("cat",)}
        for side in (train, test)
    ]
    assert sides[0] & sides[1] == set()
    assert all(sides)


def test_one_image_a_label_cannot_be_divided(tmp_path: Path) -> None:
    images = images_of(open_source(_photos(tmp_path / "all", cat=1, dog=1)))

    with pytest.raises(ManifestFileError, match="at least one label with two images"):
        divided_by_label(images, 0.2, seed=0)


def test_a_comparison_knows_images_by_their_bytes(tmp_path: Path) -> None:
    before = _photos(tmp_path / "before", cat=3, dog=2)
    after = _photos(tmp_path / "after", cat=3, dog=2)
    (after / "dog/0.png").rename(after / "dog/renamed.png")
    (after / "cat/0.png").rename(after / "dog/was a cat.png")
    (after / "cat/1.png").unlink()
    Image.new("RGB", (64, 64), "red").save(after / "cat/new.png")

    found = compared(images_of(open_source(before)), images_of(open_source(after)))

    assert (found.added, found.removed) == (("cat/new.png",), ("cat/1.png",))
    assert found.relabelled == (("dog/was a cat.png", "cat", "dog"),)
