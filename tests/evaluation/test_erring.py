"""What was taken for what: every true thing once, and every wrong answer once."""

from collections import Counter

import numpy as np
from hypothesis import given
from tests.evaluation.test_boxes import predictions

from customlabels.evaluation import OUT_OF_FOLD, Boxes, BoxPredictions, Recorded, confusions, mistakes
from customlabels.evaluation.doubts import NOTHING


def judged(said: BoxPredictions, threshold: float = 0.5) -> Recorded:
    cuts = np.full(len(said.labels), threshold)
    return Recorded(said, [f"s3://b/{row}.png" for row in range(len(said.truth))], cuts, OUT_OF_FOLD)


def test_a_thing_that_two_wrong_boxes_are_around_is_missed_once() -> None:
    around, cat, dog, eel = (0.1, 0.1, 0.5, 0.5), 0, 1, 2
    found = Boxes(np.array([dog, eel]), np.array([around, around]), np.array([0.9, 0.8]))
    tested = judged(BoxPredictions(["cat", "dog", "eel"], [found], [Boxes.true([cat], [around])]))

    assert confusions(tested, mistakes(tested)) == {(cat, dog): [0], (NOTHING, eel): [0]}


@given(predictions)
def test_every_true_box_and_every_box_that_was_found_stands_in_one_cell(said: BoxPredictions) -> None:
    tested = judged(said)
    cells = confusions(tested, mistakes(tested))

    true, found = Counter[int](), Counter[int]()
    for (truth, answer), images in cells.items():
        true[truth] += len(images)
        found[answer] += len(images)
    kept = [label for boxes in said.found for label in boxes.labels[boxes.scores >= 0.5].tolist()]
    del true[NOTHING], found[NOTHING]
    assert +true == Counter(label for boxes in said.truth for label in boxes.labels.tolist())
    assert +found == Counter(kept)
