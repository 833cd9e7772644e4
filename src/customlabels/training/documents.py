"""The documents that a training leaves in the output bucket, under the service's names.

Layer: training; no torch. Each is written whole; writing one again changes nothing but its time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from customlabels.storage import Objects, StorageError
from customlabels.training.spec import TrainingFailed, TrainingSpec

Kind = Literal[
    "EvaluationResultSummary",
    "Evidence",
    "ManifestSummary",
    "TestingGroundTruth",
    "TestingManifestWithValidation",
    "TrainingRecord",  # ours
    "TrainingGroundTruth",
    "TrainingManifestWithValidation",
]


@dataclass
class Documents:
    """Writes documents and remembers their keys by their kind."""

    spec: TrainingSpec
    objects: Objects
    keys: dict[str, str] = field(default_factory=dict)

    def write(self, kind: Kind, value: Mapping[str, Any]) -> None:
        """Write one JSON object; raises TrainingFailed where the bucket refuses."""
        self._write(kind, json.dumps(value, indent=1, allow_nan=False))

    def write_lines(self, kind: Kind, lines: Iterable[str]) -> None:
        """Write JSON Lines; raises TrainingFailed where the bucket refuses."""
        self._write(kind, "".join(f"{line}\n" for line in lines))

    def _write(self, kind: Kind, text: str) -> None:
        key = self.spec.output_key(kind)
        try:
            self.objects.write(self.spec.output_bucket, key, text.encode())
        except StorageError as error:
            words = f"Unable to write to output S3 bucket. ({error})"
            raise TrainingFailed("ERROR_CANNOT_WRITE_OUTPUT_S3_BUCKET", words) from error
        self.keys[kind] = key


class Unwritten(Documents):
    """Of a process that works beside the one that writes them."""

    def _write(self, kind: Kind, text: str) -> None:
        """Nothing."""
