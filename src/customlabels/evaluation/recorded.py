"""An evaluation read back from the documents that a training leaves: the summary and the testing output.

Layer: evaluation. The documents are the service's, so this works on those of AWS as on ours. What is counted
is what the lines say, also where a summary does not follow from them, as one of AWS for boxes was seen to do.
The lines of boxes leave out what was found wrongly below its threshold: curves end there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from customlabels.errors import InvalidInput
from customlabels.evaluation.boxes import Boxes, BoxPredictions
from customlabels.evaluation.counting import Curve, Floats, curve
from customlabels.evaluation.evaluations import (
    OUT_OF_FOLD,
    RESAMPLES,
    TEST_TUNED,
    Evaluation,
    Predictions,
    evaluate,
)

TRUE, FOUND = "rekognition-custom-labels-training", "rekognition-custom-labels-evaluation"
DETAILS = f"{FOUND}-details"


@dataclass(frozen=True, eq=False)
class Recorded:
    """Predictions, and the thresholds that they were judged by.

    source_refs: of each image, in the order of the predictions     thresholds: (labels,) float, 0..1
    protocol: ours where the summary says so, else the service's, which tunes thresholds on the test images
    """

    predictions: Predictions | BoxPredictions
    source_refs: Sequence[str]
    thresholds: Floats
    protocol: str

    def evaluation(self, seed: int = 0, resamples: int = RESAMPLES) -> Evaluation:
        """Every figure, computed anew."""
        return evaluate(self.predictions, self.thresholds, self.protocol, seed, resamples)

    @property
    def curves(self) -> Iterator[tuple[Curve, tuple[float, float] | None]]:
        """Of each label; recall and precision at its threshold, None where nothing is found.

        Of boxes, those below their threshold that find nothing are not on record: curves end there.
        """
        for candidates, threshold in zip(self.predictions.candidates, self.thresholds, strict=True):
            told = curve(candidates)
            kept = int(np.searchsorted(-told.cuts, -threshold, side="right"))
            mark = (float(told.recall[kept - 1]), float(told.precision[kept - 1])) if kept else None
            if isinstance(self.predictions, BoxPredictions):
                told = Curve(told.cuts[:kept], told.precision[:kept], told.recall[:kept])
            yield told, mark

    @property
    def keys(self) -> list[str]:
        """What each image is and what is true of it: equal for the same image with the same truth."""
        labels, told = np.array(self.predictions.labels), []
        for each in self.predictions.truth:
            if isinstance(each, Boxes):
                # Corners were rounded on their way, and may be again in another training's document.
                corners = each.corners.round(3).tolist()
                told.append(sorted(zip(labels[each.labels].tolist(), corners, strict=True)))
            else:
                told.append(sorted(labels[each].tolist()))
        return [f"{ref} {true}" for ref, true in zip(self.source_refs, told, strict=True)]

    @property
    def digest(self) -> str:
        """Of the test set: its images by name, and their truth; in any order."""
        return sha256("\n".join(sorted(self.keys)).encode()).hexdigest()


def read_recorded(summary: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> Recorded:
    """Read both documents, as parsed from JSON. Raises InvalidInput where they are not such documents."""
    images: list[tuple[str, Mapping[str, Any]]] = []
    try:
        metrics = {each["Label"]: each["Metrics"] for each in summary["LabelEvaluationResults"]}
        labels = [label for label in summary["EvaluationDetails"]["Labels"] if label in metrics]
        thresholds = np.array([metrics[label]["Threshold"] for label in labels], dtype=np.float64)
        index = {label: at for at, label in enumerate(labels)}
        images += ((str(line["source-ref"]), line) for line in lines)
        read = _boxes if any(FOUND in line for _, line in images) else _scores
        predictions = read(labels, index, images)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InvalidInput(
            f"not an evaluation summary and its testing output ({error!r} after {len(images)} lines)"
        ) from error
    protocol = OUT_OF_FOLD if summary.get("CustomLabels", {}).get("Protocol") == OUT_OF_FOLD else TEST_TUNED
    return Recorded(predictions, [ref for ref, _ in images], thresholds, protocol)


Images = Sequence[tuple[str, Mapping[str, Any]]]


def _scores(labels: Sequence[str], index: Mapping[str, int], images: Images) -> Predictions:
    scores, truth = np.zeros((len(images), len(labels))), np.zeros((len(images), len(labels)), dtype=bool)
    for row, (_, line) in enumerate(images):
        for name, told in line.items():
            if name.startswith(FOUND) and name.endswith("-metadata") and told["class-name"] in index:
                column = index[told["class-name"]]
                scores[row, column] = told["confidence"]
                truth[row, column] = told[DETAILS]["is-present-in-ground-truth"]
    return Predictions(labels, scores, truth)


def _boxes(labels: Sequence[str], index: Mapping[str, int], images: Images) -> BoxPredictions:
    found, truth, hits = [], [], []
    for _, line in images:
        boxes, details = _read_boxes(line, FOUND, index)
        # A true box that nothing found stands among the answers, with no confidence.
        answered = boxes.scores > 0
        found.append(Boxes(boxes.labels[answered], boxes.corners[answered], boxes.scores[answered]))
        present = np.array([bool(each["is-present-in-ground-truth"]) for each in details], dtype=bool)
        truth.append(_read_boxes(line, f"{TRUE}-0", index)[0])
        hits.append(np.where(present[answered], 0, -1))
    return BoxPredictions(labels, found, truth, recorded=hits)


def _read_boxes(
    line: Mapping[str, Any], key: str, index: Mapping[str, int]
) -> tuple[Boxes, list[Mapping[str, Any]]]:
    """The boxes under a key, of labels that were evaluated, and their details, where they have some."""
    told, about = line.get(key), line.get(f"{key}-metadata", {})
    if told is None:
        return Boxes.true([], []), []
    size = told["image_size"][0]
    numbers, corners, scores, details = [], [], [], []
    for box, item in zip(told["annotations"], about["objects"], strict=True):
        label = about["class-map"][str(box["class_id"])]
        if label not in index:
            continue
        left, top = box["left"] / size["width"], box["top"] / size["height"]
        numbers.append(index[label])
        corners.append((left, top, left + box["width"] / size["width"], top + box["height"] / size["height"]))
        scores.append(item["confidence"])
        details.append(item.get(DETAILS, {}))
    shape: NDArray[np.float64] = np.array(corners, dtype=np.float64).reshape(-1, 4)
    return Boxes(np.array(numbers, dtype=np.int64), shape, np.array(scores, dtype=np.float64)), details
