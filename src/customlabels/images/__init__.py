"""Images: bytes of a PNG or JPEG in, upright RGB pixels out; the one decode path of training and serving.

Layer: ground. Knows formats, sizes and orientation; knows nothing of labels, models or where bytes come from.
What arrives is not trusted: everything is bounded from the header, before a pixel is decoded.
"""

from typing import TYPE_CHECKING

from customlabels.doors import later

if TYPE_CHECKING:
    from customlabels.images.headers import Header, ImageLimits, check_header
    from customlabels.images.likeness import Alike, alike, fingerprint, grouped, leaks
    from customlabels.images.pixels import decode, thumbnail, upright_size
    from customlabels.images.preparing import Preprocessing, prepared
    from customlabels.images.refusals import (
        ImageError,
        ImageTooLarge,
        InvalidImage,
        InvalidImageFormat,
        InvalidPreprocessing,
    )
else:
    __getattr__ = later(__name__)

__all__ = [
    "Alike",
    "Header",
    "ImageError",
    "ImageLimits",
    "ImageTooLarge",
    "InvalidImage",
    "InvalidImageFormat",
    "InvalidPreprocessing",
    "Preprocessing",
    "alike",
    "check_header",
    "decode",
    "fingerprint",
    "grouped",
    "leaks",
    "prepared",
    "thumbnail",
    "upright_size",
]
