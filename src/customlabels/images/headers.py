"""The header of an image file, and the limits that it must keep before anything is decoded.

Layer: images. The two readers are called directly instead of through `Image.open`: no other format can be
reached by crafted bytes, and Pillow's own pixel limit, a global that warns, is not involved.
"""

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO

from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from customlabels.images.refusals import ImageTooLarge, InvalidImage, InvalidImageFormat

MEBIBYTE = 1024 * 1024

# What Pillow raises for bytes that break their format; a warning counts where warnings are errors.
UNREADABLE = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError,
    struct.error, zlib.error, UserWarning,
)  # fmt: skip


@dataclass(frozen=True)
class ImageLimits:
    """What an image may be at most, and at least; the defaults are those of Custom Labels."""

    max_bytes: int = 15 * MEBIBYTE
    min_side: int = 64
    max_side: int = 4096
    max_aspect: float = 20.0  # longer side / shorter side
    max_pixels: int = 4096 * 4096

    def __post_init__(self) -> None:
        if not (self.max_bytes > 0 and 0 < self.min_side <= self.max_side and self.max_pixels > 0):
            raise ValueError(f"image limits must be positive and min_side at most max_side: {self}")
        if not self.max_aspect >= 1:
            raise ValueError(f"max_aspect is longer side / shorter side, at least 1: {self.max_aspect}")


@dataclass(frozen=True)
class Header:
    """What the first bytes of a file say: sides in pixels as stored (EXIF may turn them), PNG or JPEG."""

    width: int
    height: int
    format: str


class _Jpeg(JpegImageFile):
    """Pillow's JPEG reader without the look into EXIF for a resolution, which warns where EXIF is damaged."""

    def _read_dpi_from_exif(self) -> None:
        return None


MOST_SCANS = 100  # of a progressive JPEG, which has about 10; a file of empty ones would take hours to decode
SCAN = b"\xff\xda"  # begins one; data has no such bytes, and what a camera embeds has few

READERS: dict[bytes, type[ImageFile]] = {b"\xff\xd8\xff": _Jpeg, b"\x89PNG\r\n\x1a\n": PngImageFile}


def check_header(data: bytes, limits: ImageLimits) -> Header:
    """Sides and format from the header alone; raises ImageTooLarge, InvalidImage or InvalidImageFormat."""
    image = open_checked(data, limits)
    return Header(image.width, image.height, image.format or "")


def open_checked(data: bytes, limits: ImageLimits) -> ImageFile:
    """The file opened, header read and within the limits, nothing decoded; raises like `check_header`."""
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(f"the image has {len(data)} bytes; at most {limits.max_bytes} are allowed")
    reader = next((reader for magic, reader in READERS.items() if data.startswith(magic)), None)
    if reader is None:
        raise InvalidImageFormat("the image is neither a PNG nor a JPEG file, by its first bytes")
    try:
        image = reader(BytesIO(data))
    except UNREADABLE as error:
        raise InvalidImageFormat(f"the image's header cannot be read: {error}") from error
    _check_size(image.width, image.height, limits)
    if image.format == "JPEG" and (scans := data.count(SCAN)) > MOST_SCANS:
        raise InvalidImageFormat(f"the image is stored in {scans} scans; at most {MOST_SCANS} are decoded")
    return image


def _check_size(width: int, height: int, limits: ImageLimits) -> None:
    size, longer, shorter = f"the image is {width} x {height} pixels", max(width, height), min(width, height)
    if width * height > limits.max_pixels:
        raise ImageTooLarge(f"{size}; at most {limits.max_pixels} pixels in all are allowed")
    if longer > limits.max_side:
        raise ImageTooLarge(f"{size}; a side may have at most {limits.max_side}")
    if shorter < limits.min_side:
        raise InvalidImage(f"{size}; a side needs at least {limits.min_side}")
    if longer > limits.max_aspect * shorter:
        raise InvalidImage(f"{size}; the longer side may be at most {limits.max_aspect:g} times the shorter")
