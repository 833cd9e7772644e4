"""Figures held against those of other libraries."""

import io
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from customlabels.evaluation import (
    OUT_OF_FOLD,
    Boxes,
    BoxPredictions,
    Predictions,
    average_precision,
    curve,
    evaluate,
)


def scored(seed: int, ties: bool) -> Predictions:
    dice = np.random.default_rng(seed)
    truth = dice.random((300, 4)) < [0.5, 0.2, 0.1, 0.3]
    scores = np.clip(np.where(truth, 0.6, 0.4) + dice.normal(0, 0.25, truth.shape), 0, 1)
    return Predictions("abcd", scores.round(1) if ties else scores, truth)


@pytest.mark.parametrize("ties", [False, True])
def test_figures_of_labels_are_those_of_scikit_learn(ties: bool) -> None:
    predictions, cuts = scored(1, ties), np.array([0.5, 0.3, 0.7, 0.9])

    evaluation = evaluate(predictions, cuts, OUT_OF_FOLD, seed=0, resamples=5)

    truth, found = predictions.truth, predictions.scores >= cuts
    told = metrics.precision_recall_fscore_support(truth, found, average=None, zero_division=0)
    for figure, expected in zip(("precision", "recall", "f1", "images"), told, strict=True):
        assert [getattr(label, figure) for label in evaluation.by_label] == pytest.approx(expected)
    assert evaluation.f1 == pytest.approx(metrics.f1_score(truth, found, average="macro", zero_division=0))
    assert evaluation.pooled_f1 == pytest.approx(metrics.f1_score(truth, found, average="micro"))
    expected = metrics.average_precision_score(truth, predictions.scores, average=None)
    assert [label.average_precision for label in evaluation.by_label] == pytest.approx(expected)


@pytest.mark.parametrize("ties", [False, True])
def test_the_curve_is_that_of_scikit_learn_and_says_what_each_cut_gives(ties: bool) -> None:
    predictions = scored(2, ties)
    truth, scores = predictions.truth[:, 1], predictions.scores[:, 1]

    ours = curve(predictions.candidates[1])

    precision, recall, cuts = metrics.precision_recall_curve(truth, scores)
    assert ours.cuts[::-1].tolist() == cuts.tolist()
    assert ours.precision[::-1].tolist() == pytest.approx(precision[:-1].tolist())
    assert ours.recall[::-1].tolist() == pytest.approx(recall[:-1].tolist())


def test_a_curve_without_anything_to_find_is_empty() -> None:
    nothing = Predictions("a", np.array([[0.5], [0.2]]), np.zeros((2, 1), dtype=bool)).candidates[0]

    assert len(curve(nothing).cuts) == 0
    assert average_precision(nothing, falling=False) == average_precision(nothing, falling=True) == 0


def some_boxes(seed: int) -> BoxPredictions:
    """Twenty images: true boxes, moved copies of most of them, and boxes where nothing is."""
    dice = np.random.default_rng(seed)
    found, truth = [], []
    for _ in range(20):
        corner = dice.random((4, 2)) * 0.7
        true = np.hstack([corner, corner + 0.1 + 0.2 * dice.random((4, 2))])
        labels = dice.integers(0, 2, 4)
        truth.append(Boxes.true(labels.tolist(), true.tolist()))
        moved = true + dice.normal(0, 0.02, true.shape)
        corners, named = np.vstack([moved, dice.permutation(moved)]), np.concatenate([labels, labels])
        found.append(Boxes(named, corners, dice.random(8)))
    return BoxPredictions(["cell", "fly"], found, truth)


def _in_coco(predictions: BoxPredictions) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    def rows(images: Any, scored: bool) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []
        for image, boxes in enumerate(images, start=1):
            for label, corners, score in zip(boxes.labels, 100 * boxes.corners, boxes.scores, strict=True):
                left, top, right, bottom = map(float, corners)
                box = [left, top, right - left, bottom - top]
                row = {"image_id": image, "category_id": int(label) + 1, "bbox": box, "area": box[2] * box[3]}
                own = {"score": float(score)} if scored else {"id": len(told) + 1, "iscrowd": 0}
                told.append(row | own)
        return told

    images = [{"id": at + 1, "width": 100, "height": 100} for at in range(len(predictions.truth))]
    named = [{"id": at + 1, "name": name} for at, name in enumerate(predictions.labels)]
    truth = {"info": {}, "images": images, "categories": named, "annotations": rows(predictions.truth, False)}
    return truth, rows(predictions.found, True)


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_of_boxes_is_that_of_faster_coco_eval(seed: int) -> None:
    """COCO samples the curve at 101 recalls; ours adds up every step: so ours is sampled here, too."""
    coco = pytest.importorskip("faster_coco_eval", reason="pip install -e '.[dev]' brings faster-coco-eval")
    predictions = some_boxes(seed)
    truth, found = _in_coco(predictions)
    with redirect_stdout(io.StringIO()):
        known = coco.COCO(truth)
        judged = coco.COCOeval_faster(known, known.loadRes(found), iouType="bbox")
        judged.params.iouThrs, judged.params.maxDets = np.array([0.5]), [100, 100, 100]
        judged.evaluate()
        judged.accumulate()
    expected = judged.eval["precision"][0, :, :, 0, -1].mean(axis=0)  # of each label

    sampled = []
    for label in predictions.candidates:
        told = curve(label)
        best = [told.precision[told.recall >= recall].max(initial=0.0) for recall in np.linspace(0, 1, 101)]
        sampled.append(np.mean(best))
    whole = evaluate(predictions, np.full(2, 0.5), OUT_OF_FOLD, seed=0, resamples=5)

    assert sampled == pytest.approx(expected, abs=1e-9)
    assert judged.eval["recall"][0, :, 0, -1].mean() == pytest.approx(whole.average_recall)
    assert whole.average_precision == pytest.approx(np.mean(expected), abs=0.01)
