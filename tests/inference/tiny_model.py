"""A model folder of three labels whose graph looks at the mean colour: red, green or blue.

The graph is what training exports, in small: uint8 pixels in, normalisation and softmax inside, scores out.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from customlabels.images import Preprocessing
from customlabels.inference import ModelCard, write_card

LABELS = ("red", "green", "blue")
THRESHOLDS = (0.5, 0.6, 0.4)


def graph(size: int, labels: int = 3, pixel_type: int = TensorProto.UINT8) -> onnx.ModelProto:
    """Mean over the pixels, scaled to 0..1, times 8, softmax: (n, size, size, 3) uint8 -> (n, 3) float."""
    constants: dict[str, NDArray[Any]] = {
        "axes": np.array([1, 2], dtype=np.int64),
        "scale": np.array(8 / 255, dtype=np.float32),
        "weights": np.eye(3, labels, dtype=np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["means"], keepdims=0),
        helper.make_node("Mul", ["means", "scale"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    inputs = [helper.make_tensor_value_info("images", pixel_type, ["n", size, size, 3])]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", labels])]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "mean_colour", inputs, outputs, initializers),
        opset_imports=[helper.make_opsetid("", 18)],
    )
    model.ir_version = 10
    return model


def fragile_graph(size: int) -> onnx.ModelProto:
    """The same, but an image that is mostly red ends in a fault of the runtime, as a broken kernel might."""
    model = graph(size)
    constants: dict[str, NDArray[Any]] = {
        "limit": np.array(200, dtype=np.float32),
        "channel": np.array([0], dtype=np.int64),
        "table": np.zeros(1, dtype=np.float32),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    model.graph.node[4].input[0] = "checked"
    softmax = model.graph.node.pop()
    model.graph.node.extend(
        [
            helper.make_node("Gather", ["means", "channel"], ["reds"], axis=1),
            helper.make_node("Div", ["reds", "limit"], ["share"]),
            helper.make_node("Cast", ["share"], ["place"], to=TensorProto.INT64),  # 0, or 1 beyond the limit
            helper.make_node("Gather", ["table", "place"], ["nothing"]),  # the table has one place only
            helper.make_node("Add", ["logits", "nothing"], ["checked"]),
            softmax,
        ]
    )
    return model


def write_model(folder: Path, size: int = 16, model: onnx.ModelProto | None = None) -> Path:
    """A whole model folder; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes((model or graph(size)).SerializeToString())
    (folder / "weights.safetensors").write_bytes(b"weights of the tests")
    write_card(folder, ModelCard(LABELS, THRESHOLDS, Preprocessing(size)))
    return folder
