"""Copies: the same image in two places, byte for byte or nearly."""

import io

import numpy as np
from PIL import Image

from customlabels.datasets import near_duplicates


def _stored(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def test_equal_bytes_and_new_encodings_are_told_apart() -> None:
    random = np.random.default_rng(3)
    coarse = [Image.fromarray(random.integers(0, 255, (9, 9, 3), dtype=np.uint8)) for _ in range(3)]
    first, second, third = (image.resize((128, 128), Image.Resampling.BICUBIC) for image in coarse)
    images = {
        "a": _stored(first, "PNG"),
        "b": _stored(second, "PNG"),
        "broken": b"hello",
        "c": _stored(first, "PNG"),
        "d": _stored(second, "JPEG"),
        "e": _stored(third, "PNG"),
    }

    found = near_duplicates(images.items())

    assert [(one, other) for one, other, _likeness in found] == [("a", "c"), ("b", "d")]
    assert found[0][2] == 1.0 > found[1][2] > 0.9
