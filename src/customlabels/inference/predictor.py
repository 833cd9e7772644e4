"""Scores from a model folder, by ONNX Runtime on the CPU.

Layer: inference.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from customlabels.images import ImageLimits, Preprocessing, prepared
from customlabels.inference.cards import GRAPH, ArtefactError, ModelCard, read_card

__all__ = ["Predictor"]

BATCH = 32  # bounds memory; on CPUs larger batches are no faster


class Predictor:
    """A loaded model; each call takes its own memory, so threads may share one."""

    def __init__(self, folder: Path, card: ModelCard, session: onnxruntime.InferenceSession) -> None:
        self._path, self._session = folder / GRAPH, session
        self._input, self._output = _checked_ends(self._path, card, session)
        self.card = card

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> "Predictor":
        """Load a model folder; `threads` work on one call. Raises ArtefactError, naming the file at fault."""
        card = read_card(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3  # errors only: warnings tell of the graph, which was checked at export
        # Threads that wait must not burn the core that the next unit needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = folder / GRAPH
        try:
            session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's own errors share no family
            raise ArtefactError(path, f"cannot be loaded: {error}") from error
        return cls(folder, card, session)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names in the order of the scores."""
        return self.card.labels

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """(labels,) float, 0..1: the cut of each label when a request names none."""
        return np.array(self.card.thresholds, dtype=np.float64)

    @property
    def preprocessing(self) -> Preprocessing:
        """How images are prepared for the graph."""
        return self.card.preprocessing

    def scores(self, images: Sequence[bytes], limits: ImageLimits | None = None) -> NDArray[np.float32]:
        """Scores of image files: (images, labels) float32, 0..1; ImageError for one that is unusable."""
        batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
        scored = [
            self.scores_of(np.stack([prepared(image, self.preprocessing, limits) for image in batch]))
            for batch in batches
        ]
        return np.concatenate([np.zeros((0, len(self.labels)), dtype=np.float32), *scored])

    def scores_of(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Scores of prepared images in one run.

        pixels: (images, size, size, 3) uint8, RGB      returns (images, labels) float32, 0..1
        """
        (raw,) = self._session.run([self._output], {self._input: pixels})
        scores = np.asarray(raw, dtype=np.float32)
        if scores.shape != (len(pixels), len(self.labels)) or not np.isfinite(scores).all():
            raise ArtefactError(self._path, f"gave no usable scores: shape {scores.shape}")
        return np.clip(scores, 0.0, 1.0)  # softmax may pass 1 by a rounding


def _checked_ends(path: Path, card: ModelCard, session: onnxruntime.InferenceSession) -> tuple[str, str]:
    """Names of the graph's one input and one output, whose types and fixed sizes fit the card."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    size = card.preprocessing.size
    if len(inputs) != 1 or inputs[0].type != "tensor(uint8)" or list(inputs[0].shape[1:]) != [size, size, 3]:
        found = [(end.type, end.shape) for end in inputs]
        raise ArtefactError(path, f"takes {found}; the card asks for uint8 (n, {size}, {size}, 3)")
    if len(outputs) != 1 or outputs[0].type != "tensor(float)" or len(outputs[0].shape) != 2:
        found = [(end.type, end.shape) for end in outputs]
        raise ArtefactError(path, f"gives {found}; the card asks for float (n, {len(card.labels)})")
    if outputs[0].shape[1] != len(card.labels):
        raise ArtefactError(
            path, f"gives {outputs[0].shape[1]} scores an image for {len(card.labels)} labels"
        )
    return inputs[0].name, outputs[0].name
