"""From bytes to upright RGB pixels, and to thumbnails.

Layer: images. Decoding is the same wherever pixels are needed, so a model is served what it was trained on.
"""

import struct
from io import BytesIO

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

from customlabels.images.headers import UNREADABLE, ImageLimits, open_checked
from customlabels.images.refusals import InvalidImageFormat

# EXIF orientation -> what brings the image upright; 1 is upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ORIENTATION_TAG = 0x0112
BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}


def decode(data: bytes, limits: ImageLimits | None = None, at_least: int | None = None) -> Image.Image:
    """An upright RGB image; what is transparent becomes white.

    at_least: pixels a side that are enough; a JPEG may then be decoded at 1/2, 1/4 or 1/8 of its size, but
    no side below this number. Raises ImageTooLarge, InvalidImage or InvalidImageFormat.
    """
    stored = open_checked(data, limits or ImageLimits())
    if at_least is not None:
        stored.draft(None, (at_least, at_least))
    try:
        stored.load()
        image = _rgb(stored)
    except UNREADABLE as error:
        raise InvalidImageFormat(f"the image is damaged or cut short: {error}") from error
    turn = TURNS.get(_orientation(stored.info.get("exif") or b""))
    return image if turn is None else image.transpose(turn)


def upright_size(data: bytes, limits: ImageLimits | None = None) -> tuple[int, int]:
    """Width and height of the image that `decode` gives, from the header alone; raises like it."""
    stored = open_checked(data, limits or ImageLimits())
    turned = _orientation(stored.info.get("exif") or b"") >= 5  # the codes from 5 on swap the sides
    return (stored.height, stored.width) if turned else stored.size


def _rgb(stored: ImageFile) -> Image.Image:
    if stored.mode.startswith("I"):  # 16 bits of gray: Pillow would clip at 255 instead of scaling
        high_byte = np.asarray(stored).astype(np.uint32) >> 8
        return Image.fromarray(high_byte.astype(np.uint8)).convert("RGB")
    if not stored.has_transparency_data:
        return stored.convert("RGB")
    transparent = stored.convert("RGBA")
    flat = Image.new("RGB", transparent.size, "white")
    flat.paste(transparent, mask=transparent.getchannel("A"))
    return flat


def _orientation(exif: bytes) -> int:
    """The orientation of an EXIF block, 1 to 8; a block that breaks its format counts as upright."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = BYTE_ORDERS.get(tiff[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for entry in range(count):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * entry)
            if tag == ORIENTATION_TAG:
                return int(value)
    except struct.error:  # cameras and editors do write such blocks; the pixels are good
        return 1
    return 1


def thumbnail(data: bytes, longest: int) -> bytes:
    """A JPEG whose longer side has at most `longest` pixels; never larger than the image itself."""
    image = decode(data, at_least=longest)
    image.thumbnail((longest, longest), Image.Resampling.BICUBIC)
    out = BytesIO()
    Image.fromarray(np.asarray(image)).save(out, "JPEG", quality=85)  # a fresh image: no EXIF goes along
    return out.getvalue()
