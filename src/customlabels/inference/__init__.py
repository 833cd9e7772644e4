"""Inference: a trained model as a folder of files, and answers from it.

Layer: above images. Knows ONNX Runtime, never imports torch; knows nothing of projects or processes.
"""

from typing import TYPE_CHECKING

from customlabels.doors import later

if TYPE_CHECKING:
    from customlabels.inference.cards import (
        BOXES,
        KINDS,
        MULTI_LABEL,
        SINGLE_LABEL,
        WEIGHTS,
        ArtefactError,
        ModelCard,
        read_card,
        write_card,
    )
    from customlabels.inference.exporting import exported_files
    from customlabels.inference.finding import detect, found_boxes, found_labels
    from customlabels.inference.found import Found
    from customlabels.inference.predictor import Predictor
    from customlabels.inference.suppression import kept_boxes
else:
    __getattr__ = later(__name__)

__all__ = [
    "BOXES",
    "KINDS",
    "MULTI_LABEL",
    "SINGLE_LABEL",
    "WEIGHTS",
    "ArtefactError",
    "Found",
    "ModelCard",
    "Predictor",
    "detect",
    "exported_files",
    "found_boxes",
    "found_labels",
    "kept_boxes",
    "read_card",
    "write_card",
]
