"""What is found in an image. Layer: inference; needs nothing, so whoever passes it on loads no model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Found:
    """A label in an image; confidence is a percentage, 0 to 100, exactly a float32.

    box: left, top, width and height as shares of the image's sides; None for a label of the whole image
    """

    name: str
    confidence: float
    box: tuple[float, float, float, float] | None = None
