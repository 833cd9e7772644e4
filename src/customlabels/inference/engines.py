"""OpenVINO on the same graph: where it is installed, and only where it says what ONNX Runtime says.

Layer: inference. On processors with AMX it computes in bfloat16, about twice as fast; the scores of our own
nets then differ in the fourth place. Each load compares the two on images drawn here, and keeps ONNX Runtime
where they part.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_DIFFERENCE = 1e-3  # of a score or a corner: what a training allows its graph
DRAWN = 8  # images
ENGINE = "CUSTOMLABELS_ENGINE"  # `onnxruntime` keeps OpenVINO out

Run = Callable[[NDArray[np.uint8]], Sequence[Any]]


def openvino_run(path: Path, shape: tuple[int, int], threads: int, reference: Run) -> Run | None:
    """What runs the graph instead of `reference`; None where OpenVINO is absent, unwanted or disagrees.

    shape: rows and columns of an image
    """
    if os.environ.get(ENGINE) == "onnxruntime" or find_spec("openvino") is None:
        return None
    import openvino

    limits = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    try:
        request = openvino.Core().compile_model(path, "CPU", limits).create_infer_request()
    except RuntimeError:  # a graph with operators that it does not have
        return None

    def run(pixels: NDArray[np.uint8]) -> Sequence[Any]:
        return list(request.infer([pixels]).values())

    images = _drawn(shape)
    pairs = [pair for image in images for pair in zip(run(image), reference(image), strict=True)]
    agree = all(
        one.shape == other.shape and np.abs(one - other).max(initial=0.0) <= LARGEST_DIFFERENCE
        for one, other in pairs
    )
    return run if agree else None


def _drawn(shape: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Coarse to fine patterns of colours, always the same."""
    chance = np.random.default_rng(0)
    images = []
    for number in range(DRAWN):
        cells = 2 ** (1 + number % 4)
        colours = chance.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        rows, columns = (np.arange(side) * cells // side for side in shape)
        images.append(colours[rows][:, columns][None])
    return images
