"""From the trained net to the graph that is served, and the proof that both say the same.

Layer: training (torch).
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from customlabels.inference import Predictor
from customlabels.training.network import Served
from customlabels.training.spec import TrainingFailed

__all__ = ["COMPARED", "check_agreement", "export_graph"]

OPSET = 18
LARGEST_DIFFERENCE = 1e-3  # of a score; measured: about 1e-7
COMPARED = 32  # images


def export_graph(served: Served, side: int, path: Path) -> None:
    """Write model.onnx: uint8 (n, side, side, 3) in, float (n, labels) out, any n. Raises TrainingFailed."""
    served.eval()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    example = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter's own use of deprecated names
            torch.onnx.export(
                served,
                (example,),
                path,
                dynamo=True,
                external_data=False,
                opset_version=OPSET,
                input_names=["images"],
                output_names=["scores"],
                dynamic_shapes={"images": {0: batch}},
                verbose=False,
            )
    except Exception as error:  # the exporter's errors share no family; whatever it is, there is no model
        raise TrainingFailed(
            "TRAINING_EXPORT", f"the trained model could not be exported: {error}"
        ) from error


def check_agreement(served: Served, predictor: Predictor, images: NDArray[np.uint8]) -> float:
    """The largest difference of a score between torch and the graph, on up to 32 images.

    images: (n, side, side, 3) uint8. Raises TrainingFailed where it is too large.
    """
    some = np.ascontiguousarray(images[:COMPARED])
    with torch.inference_mode():
        expected = served(torch.from_numpy(some)).numpy()
    difference = float(np.abs(predictor.scores_of(some) - expected).max(initial=0.0))
    if difference > LARGEST_DIFFERENCE:
        text = f"the exported model differs from the trained one by {difference:.2g} in a score; at most "
        raise TrainingFailed(
            "TRAINING_EXPORT", f"{text}{LARGEST_DIFFERENCE:g} is allowed. Nothing was released"
        )
    return difference
