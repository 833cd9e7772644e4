"""Preparing: the square a network takes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.images.drawn import BLUE, GREEN, RED, YELLOW, encoded, quarters

from customlabels.images import InvalidPreprocessing, Preprocessing, prepared


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_result_is_a_writable_square_of_rgb_bytes_with_the_quarters_in_place(kind: str) -> None:
    pixels = prepared(encoded(quarters(640, 320), kind), Preprocessing(64))

    corners = [pixels[24, 24], pixels[24, 40], pixels[40, 24], pixels[40, 40]]
    assert pixels.shape == (64, 64, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    assert np.abs(np.array(corners, dtype=int) - [RED, GREEN, BLUE, YELLOW]).max() <= 6


@given(st.integers(64, 300), st.integers(64, 300), st.sampled_from([8, 33, 96]), st.sampled_from([None, 32]))
@settings(max_examples=40)
def test_any_image_fits_any_frame_and_twice_the_same(
    width: int, height: int, size: int, rows: int | None
) -> None:
    data = encoded(quarters(width, height), "JPEG")

    first, second = (prepared(data, Preprocessing(size, rows)) for _ in range(2))

    assert first.shape == (rows or size, size, 3)
    assert np.array_equal(first, second)


def test_reduced_decoding_changes_pixels_only_a_little() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    photo = Image.fromarray(noise).resize((1600, 1280), Image.Resampling.BICUBIC)
    jpeg, png = encoded(photo, "JPEG", quality=95), encoded(photo)

    reduced, full = (prepared(data, Preprocessing(96)).astype(int) for data in (jpeg, png))

    assert np.abs(reduced - full).mean() < 3


def test_preprocessing_survives_json() -> None:
    for how in (Preprocessing(96), Preprocessing(224, 320)):
        assert Preprocessing.from_json(how.to_json()) == how


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "needs a size"),
        ({"size": 4}, "from 8 to 2048"),
        ({"size": "96"}, "from 8 to 2048"),
        ({"size": True}, "from 8 to 2048"),
        ({"size": 96, "fit": "pad"}, "unknown preprocessing settings: fit"),
        ({"size": 96, "resample": "nearest"}, "resample"),
        ({"size": 96, "mean": [0, 0, 0]}, "unknown preprocessing settings: mean"),
    ],
)
def test_settings_that_describe_no_preparation_are_refused(value: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidPreprocessing, match=text):
        Preprocessing.from_json(value)
