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

LARGEST_SIZE = 2048


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes `size` x `size` pixels, or `size` wide and `height` high.

    It is stretched, so that places in the image stay the same shares of its sides; each pixel is the mean of
    those it replaces.
    """

    size: int
    height: int | None = None

    def __post_init__(self) -> None:
        for name, side in (("size", self.size), ("height", self.rows)):
            if type(side) is not int or not 8 <= side <= LARGEST_SIZE:
                raise InvalidPreprocessing(f"{name} is a whole number from 8 to {LARGEST_SIZE}, not {side!r}")

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
        if unknown := set(value) - {"size", "height"}:
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
    size, rows = preprocessing.size, preprocessing.rows
    image = decode(data, limits, at_least=2 * max(size, rows))
    return np.array(image.resize((size, rows), Image.Resampling.BILINEAR), dtype=np.uint8)
