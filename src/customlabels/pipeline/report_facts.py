"""A run's report as one JSON object: the verdict and why, every figure with its split and its interval.

Pure: evidence in, facts out. The HTML page is made of these facts and of pictures, of nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from customlabels.evaluation import (
    Boxes,
    BoxPredictions,
    Evaluation,
    Interval,
    Mistake,
    Recorded,
    confusions,
    mistakes,
    worn,
)
from customlabels.pipeline.report_advice import doubtful, ways_to_pass
from customlabels.pipeline.report_evidence import Evidence

WORST, PAIRS, PAIR_IMAGES, CURVE_POINTS, MOST_BOXES = 12, 150, 12, 60, 50
VERSION = 1


def facts(found: Evidence) -> dict[str, Any]:
    """The report. What is not known is absent."""
    tested = found.tested
    evaluation = tested.evaluation() if tested is not None and len(tested.source_refs) else None
    told: dict[str, Any] = {"Version": VERSION, "Run": _run(found), "Verdict": _verdict(found, evaluation)}
    if tested is not None and evaluation is not None:
        wrong, doubts = mistakes(tested), doubtful(found.training)
        told |= {
            "Figures": _figures(found, evaluation),
            "Labels": list(_labels(found, evaluation)),
            "Curves": list(_curves(tested, evaluation, found.measured.get("Curves", {}))),
            "Confusions": _confusions(tested, evaluation, wrong),
            "Mistakes": _worst(tested, wrong),
            "WaysToPass": ways_to_pass(found, evaluation, wrong, doubts),
            "Digests": {"test set": tested.digest},
        }
        if doubts:
            told["LabelErrors"] = doubts
        elif found.training:
            found.notes.append(
                "No label is called doubtful: this model knows too little of its training images."
            )
    elif found.summary:
        told["Figures"] = _summary_figures(found)
    told |= _training(found, told.pop("Digests", {}))
    told["Notes"] = [*found.training.get("Training", {}).get("notes", []), *found.notes]
    return told


def _run(found: Evidence) -> dict[str, Any]:
    place, decision = found.place, found.decision
    told = {
        "Project": place.project,
        "Version": place.version,
        "ProjectVersionArn": place.version_arn or decision.get("ProjectVersionArn", ""),
        "ExecutionArn": place.execution_arn or decision.get("Execution", ""),
        "RecordedAt": decision.get("RecordedAt", ""),
        "Results": "s3://{}/{}".format(*place.beside("")),
    }
    return {name: value for name, value in told.items() if value}


LONG_NUMBER = re.compile(r"\d+\.\d{5,}")  # as a state machine writes figures
HEADLINES = {
    "DEPLOYED": "The model is good enough and was put into service.",
    "REJECTED": "The model was not put into service.",
    "UNDECIDED": "The model may be good enough, but its test set is too small to be sure.",
    "FAILED": "The run failed before there was a verdict.",
    "NOT JUDGED": "This version was trained outside a run of the pipeline: no gate has judged it.",
}


def _verdict(found: Evidence, evaluation: Evaluation | None) -> dict[str, Any]:
    decision = str(found.decision.get("Decision", "NOT JUDGED"))
    said = found.decision.get("Reasons", [])
    reasons = [LONG_NUMBER.sub(lambda long: f"{float(long[0]):.4f}", each) for each in said]
    if decision == "FAILED":
        reasons = ["{}: {}".format(*(found.decision.get(name, "unknown") for name in ("Error", "Cause")))]
    told: dict[str, Any] = {"Decision": decision, "Reasons": reasons}
    told["Headline"] = HEADLINES.get(decision, "")
    told["Rules"] = found.judgement.get("Rules") or _one_rule(found, evaluation)
    told["Warnings"] = found.judgement.get("Warnings", worn(found.versions_judged or 1))
    if found.tested is not None and found.versions_judged is not None:
        told["TestSet"] = {"Digest": found.tested.digest, "Versions": found.versions_judged}
    return told | _given(found.judgement, "MoreTestImages", "Comparison", "ComparedWith")


def _one_rule(found: Evidence, evaluation: Evaluation | None) -> list[dict[str, Any]]:
    value, bound = found.decision.get("F1Score"), found.decision.get("F1Threshold")
    if value is None or bound is None:
        return []
    rule = {
        "Rule": "F1Threshold",
        "Value": value,
        "Bound": bound,
        "Margin": value - bound,
        "Outcome": "PASSES" if value > bound else "FAILS",
    }
    if evaluation is not None:
        rule |= {"Interval": _ends(evaluation.f1_interval), "Split": evaluation.split}
    return [rule]


def _figures(found: Evidence, evaluation: Evaluation) -> dict[str, Any]:
    told = {
        "Split": evaluation.split,
        "Protocol": evaluation.protocol,
        "Images": evaluation.images,
        "F1Score": evaluation.f1,
        "F1Interval": _ends(evaluation.f1_interval),
        "Precision": evaluation.precision,
        "Recall": evaluation.recall,
        "PooledF1Score": evaluation.pooled_f1,
        "AveragePrecision": evaluation.average_precision,
        "AverageRecall": evaluation.average_recall,
    }
    said = _summary_figures(found).get("F1Score")
    if said is not None and abs(said - evaluation.f1) > 1e-6:
        found.notes.append(
            f"The summary says F1 {said:.4f}; counted from its own predictions it is {evaluation.f1:.4f}. "
            "The rule was applied to the first, the tables and pictures here follow the second."
        )
    ours = found.summary.get("CustomLabels", {})
    if "TestTuned" in ours:
        told["TestTuned"] = _given(ours["TestTuned"], "F1Score", "F1ScoreInterval", "Split")
    if validation := found.training.get("Metrics", {}).get("validation"):
        told["HeldOut"] = {
            "Split": found.training["OutOfFold"]["Split"],
            "Images": validation["images"],
            "F1Score": validation["f1"],
            "F1Interval": [validation["f1_interval"]["low"], validation["f1_interval"]["high"]],
        }
    return {name: value for name, value in told.items() if value is not None}


def _summary_figures(found: Evidence) -> dict[str, Any]:
    told = _given(found.summary.get("AggregatedEvaluationResults", {}), "F1Score", "Precision", "Recall")
    return told | {
        "Split": "test",
        "Images": found.summary.get("EvaluationDetails", {}).get("NumberOfTestingImages", 0),
    }


LABEL_FIGURES = {
    "Label": "label",
    "TestImages": "images",
    "Right": "true_positives",
    "Wrong": "false_positives",
    "Missed": "false_negatives",
    "Precision": "precision",
    "Recall": "recall",
    "F1Score": "f1",
    "AveragePrecision": "average_precision",
    "Threshold": "threshold",
}
LABEL_INTERVALS = {
    "PrecisionInterval": "precision_interval",
    "RecallInterval": "recall_interval",
    "F1Interval": "f1_interval",
}


def _labels(found: Evidence, evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Weakest first."""
    for each in sorted(evaluation.by_label, key=lambda each: each.f1):
        told = {name: getattr(each, figure) for name, figure in LABEL_FIGURES.items()}
        told |= {name: _ends(getattr(each, figure)) for name, figure in LABEL_INTERVALS.items()}
        yield told | {"TrainingImages": found.training_images.get(each.label)}


def _ends(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def _curves(
    tested: Recorded, evaluation: Evaluation, measured: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Precision over recall of each label, thinned, in the order of the labels.

    measured: whole curves of boxes, kept beside the summary
    """
    for (told, _), figures in zip(tested.curves, evaluation.by_label, strict=True):
        recall, precision = told.recall, told.precision
        if whole := measured.get(figures.label):
            recall, precision = (np.array(whole[name], dtype=np.float64) for name in ("Recall", "Precision"))
        yield {
            "Label": figures.label,
            "Points": _thinned(recall, precision),
            "At": [figures.recall, figures.precision],
        }


def _thinned(recall: Any, precision: Any) -> list[list[float]]:
    """[recall, precision] where recall changes, before and after; evenly chosen if there are many."""
    ends = np.flatnonzero(np.diff(recall, prepend=-1.0, append=2.0))
    corners = np.unique(np.concatenate([ends[:-1], ends[1:] - 1]))
    kept = corners[np.unique(np.linspace(0, len(corners) - 1, min(len(corners), CURVE_POINTS)).astype(int))]
    return [[round(float(recall[at]), 4), round(float(precision[at]), 4)] for at in kept]


def _confusions(tested: Recorded, evaluation: Evaluation, wrong: Sequence[Mistake]) -> dict[str, Any]:
    names = [*evaluation.labels, None]  # NOTHING is the last one
    told = ((pair, images) for pair, images in confusions(tested, wrong).items() if pair[0] != pair[1])
    pairs = sorted(told, key=lambda pair: (-len(pair[1]), pair[0]))
    return {
        "Right": {each.label: each.true_positives for each in evaluation.by_label},
        "Wanted": {each.label: each.true_positives + each.false_negatives for each in evaluation.by_label},
        "Pairs": [
            {"Truth": names[truth], "Found": names[found], "Count": len(images)}
            | {"Images": [tested.source_refs[image] for image in dict.fromkeys(images)][:PAIR_IMAGES]}
            for (truth, found), images in pairs[:PAIRS]
        ],
        "MorePairs": max(0, len(pairs) - PAIRS),
    }


def _worst(tested: Recorded, wrong: Sequence[Mistake]) -> dict[str, dict[str, Any]]:
    kinds = {"Wrong": False, "Missed": True}
    found = {name: [each for each in wrong if each.missed == missed] for name, missed in kinds.items()}
    return {
        name: {"Count": len(each), "Worst": [_mistake(tested, one) for one in _one_an_image(each)[:WORST]]}
        for name, each in found.items()
    }


def _one_an_image(wrong: Sequence[Mistake]) -> list[Mistake]:
    worst = {each.image: each for each in reversed(wrong)}
    return [each for each in wrong if worst[each.image] is each]


def _mistake(tested: Recorded, each: Mistake) -> dict[str, Any]:
    labels, said = tested.predictions.labels, tested.predictions
    told: dict[str, Any] = {
        "Image": tested.source_refs[each.image],
        "Label": labels[each.label],
        "Score": round(each.score, 4),
        "Threshold": round(float(tested.thresholds[each.label]), 4),
        "Instead": [*labels, None][each.instead],  # NOTHING is the last one
    }
    if isinstance(said, BoxPredictions):
        kept = said.found[each.image].scores >= tested.thresholds[said.found[each.image].labels]
        told["Box"] = [round(side, 4) for side in each.corners]
        told["TrueBoxes"] = _boxes(said.truth[each.image], slice(None))
        told["FoundBoxes"] = _boxes(said.found[each.image], kept)
    else:
        found = said.scores[each.image] >= tested.thresholds
        told["Truth"] = [labels[at] for at in np.flatnonzero(said.truth[each.image]).tolist()]
        told["Found"] = [labels[at] for at in np.flatnonzero(found).tolist()]
    return told


def _boxes(boxes: Boxes, kept: Any) -> list[list[float]]:
    return [[round(float(side), 4) for side in corners] for corners in boxes.corners[kept][:MOST_BOXES]]


def _training(found: Evidence, digests: Mapping[str, str]) -> dict[str, Any]:
    """Data, curves, how the model was made."""
    details, training = found.summary.get("EvaluationDetails", {}), found.training
    statistics = found.manifests.get("statistics", {})
    lines = {
        split: _given(statistics.get(side, {}), "total_json_lines", "valid_json_lines", "invalid_json_lines")
        for split, side in (("Training", "training"), ("Test", "testing"))
    }
    told: dict[str, Any] = {
        "Data": {
            "TrainingImages": details.get("NumberOfTrainingImages"),
            "TestImages": details.get("NumberOfTestingImages"),
            "Lines": {split: counts for split, counts in lines.items() if counts},
        },
        "Digests": dict(digests),
    }
    if found.measured:
        told["Measured"] = _given(found.measured, "LatencyMilliseconds", "ModelMegabytes")
    if training:
        card = training["Training"]
        told["Copies"] = training["Copies"]
        told["Training"] = {"Curves": card["curves"], "Plan": card["plan"], "Kind": training["Kind"]}
        told["Seed"], told["Environment"] = card["seed"], training["Environment"]
        told["Digests"] |= {"data": card["data_digest"], **training["Digests"]}
        if began := card.get("backbone"):
            told["Digests"][f"the weights it began with, {began['name']}"] = began["digest"]
    return told


def _given(told: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: told[name] for name in names if name in told}
