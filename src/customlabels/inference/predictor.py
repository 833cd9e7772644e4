"""Scores from a model folder, by ONNX Runtime on the CPU, or by OpenVINO where that is the same and faster.

Layer: inference.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from customlabels.evaluation import Boxes
from customlabels.images import ImageLimits, Preprocessing, prepared
from customlabels.inference.cards import BOXES, GRAPH, ArtefactError, ModelCard, read_card
from customlabels.inference.engines import Run, openvino_run
from customlabels.inference.suppression import kept_boxes

BATCH = 32  # bounds memory; on CPUs larger batches are no faster


class Predictor:
    """A loaded model; each call takes its own memory, so threads may share one."""

    def __init__(
        self,
        folder: Path,
        card: ModelCard,
        session: onnxruntime.InferenceSession,
        threads: int,
        *,
        fastest: bool,
    ) -> None:
        self._path = folder / GRAPH
        name = _checked_ends(self._path, card, session)
        self.card, self.engine = card, "onnxruntime"
        self._run: Run = lambda pixels: session.run(None, {name: pixels})
        shape = (card.preprocessing.rows, card.preprocessing.size)
        if fastest and (run := openvino_run(self._path, shape, threads, self._run)) is not None:
            self._run, self.engine = run, "openvino"

    @classmethod
    def load(cls, folder: Path, threads: int = 1, *, fastest: bool = False) -> "Predictor":
        """Load a model folder; `threads` work on one call. Raises ArtefactError, naming the file at fault.

        fastest: by another engine where one is installed and agrees (see `engines`); then one call at a time.
        """
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
        return cls(folder, card, session, threads, fastest=fastest)

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
        scored = [self.scores_of(pixels) for pixels in self._prepared(images, limits)]
        return np.concatenate([np.zeros((0, len(self.labels)), dtype=np.float32), *scored])

    def boxes(self, images: Sequence[bytes], limits: ImageLimits | None = None) -> list[Boxes]:
        """The boxes in image files, of a model that finds boxes; errors of `scores`."""
        return [boxes for pixels in self._prepared(images, limits) for boxes in self.boxes_of(pixels)]

    def _prepared(self, images: Sequence[bytes], limits: ImageLimits | None) -> Iterator[NDArray[np.uint8]]:
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            yield np.stack([prepared(image, self.preprocessing, limits) for image in batch])

    def scores_of(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Scores of prepared images in one run.

        pixels: (images, height, width, 3) uint8, RGB      returns (images, labels) float32, 0..1
        """
        (scores,) = self.raw(pixels)
        return np.clip(scores, 0.0, 1.0)  # softmax may pass 1 by a rounding

    def boxes_of(self, pixels: NDArray[np.uint8]) -> list[Boxes]:
        """Boxes of prepared images, one of several on the same thing; pixels as in `scores_of`."""
        scores, corners = self.raw(pixels)
        return [kept_boxes(*each) for each in zip(np.clip(scores, 0.0, 1.0), corners, strict=True)]

    def raw(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """What the graph gives, checked: one array an output, each (images, ...) float32."""
        arrays = [np.asarray(raw, dtype=np.float32) for raw in self._run(pixels)]
        if not all(len(array) == len(pixels) and np.isfinite(array).all() for array in arrays):
            shapes = [array.shape for array in arrays]
            raise ArtefactError(self._path, f"gave no usable scores: shapes {shapes}")
        return arrays


def _checked_ends(path: Path, card: ModelCard, session: onnxruntime.InferenceSession) -> str:
    """The name of the graph's one input; its type, and those and the sizes of the outputs, fit the card."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    height, width, labels = card.preprocessing.rows, card.preprocessing.size, len(card.labels)
    if (
        len(inputs) != 1
        or inputs[0].type != "tensor(uint8)"
        or list(inputs[0].shape[1:]) != [height, width, 3]
    ):
        found = [(end.type, end.shape) for end in inputs]
        raise ArtefactError(path, f"takes {found}; the card asks for uint8 (n, {height}, {width}, 3)")
    ranks, lasts = ([3, 3], [labels, 4]) if card.kind == BOXES else ([2], [labels])
    found = [(end.type, end.shape) for end in outputs]
    if [len(end.shape) for end in outputs] != ranks or {end.type for end in outputs} != {"tensor(float)"}:
        wanted = "float (n, places, labels) and (n, places, 4)" if card.kind == BOXES else "float (n, labels)"
        raise ArtefactError(path, f"gives {found}; the card asks for {wanted}")
    if [end.shape[-1] for end in outputs] != lasts:
        raise ArtefactError(path, f"gives {outputs[0].shape[-1]} scores each for {labels} labels")
    return str(inputs[0].name)
