"""Decoding: orientation, transparency, colour modes, damage; thumbnails and fingerprints."""

import struct
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from tests.images.drawn import RED, encoded, quarters

from customlabels.images import (
    Header,
    ImageError,
    ImageLimits,
    InvalidImageFormat,
    check_header,
    decode,
    thumbnail,
    upright_size,
)

JPEG = encoded(quarters(160, 120), "JPEG")
PNG = encoded(quarters(160, 120))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright_as_pillow_would_turn_it(
    kind: str, orientation: int
) -> None:
    data = encoded(quarters(160, 100), kind, orientation)

    upright = ImageOps.exif_transpose(Image.open(BytesIO(data)))

    assert np.array_equal(np.asarray(decode(data)), np.asarray(upright.convert("RGB")))


@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_is_read_in_both_byte_orders(order: str) -> None:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    exif = b"Exif\0\0" + mark + struct.pack(f"{order}IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    out = BytesIO()
    quarters(160, 100).save(out, "JPEG", exif=exif)

    assert decode(out.getvalue()).size == (100, 160)


@given(st.binary(max_size=60))
def test_damaged_exif_is_ignored_and_never_warns(noise: bytes) -> None:
    out = BytesIO()
    quarters(160, 100).save(out, "JPEG", exif=b"Exif\0\0II*\0" + noise)

    assert sorted(decode(out.getvalue()).size) == [100, 160]


def test_transparency_becomes_white() -> None:
    picture = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (50, 0, 100, 100))

    flat = decode(encoded(picture))

    assert flat.getpixel((10, 10)) == (255, 255, 255)
    assert flat.getpixel((90, 10)) == (0, 0, 255)


def test_a_transparent_palette_colour_becomes_white() -> None:
    palette = quarters(100, 100).convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    transparent = palette.getpixel((5, 5))
    out = BytesIO()
    palette.save(out, "PNG", transparency=transparent)

    assert decode(out.getvalue()).getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_every_png_mode_becomes_rgb(mode: str) -> None:
    image = decode(encoded(quarters(100, 100).convert(mode)))

    assert image.mode == "RGB"
    assert image.size == (100, 100)


def test_sixteen_bit_gray_is_scaled_not_clipped() -> None:
    ramp = np.full((100, 100), 0x8000, dtype=np.uint16)

    image = decode(encoded(Image.fromarray(ramp)))

    assert image.getpixel((50, 50)) == (128, 128, 128)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_gray_and_cmyk_jpegs_keep_their_colours(mode: str) -> None:
    solid = Image.new("RGB", (100, 100), RED).convert(mode)
    expected = np.asarray(solid.convert("RGB"))

    found = np.asarray(decode(encoded(solid, "JPEG")))

    assert np.abs(found.astype(int) - expected).max() <= 4


def test_a_jpeg_is_decoded_smaller_but_never_below_what_is_asked() -> None:
    data = encoded(quarters(1600, 1200), "JPEG")

    assert decode(data).size == (1600, 1200)
    assert decode(data, at_least=256).size == (400, 300)


@pytest.mark.parametrize("whole", [JPEG, PNG], ids=["jpeg", "png"])
def test_a_file_cut_short_is_refused_wherever_the_cut_is(whole: bytes) -> None:
    for length in range(0, len(whole) - 20, 97):
        with pytest.raises(InvalidImageFormat):
            decode(whole[:length])


@given(
    st.sampled_from([JPEG, PNG]), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6)
)
def test_damaged_bytes_give_an_image_or_a_refusal_and_nothing_else(
    whole: bytes, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(whole)
    for place, value in changes:
        data[place % len(data)] = value
    try:
        image = decode(bytes(data), ImageLimits(max_side=512))
    except ImageError:
        return
    assert image.mode == "RGB"


def test_threads_decode_the_same_pixels() -> None:
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(lambda _: decode(JPEG, at_least=60).tobytes(), range(40)))

    assert len(set(images)) == 1


def test_a_thumbnail_is_an_upright_jpeg_without_exif() -> None:
    small = thumbnail(encoded(quarters(1600, 800), "JPEG", orientation=6), 240)

    assert check_header(small, ImageLimits()) == Header(120, 240, "JPEG")
    assert b"Exif" not in small


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_upright_size_is_that_of_the_decoded_image(orientation: int) -> None:
    data = encoded(quarters(160, 80), "JPEG", orientation=orientation)

    assert upright_size(data) == decode(data).size
