"""How many more test images, of which label, would make an interval narrow enough.

Layer: evaluation.
"""

from math import ceil, sqrt

from customlabels.evaluation.evaluations import Evaluation

HALVINGS = 60


def lacking_images(evaluation: Evaluation, wanted: float, spread: float) -> dict[str, int]:
    """Images of each label until the F1 score's distance to its bound is `wanted` instead of `spread`.

    If the figures stay as they are. The variance of the mean is shared out by label as the labels' own
    intervals tell, and falls with a label's images; images go where they count most, to as many as the root
    of a label's variance asks for (Neyman). A label without test images gets none: nothing is known of it.
    """
    known = [each for each in evaluation.by_label if each.images]
    shares = [((each.f1_interval.high - each.f1_interval.low) ** 2, each.images) for each in known]
    if not known or wanted <= 0 or wanted >= spread:
        return {}
    target = (wanted / spread) ** 2 * sum(variance for variance, _ in shares)

    def numbers(scale: float) -> list[float]:
        return [max(images, scale * sqrt(variance * images)) for variance, images in shares]

    low, high = 0.0, 1.0
    while _left(shares, numbers(high)) > target:
        high *= 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _left(shares, numbers(middle)) > target else (low, middle)
    pairs = zip(known, numbers(high), strict=True)
    return {each.label: ceil(number - each.images - 1e-6) for each, number in pairs}


def _left(shares: list[tuple[float, int]], numbers: list[float]) -> float:
    """Variance with so many images of each label."""
    pairs = zip(shares, numbers, strict=True)
    return sum(variance * images / number for (variance, images), number in pairs)
