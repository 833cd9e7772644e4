"""Boxes in answers: one for each thing, by the rules of DetectCustomLabels, and from a graph."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from customlabels.evaluation import Boxes
from customlabels.images import Preprocessing
from customlabels.inference import (
    BOXES,
    ArtefactError,
    ModelCard,
    Predictor,
    detect,
    found_boxes,
    kept_boxes,
    write_card,
)

PLACES = np.array([[0, 0, 0.5, 0.5], [0.02, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]], dtype=np.float32)


def test_of_boxes_on_one_thing_the_best_stays_and_other_labels_are_not_touched() -> None:
    scores = np.array([[0.6, 0.3], [0.7, 0.0], [0.5, 0.0]], dtype=np.float32)

    boxes = kept_boxes(scores, PLACES)

    assert list(zip(boxes.labels.tolist(), boxes.scores.tolist(), strict=True)) == [
        (0, pytest.approx(0.7)), (0, pytest.approx(0.5)), (1, pytest.approx(0.3)),
    ]  # fmt: skip
    assert boxes.corners[0].tolist() == pytest.approx([0.02, 0, 0.5, 0.5])


def test_answers_hold_left_top_width_and_height_as_shares() -> None:
    boxes = Boxes(np.array([1, 0]), np.array([[0.1, 0.2, 0.4, 0.9], [0, 0, 1, 1]]), np.array([0.8, 0.4]))

    by_threshold = found_boxes(("a", "b"), [0.5, 0.5], boxes)
    everything = found_boxes(("a", "b"), [0.5, 0.5], boxes, min_confidence=0)

    (one,) = by_threshold
    assert one.name == "b"
    assert one.box == pytest.approx((0.1, 0.2, 0.3, 0.7))
    assert one.confidence == pytest.approx(80)
    assert [found.name for found in everything] == ["b", "a"]
    assert found_boxes(("a", "b"), [0.5, 0.5], boxes, 0, 1) == everything[:1]


def graph(labels: int = 2) -> onnx.ModelProto:
    """Says the same of every image of 32 x 16 pixels: the scores' table and the places above."""
    scores = np.zeros((1, 3, labels), dtype=np.float32)
    scores[0, 1:, 0] = 0.9, 0.6
    constants: dict[str, NDArray[Any]] = {
        "scores_table": scores,
        "corners_table": PLACES[None],
        "zero": np.array([0], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Shape", ["images"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["count"]),
        helper.make_node("Concat", ["count", "one", "one"], ["times"], axis=0),
        helper.make_node("Tile", ["scores_table", "times"], ["scores"]),
        helper.make_node("Tile", ["corners_table", "times"], ["corners"]),
    ]
    constants["one"] = np.array([1], dtype=np.int64)
    outputs: list[tuple[str, list[int | str | None]]] = [
        ("scores", ["n", 3, labels]),
        ("corners", ["n", 3, 4]),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "boxes",
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 16, 32, 3])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
    )
    model.ir_version = 10
    return model


def written(folder: Path, model: onnx.ModelProto) -> Path:
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    write_card(folder, ModelCard(("a", "b"), (0.5, 0.7), Preprocessing(32, height=16), kind=BOXES))
    return folder


def picture() -> bytes:
    out = BytesIO()
    Image.new("RGB", (100, 80)).save(out, "PNG")
    return out.getvalue()


def test_a_model_folder_of_boxes_answers_boxes(tmp_path: Path) -> None:
    predictor = Predictor.load(written(tmp_path, graph()))

    found = detect(predictor, picture())

    assert [one.name for one in found] == ["a", "a"]
    assert found[0].box == pytest.approx((0.02, 0, 0.48, 0.5))
    assert found[1].box == pytest.approx((0.5, 0.5, 0.5, 0.5))
    assert [len(boxes) for boxes in predictor.boxes([picture()] * 3)] == [2, 2, 2]


def test_a_graph_of_boxes_that_does_not_fit_its_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="gives 3 scores each for 2 labels"):
        Predictor.load(written(tmp_path, graph(labels=3)))
