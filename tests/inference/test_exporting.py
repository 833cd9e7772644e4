"""Models to take away: the graph alone answers as the service does."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tests.images.drawn import encoded
from tests.inference.tiny_model import LABELS, write_model

from customlabels.images import Preprocessing
from customlabels.inference import (
    BOXES,
    ModelCard,
    Predictor,
    detect,
    exported_files,
    write_card,
)
from customlabels.inference.taken_away import answer


def taken(folder: Path) -> Any:
    """What the exported server answers, without its socket."""
    files = exported_files(folder)
    session = onnxruntime.InferenceSession(files["model.onnx"], providers=["CPUExecutionProvider"])
    return lambda data: answer(session, json.loads(files["model.json"]), data)


def drawn(seed: int, kind: str = "JPEG", size: tuple[int, int] = (301, 203)) -> bytes:
    chance = np.random.default_rng(seed)
    blocks = Image.fromarray(chance.integers(0, 256, (6, 9, 3), dtype=np.uint8))
    return encoded(blocks.resize(size, Image.Resampling.BICUBIC), kind)


def test_an_export_is_whole(tmp_path: Path) -> None:
    files = exported_files(write_model(tmp_path / "model"))

    assert sorted(files) == ["labels.txt", "model.json", "model.onnx", "server.py"]
    assert files["labels.txt"].decode().split() == list(LABELS)
    session = onnxruntime.InferenceSession(files["model.onnx"])
    assert [end.name for end in session.get_inputs()] == ["image"]
    assert [end.name for end in session.get_outputs()] == ["scores", "found"]
    compile(files["server.py"], "server.py", "exec")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_graph_resizes_and_cuts_as_the_service_does(tmp_path: Path, kind: str) -> None:
    folder = write_model(tmp_path / "model")
    predictor, other = Predictor.load(folder), taken(folder)

    for seed in range(12):
        image = drawn(seed, kind)
        ours, theirs = detect(predictor, image), other(image)

        assert [found.name for found in ours] == [found["Name"] for found in theirs]
        for found, label in zip(ours, theirs, strict=True):
            assert label["Confidence"] == pytest.approx(found.confidence, abs=0.2)


def boxes_model(folder: Path) -> Path:
    """Places on a grid whose colour is their label; three crowded boxes for each place."""
    size, side, labels = 16, 4, 3
    places = side * side
    grid = np.array([[x, y, x + 1, y + 1] for y in range(side) for x in range(side)], dtype=np.float32) / side
    corners = np.concatenate([grid, grid * 0.98 + 0.01, grid * 0.5])[None]
    constants: dict[str, NDArray[Any]] = {
        "pool": np.full((3, 1, 4, 4), 1 / 16 / 255, dtype=np.float32),
        "flat": np.array([0, labels, places], dtype=np.int64),
        "less": np.array([[[1.0]], [[0.9]], [[0.5]]], dtype=np.float32).reshape(3, 1, 1),
        "shape": np.array([1, 3 * places, labels], dtype=np.int64),
        "corners_": corners,
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        node("Conv", ["planes", "pool"], ["means"], group=3, strides=[4, 4], kernel_shape=[4, 4]),
        node("Reshape", ["means", "flat"], ["by_place"]),
        node("Transpose", ["by_place"], ["cells"], perm=[0, 2, 1]),
        node("Mul", ["cells", "less"], ["crowd"]),
        node("Reshape", ["crowd", "shape"], ["scores"]),
        node("Identity", ["corners_"], ["corners"]),
    ]
    inputs = [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", size, size, 3])]
    outputs = [
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3 * places, labels]),
        helper.make_tensor_value_info("corners", TensorProto.FLOAT, ["n", 3 * places, 4]),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "grid", inputs, outputs, initializers),
        opset_imports=[helper.make_opsetid("", 18)],
    )
    model.ir_version = 10
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    write_card(folder, ModelCard(LABELS, (0.3, 0.4, 0.5), Preprocessing(size), BOXES))
    return folder


def test_the_graph_chooses_among_boxes_as_the_service_does(tmp_path: Path) -> None:
    folder = boxes_model(tmp_path / "model")
    predictor, other = Predictor.load(folder), taken(folder)

    for seed in range(6):
        ours, theirs = detect(predictor, drawn(seed)), other(drawn(seed))

        assert len(ours) > 10
        assert sorted(found.name for found in ours) == sorted(found["Name"] for found in theirs)
        places = {
            (found.name, found.box and tuple(np.round(found.box, 4))): found.confidence for found in ours
        }
        for label in theirs:
            box = label["Geometry"]["BoundingBox"]
            sides = tuple(np.round([box[side] for side in ("Left", "Top", "Width", "Height")], 4))
            assert places[label["Name"], sides] == pytest.approx(label["Confidence"], abs=0.5)
