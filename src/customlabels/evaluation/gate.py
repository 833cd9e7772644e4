"""The gate: whether a model goes into service.

Layer: evaluation.
"""

from dataclasses import dataclass

__all__ = ["DEPLOYED", "REJECTED", "Verdict", "judge"]

DEPLOYED = "DEPLOYED"
REJECTED = "REJECTED"


@dataclass(frozen=True)
class Verdict:
    """DEPLOYED or REJECTED, and why, in sentences."""

    decision: str
    reasons: tuple[str, ...]


def judge(f1: float, threshold: float) -> Verdict:
    """Into service only if F1 is strictly greater than the threshold; both 0..1. NaN is not greater."""
    if f1 > threshold:
        return Verdict(DEPLOYED, (f"The F1 score {f1:.4f} is greater than the threshold {threshold:g}.",))
    return Verdict(REJECTED, (f"The F1 score {f1:.4f} is not greater than the threshold {threshold:g}.",))
