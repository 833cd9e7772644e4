"""A model to take away: one graph from a decoded image of any size to labels, and a server of thirty lines.

Layer: inference. Needs the package onnx, which comes with the extra `train`. What the service does around the
graph is inside: resizing, the choice among boxes, thresholds. Decoding is left to whoever uses it.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from customlabels.inference.cards import BOXES, CARD, GRAPH, ArtefactError, ModelCard, read_card
from customlabels.inference.suppression import LEAST_SCORE, MOST_BOXES, SAME_THING

SERVER = Path(__file__).with_name("taken_away.py")


def exported_files(folder: Path) -> dict[str, bytes]:
    """The files of an export by name, from a model folder. Raises ArtefactError."""
    card = read_card(folder)
    try:
        import onnx  # noqa: F401 - whether it is there: the graph is made with it
    except ImportError as error:
        raise ArtefactError(folder / GRAPH, "exporting needs: pip install 'customlabels[train]'") from error
    ends = {"input": "image: uint8 (height, width, 3), RGB", "outputs": _outputs(card)}
    return {
        GRAPH: _whole_graph(folder, card),
        CARD: json.dumps(asdict(card) | {"graph": ends}, indent=1).encode(),
        "labels.txt": "".join(f"{label}\n" for label in card.labels).encode(),
        "server.py": SERVER.read_bytes(),
    }


def _outputs(card: ModelCard) -> dict[str, str]:
    found = {"scores": "float, 0..1", "found": "bool: the score reaches its label's threshold"}
    if card.kind != BOXES:
        return found
    places = "float (n, 4): left, top, right, bottom as shares of the sides"
    return {"labels": "int64 (n,): places in labels.txt"} | found | {"corners": places}


def _whole_graph(folder: Path, card: ModelCard) -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_model_from_string((folder / GRAPH).read_bytes())
    graph, how = model.graph, card.preprocessing
    said = [output.name for output in graph.output]
    for node in graph.node:  # what the model says gives its names to what the export says
        for names in (node.input, node.output):
            names[:] = [f"{name}_said" if name in said else name for name in names]
    after = BOXES_AFTER if card.kind == BOXES else LABELS_AFTER
    steps = [
        ("Resize", "image . . size", "resized", {"axes": [0, 1], "antialias": 1, "mode": "linear"}),
        ("Unsqueeze", "resized first", graph.input[0].name, {}),
        *((step, inputs.format(*said), outputs, options) for step, inputs, outputs, options in after),
    ]
    nodes = [
        helper.make_node(step, inputs.replace(" .", " ").split(" "), outputs.split(), **options)
        for step, inputs, outputs, options in steps
    ]
    constants = {
        "size": np.array([how.rows, how.size], dtype=np.int64),
        "thresholds": np.array(card.thresholds, dtype=np.float64),
        **CONSTANTS,
    }
    whole = [*nodes[:2], *graph.node, *nodes[2:]]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(whole)
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ["height", "width", 3]))
    many: list[Any] = ["boxes"] if card.kind == BOXES else [len(card.labels)]
    for name in _outputs(card):
        kind = {"labels": TensorProto.INT64, "found": TensorProto.BOOL}.get(name, TensorProto.FLOAT)
        shape = [*many, 4] if name == "corners" else many
        graph.output.append(helper.make_tensor_value_info(name, kind, shape))
    used = {name for node in whole for name in node.input}
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items() if name in used
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


DOUBLE = 11  # of TensorProto: thresholds are compared in float64, as the service does
CONSTANTS: dict[str, Any] = {
    "first": np.array([0], dtype=np.int64),
    "zero": np.array(0, dtype=np.float32),
    "one": np.array(1, dtype=np.float32),
    "column_1": np.array(1, dtype=np.int64),
    "column_2": np.array(2, dtype=np.int64),
    "most": np.array([MOST_BOXES], dtype=np.int64),
    "same": np.array([SAME_THING], dtype=np.float32),
    "least": np.array([LEAST_SCORE], dtype=np.float32),
}
# Operator, inputs, outputs, options; {0}, {1}: the model's outputs.
Step = tuple[str, str, str, dict[str, Any]]
LABELS_AFTER: tuple[Step, ...] = (
    ("Squeeze", "{0}_said first", "unbound", {}),
    ("Clip", "unbound zero one", "scores", {}),
    ("Cast", "scores", "exact", {"to": DOUBLE}),
    ("GreaterOrEqual", "exact thresholds", "found", {}),
)
BOXES_AFTER: tuple[Step, ...] = (
    ("Clip", "{0}_said zero one", "bounded", {}),
    ("Transpose", "bounded", "by_label", {"perm": [0, 2, 1]}),
    ("NonMaxSuppression", "{1}_said by_label most same least", "kept", {}),
    ("GatherND", "by_label kept", "kept_scores", {}),
    ("Shape", "kept_scores", "how_many", {}),
    ("Min", "how_many most", "best_many", {}),
    ("TopK", "kept_scores best_many", "scores order", {}),
    ("Gather", "kept order", "best", {}),
    ("Gather", "best column_1", "labels", {"axis": 1}),
    ("Gather", "best column_2", "places", {"axis": 1}),
    ("Squeeze", "{1}_said first", "all_corners", {}),
    ("Gather", "all_corners places", "corners", {}),
    ("Gather", "thresholds labels", "cuts", {}),
    ("Cast", "scores", "exact", {"to": DOUBLE}),
    ("GreaterOrEqual", "exact cuts", "found", {}),
)
