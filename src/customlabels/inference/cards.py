"""The folder of a trained model, and the card in it that says what the files are.

    model.json             the card: labels, thresholds, preprocessing, digests, metrics, environment
    model.onnx             what is served: uint8 (n, height, width, 3) RGB in, scores (n, labels) 0..1 out;
                           for boxes scores (n, places, labels) and corners (n, places, 4), all float;
                           normalisation, calibration and softmax are inside the graph
    weights.safetensors    the source of the graph, for training on; not read by serving

Layer: inference. The card is written last, beside its place, then renamed: a folder with a card is whole.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from customlabels.errors import CustomLabelsError
from customlabels.images import ImageError, Preprocessing

FORMAT_VERSION = 1
SINGLE_LABEL, MULTI_LABEL, BOXES = KINDS = ("single-label", "multi-label", "boxes")
CARD, GRAPH, WEIGHTS = "model.json", "model.onnx", "weights.safetensors"


class ArtefactError(CustomLabelsError):
    """A model folder that cannot be used; `path` is the file at fault."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


@dataclass(frozen=True)
class ModelCard:
    """What a model is and how it was made.

    kind: one label an image, several labels an image, or boxes
    labels: in the order of the graph's scores      thresholds: one a label, 0..1, on the same scale as scores
    digests: file name -> SHA-256 in hex; filled in by `write_card`
    metrics, environment, card: free JSON objects: figures, versions of what trained it, anything else
    """

    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    preprocessing: Preprocessing
    kind: str = SINGLE_LABEL
    digests: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}, not {self.kind!r}")
        if not self.labels or not all(isinstance(label, str) and label for label in self.labels):
            raise ValueError(f"labels are names, at least one: {self.labels!r}")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels must differ: {self.labels!r}")
        if len(self.thresholds) != len(self.labels):
            raise ValueError(f"{len(self.labels)} labels need as many thresholds, not {len(self.thresholds)}")
        if not all(_is_share(threshold) for threshold in self.thresholds):
            raise ValueError(f"thresholds are numbers from 0 to 1: {self.thresholds!r}")


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= 1


def write_card(folder: Path, card: ModelCard) -> ModelCard:
    """Complete a folder that holds model.onnx (and weights.safetensors); returns the card with its digests.

    After a power failure there is either no card or the whole one. Raises ArtefactError without a graph.
    """
    names = [name for name in (GRAPH, WEIGHTS) if (folder / name).exists()]
    if GRAPH not in names:
        raise ArtefactError(folder / GRAPH, "is missing; export the graph before writing the card")
    complete = replace(card, digests={name: _digest(folder / name) for name in names})
    text = json.dumps({"format": FORMAT_VERSION, **asdict(complete)}, indent=1, allow_nan=False)
    unfinished = folder / f"{CARD}.new"
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder / CARD)
    return complete


def read_card(folder: Path) -> ModelCard:
    """The card of a model folder; every file it names is there and has its digest, else ArtefactError."""
    path = folder / CARD
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise ArtefactError(path, f"cannot be read ({error.strerror}); is this a model folder?") from error
    except ValueError as error:
        raise ArtefactError(path, f"is not JSON: {error}") from error
    card = _parsed(path, value)
    if GRAPH not in card.digests:
        raise ArtefactError(path, f"names no digest for {GRAPH}")
    for name, expected in card.digests.items():
        _verify(folder / name, expected)
    return card


def _parsed(path: Path, value: Any) -> ModelCard:
    if not isinstance(value, dict):
        raise ArtefactError(path, "is not a JSON object")
    version = value.pop("format", None)
    if version != FORMAT_VERSION:
        known = f"this program reads format {FORMAT_VERSION}"
        way_out = "update it" if isinstance(version, int) and version > FORMAT_VERSION else "train it again"
        raise ArtefactError(path, f"has format {version!r}; {known}: {way_out}")
    try:
        preprocessing = Preprocessing.from_json(value.pop("preprocessing"))
        labels, thresholds = tuple(value.pop("labels")), tuple(value.pop("thresholds"))
        card = ModelCard(labels=labels, thresholds=thresholds, preprocessing=preprocessing, **value)
    except (ImageError, KeyError, TypeError, ValueError) as error:
        raise ArtefactError(path, f"does not describe a model: {error}") from error
    if not set(card.digests) <= {GRAPH, WEIGHTS}:  # also keeps a crafted card from naming files elsewhere
        raise ArtefactError(path, f"names files that a model does not have: {sorted(card.digests)}")
    return card


def _verify(path: Path, expected: str) -> None:
    if not path.is_file():
        raise ArtefactError(path, "is missing, though the card names it")
    found = _digest(path)
    if found != expected:
        raise ArtefactError(path, f"was changed: its SHA-256 is {found}, the card says {expected}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
