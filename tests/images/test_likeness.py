"""Near duplicates: copies are found through crops, brightness and compression; other pictures are not."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from customlabels.images import alike, fingerprint, grouped, leaks

WIDTH, HEIGHT = 240, 180


def _pictures(count: int, seed: int = 1) -> list[Image.Image]:
    """Pictures of coarse random spots, each unlike the others."""
    random = np.random.default_rng(seed)
    coarse = [Image.fromarray(random.integers(0, 255, (9, 12, 3), dtype=np.uint8)) for _ in range(count)]
    return [image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC) for image in coarse]


def _stored(image: Image.Image, quality: int) -> Image.Image:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(out).convert("RGB")


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "cropped": lambda image: image.crop((10, 20, 220, 175)),
    "cropped at one side": lambda image: image.crop((40, 0, WIDTH, HEIGHT)),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "stored anew": lambda image: _stored(image.resize((140, 105)), 30),
    "all of it": lambda image: _stored(
        ImageEnhance.Brightness(image.crop((8, 8, 230, 170))).enhance(0.8), 40
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_nothing_else(change: str) -> None:
    pictures = _pictures(40)

    found = alike(np.stack([fingerprint(image) for image in (*pictures, CHANGES[change](pictures[7]))]))

    assert [(pair.first, pair.second) for pair in found] == [(7, 40)]
    assert 0.9 < found[0].likeness <= 1.0001


@pytest.mark.parametrize("change", CHANGES)
def test_a_test_image_that_is_a_changed_training_image_is_told_with_it(change: str) -> None:
    training, tested = (
        _prints(_pictures(40)),
        _prints([*_pictures(9, seed=2), CHANGES[change](_pictures(8)[7])]),
    )

    assert [(pair.first, pair.second) for pair in leaks(training, tested)] == [(7, 9)]
    assert [(pair.first, pair.second) for pair in leaks(tested, training)] == [(9, 7)]


@pytest.mark.parametrize("each", [3, 12])
def test_a_set_with_several_copies_of_every_picture_has_them_all_found(each: int) -> None:
    """As whoever makes more of few images does, and then divides them: copies are not the kind of picture."""
    random = np.random.default_rng(5)
    shares = random.uniform(0.85, 0.98, (40, each))
    pictures = [
        picture.crop((0, 0, round(WIDTH * share), round(HEIGHT * share)))
        for picture, some in zip(_pictures(40), shares, strict=True)
        for share in some
    ]
    of, prints = np.arange(40 * each) // each, _prints(pictures)
    tested = np.arange(len(prints)) % each == 1

    first = grouped(len(prints), [(pair.first, pair.second) for pair in alike(prints)])
    leaked = {pair.second: pair.first for pair in leaks(prints[~tested], prints[tested])}

    assert list(first // each) == list(of)
    assert len(set(first)) <= 44
    assert sum(of[~tested][first] == of[tested][second] for second, first in leaked.items()) >= 36


def test_pictures_of_one_kind_that_are_all_alike_are_not_called_leaks() -> None:
    """As parts before one camera: a likeness of 0.99 is nothing special there."""
    [part] = _pictures(1)
    noise = np.random.default_rng(1).normal(0, 12, (30, HEIGHT, WIDTH, 3))
    alike_ones = [Image.fromarray((np.asarray(part) + each).clip(0, 255).astype(np.uint8)) for each in noise]

    assert leaks(_prints(alike_ones[:20]), _prints(alike_ones[20:])) == []


def test_a_thing_at_other_places_before_one_camera_makes_no_copies() -> None:
    """Small ones make pictures that are far more alike than others of the set; the light differs a little."""
    [scene], random, shots = _pictures(1), np.random.default_rng(3), []
    for side in (12, 60):
        for left, top in ((left, top) for left in range(0, WIDTH, 60) for top in range(0, HEIGHT, 60)):
            shot = ImageEnhance.Brightness(scene).enhance(random.uniform(0.95, 1.05))
            shot.paste("white", (left, top, left + side, top + side))
            shot.paste("black", (left, top, left + side, top + side // 2))
            shots.append(_stored(shot, 80))

    assert alike(_prints(shots)) == []
    assert leaks(_prints(shots[::2]), _prints(shots[1::2])) == []


def _prints(pictures: list[Image.Image]) -> np.ndarray[Any, Any]:
    return np.stack([fingerprint(picture) for picture in pictures])


def test_the_order_of_original_and_crop_does_not_matter() -> None:
    pictures = _pictures(20)
    prints = [fingerprint(image) for image in (CHANGES["cropped"](pictures[3]), *pictures)]

    assert [(pair.first, pair.second) for pair in alike(np.stack(prints))] == [(0, 4)]


def test_pictures_of_one_colour_are_not_copies_of_each_other() -> None:
    random = np.random.default_rng(1)
    plain = [np.full((64, 64, 3), shade) + random.integers(0, 2, (64, 64, 1)) for shade in (40, 90, 200)]

    assert alike(np.stack([fingerprint(Image.fromarray(each.astype(np.uint8))) for each in plain])) == []


def test_the_same_picture_in_other_colours_is_another_one() -> None:
    picture = _pictures(1)[0].convert("L")
    tinted = [
        Image.merge(
            "RGB", [picture if at == keep else picture.point(lambda value: value // 4) for at in range(3)]
        )
        for keep in (0, 2)
    ]

    assert alike(np.stack([fingerprint(image) for image in tinted])) == []


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_pictures_have_no_copies(count: int) -> None:
    assert alike(np.zeros((count, 1056), dtype=np.uint8)) == []
