"""Images that tests draw: a picture whose quarters differ, so that turns and crops show."""

from io import BytesIO

import numpy as np
from PIL import Image

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 30), (30, 30, 220), (220, 220, 30)


def quarters(width: int, height: int) -> Image.Image:
    """Red and green above, blue and yellow below."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = RED, GREEN
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = BLUE, YELLOW
    return Image.fromarray(pixels)


def encoded(
    image: Image.Image, kind: str = "PNG", orientation: int | None = None, quality: int = 90
) -> bytes:
    """The bytes of a file."""
    out = BytesIO()
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    options = {"quality": quality} if kind == "JPEG" else {}
    image.save(out, kind, exif=exif, **options)
    return out.getvalue()
