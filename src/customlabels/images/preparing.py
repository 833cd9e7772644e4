"""From bytes to the pixels that a network takes.

Layer: images. The settings travel in the model's card, so serving prepares exactly as training did.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from customlabels.images.headers import ImageLimits
from customlabels.images.pixels import decode
from customlabels.images.refusals import InvalidPreprocessing

__all__ = ["Preprocessing", "prepared"]

RESAMPLES = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
FITS = ("stretch", "crop", "pad")
LARGEST_SIZE = 2048
PAD_COLOUR = (128, 128, 128)  # near the mean of photographs, so that a border says little


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes a square of `size` x `size` pixels, or `size` wide and `height` high.

    height: only with "stretch", so that places in the image stay the same shares of its sides
    fit: "stretch" changes the proportions, "crop" keeps the centre, "pad" keeps all and adds gray borders.
    resample: "bilinear", "bicubic" or "lanczos"; each averages over all pixels that it replaces.
    """

    size: int
    fit: str = "stretch"
    resample: str = "bilinear"
    height: int | None = None

    def __post_init__(self) -> None:
        for name, side in (("size", self.size), ("height", self.rows)):
            if type(side) is not int or not 8 <= side <= LARGEST_SIZE:
                raise InvalidPreprocessing(f"{name} is a whole number from 8 to {LARGEST_SIZE}, not {side!r}")
        if self.height is not None and self.fit != "stretch":
            raise InvalidPreprocessing(f"fit {self.fit!r} makes squares: leave height out")
        if self.fit not in FITS:
            raise InvalidPreprocessing(f"fit is one of {', '.join(FITS)}, not {self.fit!r}")
        if self.resample not in RESAMPLES:
            raise InvalidPreprocessing(f"resample is one of {', '.join(RESAMPLES)}, not {self.resample!r}")

    @property
    def rows(self) -> int:
        """Pixels from top to bottom."""
        return self.size if self.height is None else self.height

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` takes back."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Preprocessing":
        """From `to_json`; a setting that is unknown here is refused, for it would change pixels."""
        if unknown := set(value) - {"size", "fit", "resample", "height"}:
            raise InvalidPreprocessing(f"unknown preprocessing settings: {', '.join(sorted(unknown))}")
        if "size" not in value:
            raise InvalidPreprocessing("preprocessing needs a size")
        return cls(**value)


def prepared(
    data: bytes, preprocessing: Preprocessing, limits: ImageLimits | None = None
) -> NDArray[np.uint8]:
    """The pixels for a network: (rows, size, 3) uint8, RGB, writable; raises like `decode`.

    A JPEG is decoded at a reduced size as long as it keeps twice the target: less would cost fine detail.
    """
    image = decode(data, limits, at_least=2 * max(preprocessing.size, preprocessing.rows))
    return np.array(FITTERS[preprocessing.fit](image, preprocessing), dtype=np.uint8)


def _stretched(image: Image.Image, how: Preprocessing) -> Image.Image:
    return image.resize((how.size, how.rows), RESAMPLES[how.resample])


def _cropped(image: Image.Image, how: Preprocessing) -> Image.Image:
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    return image.resize((how.size, how.size), RESAMPLES[how.resample], box=box)


def _padded(image: Image.Image, how: Preprocessing) -> Image.Image:
    scale = how.size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    square = Image.new("RGB", (how.size, how.size), PAD_COLOUR)
    small = image.resize((width, height), RESAMPLES[how.resample])
    square.paste(small, ((how.size - width) // 2, (how.size - height) // 2))
    return square


FITTERS = {"stretch": _stretched, "crop": _cropped, "pad": _padded}
