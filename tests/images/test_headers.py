"""Headers and limits: what is refused before a pixel is decoded."""

import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image
from tests.images.drawn import encoded, quarters

from customlabels.images import (
    Header,
    ImageLimits,
    ImageTooLarge,
    InvalidImage,
    InvalidImageFormat,
    check_header,
)

LIMITS = ImageLimits()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing: a decompression bomb's beginning."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + ihdr + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_header_gives_sides_and_format(kind: str) -> None:
    assert check_header(encoded(quarters(120, 80), kind), LIMITS) == Header(120, 80, kind)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (64, 1280), (4096, 4096), (205, 4096)])
def test_sides_at_the_limits_are_allowed(width: int, height: int) -> None:
    assert check_header(png_header(width, height), LIMITS).width == width


@pytest.mark.parametrize(
    ("width", "height", "refusal", "text"),
    [
        (63, 200, InvalidImage, "63 x 200 pixels; a side needs at least 64"),
        (64, 1281, InvalidImage, "at most 20 times"),
        (4097, 1000, ImageTooLarge, "at most 4096"),
        (60_000, 60_000, ImageTooLarge, "at most 16777216 pixels"),
        (2**31 - 1, 2**31 - 1, ImageTooLarge, "pixels in all"),
    ],
)
def test_sides_beyond_the_limits_are_refused_from_the_header(
    width: int, height: int, refusal: type[Exception], text: str
) -> None:
    with pytest.raises(refusal, match=text):
        check_header(png_header(width, height), LIMITS)


def test_a_jpeg_of_endless_scans_is_refused_undecoded() -> None:
    out = BytesIO()
    quarters(64, 64).save(out, "JPEG", progressive=True)
    scan = out.getvalue()[out.getvalue().rindex(b"\xff\xda") : -2]

    with pytest.raises(InvalidImageFormat, match="510 scans; at most 100"):
        check_header(out.getvalue()[:-2] + scan * 500, LIMITS)
    assert check_header(out.getvalue(), LIMITS)


def test_too_many_bytes_are_refused_whatever_they_are() -> None:
    with pytest.raises(ImageTooLarge, match="1001 bytes; at most 1000"):
        check_header(b"x" * 1001, ImageLimits(max_bytes=1000))


def other_format(kind: str) -> bytes:
    out = BytesIO()
    Image.new("RGB", (100, 100)).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"<svg/>",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        other_format("GIF"),
        other_format("BMP"),
    ],
)
def test_anything_but_png_and_jpeg_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidImageFormat):
        check_header(data, LIMITS)


def test_limits_that_allow_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="min_side"):
        ImageLimits(min_side=100, max_side=50)
    with pytest.raises(ValueError, match="max_aspect"):
        ImageLimits(max_aspect=0.5)
