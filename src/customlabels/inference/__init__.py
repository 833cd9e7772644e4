"""Inference: a trained model as a folder of files, and answers from it.

Layer: above images. Knows ONNX Runtime, never imports torch; knows nothing of projects or processes.
"""

from customlabels.inference.cards import FORMAT_VERSION, ArtefactError, ModelCard, read_card, write_card
from customlabels.inference.finding import Found, detect, found_labels
from customlabels.inference.predictor import Predictor

__all__ = [
    "FORMAT_VERSION",
    "ArtefactError",
    "Found",
    "ModelCard",
    "Predictor",
    "detect",
    "found_labels",
    "read_card",
    "write_card",
]
