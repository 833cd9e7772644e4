"""Mirroring: the data says whether left and right may be swapped."""

import numpy as np
import pytest
from numpy.typing import NDArray

from customlabels.training.mirroring import (
    LEAST_IMAGES,
    harmless_swaps,
    pictures_in_boxes,
    shares_at_home,
)


def arrows(count: int, right: bool, seed: int) -> NDArray[np.uint8]:
    """(count, 60, 60, 3): arrow heads that point to one side, with some noise and at some height."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 40, (count, 60, 60, 3))
    down, across = np.mgrid[:60, :60]
    for picture in pixels:
        head = (abs(down - random.integers(25, 35)) < across / 3) & (across < 50)
        picture[head if not right else head[:, ::-1]] = 220
    return pixels.astype(np.uint8)


def blobs(count: int, seed: int) -> NDArray[np.uint8]:
    """(count, 60, 60, 3): discs anywhere; left and right mean nothing."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 40, (count, 60, 60, 3))
    down, across = np.mgrid[:60, :60]
    for picture in pixels:
        row, column = random.integers(10, 50, 2)
        picture[(down - row) ** 2 + (across - column) ** 2 < 150] = 220
    return pixels.astype(np.uint8)


def test_arrows_are_never_mirrored() -> None:
    images = np.concatenate([arrows(30, True, 0), arrows(30, False, 1)])
    truth = np.repeat([0, 1], 30)

    assert shares_at_home(images, truth)[0] < 0.05
    assert not harmless_swaps(images, truth)[0]


def test_arrows_to_both_sides_may_be_turned_upside_down_and_arrows_upwards_may_not() -> None:
    images = np.concatenate([arrows(60, True, 0), arrows(60, False, 1)])
    upwards, truth = images.transpose(0, 2, 1, 3), np.repeat([0, 1], 60)

    assert harmless_swaps(images, truth)[1]
    assert not harmless_swaps(upwards, truth)[1]


def test_discs_anywhere_are_mirrored() -> None:
    images, truth = blobs(120, 0), np.zeros(120, dtype=np.int64)

    assert all(0.35 < share < 0.65 for share in shares_at_home(images, truth))
    assert harmless_swaps(images, truth) == (True, True)


@pytest.mark.parametrize("shape", [(60, 90), (90, 60), (61, 47)])
def test_images_need_not_be_square(shape: tuple[int, int]) -> None:
    def stretched(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return images[:, np.arange(shape[0]) * 60 // shape[0]][:, :, np.arange(shape[1]) * 60 // shape[1]]

    heads = stretched(np.concatenate([arrows(30, True, 0), arrows(30, False, 1)]))

    assert shares_at_home(heads, np.repeat([0, 1], 30))[0] < 0.05
    assert harmless_swaps(stretched(blobs(120, 0)), np.zeros(120, dtype=np.int64))[0]


def test_too_few_images_are_not_mirrored_whatever_they_show() -> None:
    images, truth = blobs(LEAST_IMAGES - 1, 0), np.zeros(LEAST_IMAGES - 1, dtype=np.int64)

    assert harmless_swaps(images, truth) == (False, False)


def test_labels_of_one_image_each_say_nothing() -> None:
    assert shares_at_home(blobs(4, 0), np.arange(4)) == (0.0, 0.0)


def test_scenes_of_arrows_that_lie_anywhere_are_swapped_no_more_than_the_arrows_in_their_boxes() -> None:
    random, cut_out = np.random.default_rng(0), []
    scenes = random.integers(0, 40, (80, 240, 320, 3)).astype(np.uint8)
    for scene, arrow in zip(scenes, arrows(80, True, 1), strict=True):
        top, left = random.integers(0, [180, 260])
        scene[top : top + 60, left : left + 60] = arrow
        box = [[left / 320, top / 240, (left + 60) / 320, (top + 60) / 240]]
        cut_out.append(pictures_in_boxes(scene, np.array(box)))
    truth = np.zeros(80, dtype=np.int64)

    assert harmless_swaps(scenes, truth) == (True, True)
    assert harmless_swaps(np.concatenate(cut_out), truth) == (False, True)


def test_a_picture_in_a_box_at_the_edge_shows_no_more_than_there_is() -> None:
    image = np.zeros((40, 60, 3), dtype=np.uint8)
    image[:20, :30] = 200

    corner, all_of_it = pictures_in_boxes(image, np.array([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0]]))

    assert corner[:24, :24].min() == 200
    assert corner[-4:].max() == 0
    assert 0.15 < (all_of_it > 0).mean() < 0.35
