"""The documents that a training leaves in the output bucket, under the service's names.

Layer: training; no torch. Each is written whole; writing one again changes nothing but its time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from customlabels.storage import StorageError
from customlabels.training.spec import TrainingFailed, TrainingSpec

__all__ = [
    "MANIFEST_SUMMARY",
    "SUMMARY",
    "TESTING_MANIFEST",
    "TESTING_TRUTH",
    "TRAINING_MANIFEST",
    "TRAINING_TRUTH",
    "Documents",
]

SUMMARY = "EvaluationResultSummary"
TESTING_TRUTH, TRAINING_TRUTH = "TestingGroundTruth", "TrainingGroundTruth"
TESTING_MANIFEST, TRAINING_MANIFEST = "TestingManifestWithValidation", "TrainingManifestWithValidation"
MANIFEST_SUMMARY = "ManifestSummary"

WriteOutput = Callable[[str, bytes], None]


@dataclass
class Documents:
    """Writes documents by their kind and remembers their keys. write_output: takes key and bytes"""

    spec: TrainingSpec
    write_output: WriteOutput
    keys: dict[str, str] = field(default_factory=dict)

    def write(self, kind: str, data: bytes) -> None:
        """Write one document; raises TrainingFailed where the bucket refuses."""
        key = self.spec.output_key(kind)
        try:
            self.write_output(key, data)
        except StorageError as error:
            text = f"Unable to write to output S3 bucket. ({error})"
            raise TrainingFailed("ERROR_CANNOT_WRITE_OUTPUT_S3_BUCKET", text) from error
        self.keys[kind] = key

    def write_json(self, kind: str, value: Mapping[str, Any]) -> None:
        """Write one JSON object."""
        self.write(kind, json.dumps(value, indent=1, allow_nan=False).encode())

    def write_lines(self, kind: str, values: Iterable[Mapping[str, Any] | str]) -> None:
        """Write JSON Lines; texts stand as they are."""
        texts = (value if isinstance(value, str) else json.dumps(value) for value in values)
        self.write(kind, "".join(f"{text}\n" for text in texts).encode())
