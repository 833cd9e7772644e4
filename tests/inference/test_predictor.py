"""The predictor on a small graph, and the graphs that it refuses."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.images.drawn import encoded
from tests.inference.tiny_model import LABELS, THRESHOLDS, graph, write_model

from customlabels.images import ImageLimits, InvalidImage, InvalidImageFormat, Preprocessing
from customlabels.inference import ArtefactError, ModelCard, Predictor, detect, write_card


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(write_model(tmp_path_factory.mktemp("model")))


def solid(colour: str, side: int = 100) -> bytes:
    return encoded(Image.new("RGB", (side, side), colour))


def test_scores_are_rows_of_float32_shares_in_the_order_of_images_and_labels(predictor: Predictor) -> None:
    scores = predictor.scores([solid("red"), solid("blue")])

    assert scores.dtype == np.float32
    assert scores.shape == (2, 3)
    assert scores.argmax(axis=1).tolist() == [0, 2]
    assert np.allclose(scores.sum(axis=1), 1)


def test_batches_change_nothing_and_no_images_give_no_rows(predictor: Predictor) -> None:
    images = [solid(colour) for colour in ("red", "lime", "blue", "white", "orange")] * 14

    together = predictor.scores(images)

    assert np.array_equal(together, np.concatenate([predictor.scores([image]) for image in images]))
    assert predictor.scores([]).shape == (0, 3)


def test_labels_and_thresholds_are_those_of_the_card(predictor: Predictor) -> None:
    assert predictor.labels == LABELS
    assert predictor.thresholds.tolist() == list(THRESHOLDS)


def test_detect_answers_with_the_label_above_its_threshold(predictor: Predictor) -> None:
    (found,) = detect(predictor, solid("lime"))

    assert found.name == "green"
    assert found.confidence > 99


def test_an_unusable_image_is_refused_by_its_own_error(predictor: Predictor) -> None:
    with pytest.raises(InvalidImageFormat):
        predictor.scores([b"not an image"])
    with pytest.raises(InvalidImage):
        detect(predictor, solid("red", side=20))
    assert predictor.scores([solid("red", side=20)], ImageLimits(min_side=8)).shape == (1, 3)


def rewritten(folder: Path, data: bytes, card: ModelCard | None = None) -> Path:
    (folder / "model.onnx").write_bytes(data)
    write_card(folder, card or ModelCard(LABELS, THRESHOLDS, Preprocessing(16)))
    return folder


def test_a_graph_that_does_not_fit_its_card_is_refused(tmp_path: Path) -> None:
    cases = {
        "takes": graph(size=32),
        "gives 2 scores": graph(size=16, labels=2),
        "card asks for uint8": graph(size=16, pixel_type=1),
    }
    for text, model in cases.items():
        with pytest.raises(ArtefactError, match=text):
            Predictor.load(rewritten(tmp_path, model.SerializeToString()))


def test_a_file_that_is_no_graph_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"model\.onnx: cannot be loaded"):
        Predictor.load(rewritten(tmp_path, b"no graph at all"))


def test_inference_imports_neither_torch_nor_onnx() -> None:
    program = "import sys, customlabels.inference; print(sorted({'torch', 'onnx'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
