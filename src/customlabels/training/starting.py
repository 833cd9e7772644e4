"""What a net of our own begins with: weights that come with the package, an earlier model's, or chance.

Layer: training (torch). The package's were learned from images that our own code draws (`pretraining/` of
the repository): they are nobody else's, and know nothing of anybody's data. The layer that names the labels
always begins by chance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from customlabels.inference import BOXES, WEIGHTS
from customlabels.training.checkpoints import read_tensors
from customlabels.training.learning import Lesson
from customlabels.training.plan import Course
from customlabels.training.spec import TrainingFailed

Start = Callable[[Course], Mapping[str, Tensor]]  # weights that take the place of random ones
DRAWN = Path(__file__).parent / "weights"


def start_of_own(
    lesson: Lesson, kind: str, earlier: Path | None, *, from_scratch: bool
) -> tuple[Start, dict[str, Any] | None]:
    """Of a net of ours; and what the model's card says of where it began, None for chance.

    earlier: folder of an earlier model; None for the weights that come with the package
    Raises TrainingFailed for an earlier model that is another net's.
    """
    if earlier is not None:
        file, name = earlier / WEIGHTS, earlier.name
    elif from_scratch:
        return lambda _course: {}, None
    else:
        file, name = DRAWN / f"{'boxes' if kind == BOXES else 'labels'}.safetensors", "drawn images"
    kept, digest = read_but_labels(file)
    own = _but_labels(lesson.net().state_dict())
    shapes = ({key: tensor.shape for key, tensor in weights.items()} for weights in (kept, own))
    if next(shapes) != next(shapes):
        text = f"the weights in {file.parent} are not those of a net of ours for this kind of data"
        raise TrainingFailed("TRAINING_SETUP", text)
    exact = {key: tensor.to(own[key].dtype) for key, tensor in kept.items()}  # shipped with 16 bits
    return lambda _course: exact, {"name": name, "digest": digest}


def read_but_labels(file: Path) -> tuple[dict[str, Tensor], str]:
    """The weights of a net of ours, but for the layer that names the labels; and the digest of their file.

    Raises TrainingFailed for a file that cannot be read.
    """
    try:
        found, _told = read_tensors(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except (OSError, SafetensorError) as error:
        text = f"the backbone in {file.parent} cannot be read: {error}"
        raise TrainingFailed("TRAINING_SETUP", text) from error
    return _but_labels(found), digest


def _but_labels(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in weights.items() if not key.startswith("head.")}
