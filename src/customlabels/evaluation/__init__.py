"""Evaluation: from scores and truth to thresholds, figures with their interval, the summary and the verdict.

Layer: ground. Pure numbers: no files, no clock, no randomness but from a seed that is passed in.
Throughout: scores are (images, labels) float, 0..1; truth is (images, labels) bool; thresholds are (labels,).
A label, or a box, counts as found where its score is at least its threshold.
"""

from typing import TYPE_CHECKING

from customlabels.doors import later

if TYPE_CHECKING:
    from customlabels.evaluation.boxes import (
        LEAST_OVERLAP,
        Boxes,
        BoxPredictions,
        boxes_of_labels,
        matches,
        overlap,
        overlaps,
    )
    from customlabels.evaluation.comparing import Comparison, compared
    from customlabels.evaluation.counting import (
        Counts,
        average_precision,
        count,
        curve,
        steady_thresholds,
    )
    from customlabels.evaluation.doubts import NOTHING, Suspect, suspects
    from customlabels.evaluation.erring import Mistake, confusions, mistakes, repairs
    from customlabels.evaluation.evaluations import (
        OUT_OF_FOLD,
        Evaluation,
        LabelFigures,
        Predictions,
        evaluate,
        evaluate_test_tuned,
    )
    from customlabels.evaluation.gate import (
        DEPLOYED,
        REJECTED,
        RULES,
        UNDECIDED,
        Evidence,
        Judgement,
        Outcome,
        judge,
        rules_of,
    )
    from customlabels.evaluation.intervals import Interval
    from customlabels.evaluation.recorded import Recorded, read_recorded
    from customlabels.evaluation.summaries import box_line, prediction_line, summary
    from customlabels.evaluation.wear import worn
else:
    __getattr__ = later(__name__)

__all__ = [
    "DEPLOYED",
    "LEAST_OVERLAP",
    "NOTHING",
    "OUT_OF_FOLD",
    "REJECTED",
    "RULES",
    "UNDECIDED",
    "BoxPredictions",
    "Boxes",
    "Comparison",
    "Counts",
    "Evaluation",
    "Evidence",
    "Interval",
    "Judgement",
    "LabelFigures",
    "Mistake",
    "Outcome",
    "Predictions",
    "Recorded",
    "Suspect",
    "average_precision",
    "box_line",
    "boxes_of_labels",
    "compared",
    "confusions",
    "count",
    "curve",
    "evaluate",
    "evaluate_test_tuned",
    "judge",
    "matches",
    "mistakes",
    "overlap",
    "overlaps",
    "prediction_line",
    "read_recorded",
    "repairs",
    "rules_of",
    "steady_thresholds",
    "summary",
    "suspects",
    "worn",
]
