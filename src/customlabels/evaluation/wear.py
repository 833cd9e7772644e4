"""A test set wears out: of many models judged by it, the one that passes is partly lucky.

Layer: evaluation.
"""

from statistics import NormalDist

from customlabels.evaluation.intervals import LEVEL

WORN = 10  # versions from which on people are warned


def widened(value: float, end: float, decisions: int) -> float:
    """The end of a 95 % interval of `value` for the last of so many versions judged by one test set.

    Bonferroni's rule: that all of k intervals hold asks each for a level of 1 - 0.05/k. The distance from the
    value grows by the ratio of the normal quantiles: 1.43 times for the 10th version, 1.78 for the 100th.
    """
    beyond = (1 - LEVEL) / 2
    normal = NormalDist()
    return value + (end - value) * normal.inv_cdf(1 - beyond / max(decisions, 1)) / normal.inv_cdf(1 - beyond)


def worn(decisions: int) -> tuple[str, ...]:
    """The warning of a test set that has judged so many versions."""
    told = (
        f"This test set has judged {decisions} versions: models are chosen by it, so its figures flatter. "
        "Lower bounds are widened for that; gather new test images."
    )
    return (told,) if decisions >= WORN else ()
