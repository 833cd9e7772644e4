"""Training: from two manifests to a model folder and the service's output documents, in a process of its own.

Layer: above inference and datasets. torch is imported by the training process alone, never through this door.
"""

from typing import TYPE_CHECKING

from customlabels.doors import later

if TYPE_CHECKING:
    from customlabels.training.estimating import estimate
    from customlabels.training.hub import fetch, fetched, holds_weights
    from customlabels.training.launcher import train
    from customlabels.training.samples import SAMPLES, write_sample
    from customlabels.training.spec import (
        InvalidTrainingSpec,
        Progress,
        TrainingCancelled,
        TrainingFailed,
        TrainingOutcome,
        TrainingSpec,
    )
else:
    __getattr__ = later(__name__)

__all__ = [
    "SAMPLES",
    "InvalidTrainingSpec",
    "Progress",
    "TrainingCancelled",
    "TrainingFailed",
    "TrainingOutcome",
    "TrainingSpec",
    "estimate",
    "fetch",
    "fetched",
    "holds_weights",
    "train",
    "write_sample",
]
