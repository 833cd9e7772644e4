"""What a training is asked to do, what it tells while it runs, and what it ends with.

Layer: training. Plain values that pass between the server and the training process as JSON; no torch here.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from customlabels.errors import CustomLabelsError, InvalidInput
from customlabels.storage import ObjectAccessError, S3Endpoint

SHORTEST_BUDGET = 1.0  # seconds
STAGES = ("waiting", "reading", "planning", "validating", "learning", "exporting")  # as they follow


class InvalidTrainingSpec(InvalidInput):
    """A training that cannot be asked for; the text names the member and its rule."""


class TrainingCancelled(CustomLabelsError):
    """The training was stopped on request; what it had learned stays in its work folder."""


class TrainingFailed(CustomLabelsError):
    """A training that cannot succeed, because of its data, the machine or the network.

    code: ERROR_... of the service, or TRAINING_BRAND, TRAINING_CRASHED, TRAINING_EXPORT, TRAINING_SETUP
    output_keys: kind of document -> key of what was written before the end
    """

    def __init__(self, code: str, text: str, output_keys: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.output_keys = dict(output_keys or {})


@dataclass(frozen=True)
class TrainingSpec:
    """One training, whole: data, output, budget and seed.

    work_folder: belongs to this training alone; a second run with the same spec goes on where the first ended
    train_manifest, test_manifest: local JSON Lines files; without a test manifest 20 % of the training lines
        are kept for the test
    buckets: name -> local folder of images and output     foreign_buckets: other accounts', which are denied
    s3: where the other buckets are, None for nowhere
    output_prefix: may be empty, or end with a slash
    budget_seconds: wall time for reading, learning and export on this machine; None: as long as it helps
    backbone_folder: an earlier model's, whose weights (but those of its labels) are the start; or one
        of the hub (see `hub`); None: those that come with the package, learned from drawn images
    from_scratch: random weights instead
    plan: of an earlier training on the same data, to be followed instead of a new one; None: made here
    threads: at most, None for one a core; the plan may choose one
    processes: that learn together; None for one on each GPU, and one without any
    checkpoint_seconds: how much learning a power cut may cost
    """

    work_folder: Path
    train_manifest: Path
    test_manifest: Path | None
    buckets: Mapping[str, Path]
    output_bucket: str
    output_prefix: str
    project_name: str
    version_name: str
    version_arn: str
    foreign_buckets: Sequence[str] = ()
    s3: S3Endpoint | None = None
    budget_seconds: float | None = None
    seed: int = 0
    threads: int | None = None
    processes: int | None = None
    backbone_folder: Path | None = None
    from_scratch: bool = False
    plan: Mapping[str, Any] | None = None
    checkpoint_seconds: float = 20.0

    def __post_init__(self) -> None:
        for name in ("output_bucket", "project_name", "version_name", "version_arn"):
            if not getattr(self, name):
                raise InvalidTrainingSpec(f"{name} is empty; a training needs it")
        budget = self.budget_seconds
        if budget is not None and not (math.isfinite(budget) and budget >= SHORTEST_BUDGET):
            raise InvalidTrainingSpec(
                f"budget_seconds={budget}: at least {SHORTEST_BUDGET:g} seconds, or None"
            )
        if self.threads is not None and self.threads < 1:
            raise InvalidTrainingSpec(f"threads={self.threads}: at least 1, or None for one a core")
        if self.processes is not None and self.processes < 1:
            raise InvalidTrainingSpec(f"processes={self.processes}: at least 1, or None for one a GPU")
        if not 0 <= self.seed < 2**32:
            raise InvalidTrainingSpec(f"seed={self.seed}: a whole number from 0 to {2**32 - 1}")

    def folder(self, bucket: str) -> Path | None:
        """Where a bucket lies here, None for elsewhere; ObjectAccessError for another account's."""
        if bucket in self.foreign_buckets:
            raise ObjectAccessError(f"s3://{bucket}: the bucket is another account's")
        return self.buckets.get(bucket)

    def to_json(self) -> str:
        """One line of JSON; holds the endpoint's secret key: for a pipe, never for a file."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str | bytes) -> TrainingSpec:
        """From `to_json`; raises InvalidTrainingSpec for unknown, missing or impossible members."""
        try:
            value = json.loads(text)
            if unknown := set(value) - {member.name for member in fields(cls)}:
                raise InvalidTrainingSpec(f"unknown members of a training: {', '.join(sorted(unknown))}")
            value["buckets"] = {name: Path(folder) for name, folder in value["buckets"].items()}
            for name in ("work_folder", "train_manifest", "test_manifest", "backbone_folder"):
                value[name] = None if value[name] is None else Path(value[name])
            value["foreign_buckets"] = tuple(value["foreign_buckets"])
            value["s3"] = None if value["s3"] is None else S3Endpoint(**value["s3"])
            return cls(**value)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidTrainingSpec(f"not the JSON of a training: {error}") from error

    def digest(self) -> str:
        """SHA-256 over all that decides the result, the bytes of the manifests included.

        Threads, processes and budget count: they decide the plan. Places of the output and the endpoint do
        not.
        """
        told = hashlib.sha256()
        for manifest in (self.train_manifest, self.test_manifest):
            told.update(b"\0none" if manifest is None else manifest.read_bytes() + b"\0end")
        told.update(
            json.dumps(
                [
                    self.budget_seconds,
                    self.seed,
                    self.threads,
                    self.processes,
                    self.backbone_folder,
                    self.from_scratch,
                    self.plan,
                ],
                default=str,
            ).encode()
        )
        return told.hexdigest()

    def output_key(self, kind: str) -> str:
        """The key of a document: `<prefix>/<Kind>-<project>-<version>.json`; no slash without a prefix."""
        prefix = self.output_prefix.rstrip("/")
        name = f"{kind}-{self.project_name}-{self.version_name}.json"
        return f"{prefix}/{name}" if prefix else name


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    stage: one of STAGES     part of parts: of the nets that are learned one after the other
    epoch, step: of this part, from 0     steps: of this part     train_loss: smoothed
    validation_f1: 0..1, the last one measured, None before the first
    seconds_left: of the whole training, an estimate, None before the plan
    memory_bytes: of the training process
    """

    stage: str
    part: int = 1
    parts: int = 1
    epoch: int = 0
    step: int = 0
    steps: int = 0
    images_per_second: float | None = None
    train_loss: float | None = None
    validation_f1: float | None = None
    seconds_left: float | None = None
    memory_bytes: int = 0


@dataclass(frozen=True)
class TrainingOutcome:
    """A trained model and its figures.

    f1: mean of labels on the test images, thresholds from the training data; 0..1     f1_interval: 95 %
    kind: single-label, multi-label or boxes
    summary_key, output_keys (kind -> key): in the output bucket
    seconds: wall time in the training process, over all its runs
    """

    artefact_folder: Path
    f1: float
    f1_interval: tuple[float, float]
    summary_key: str
    output_keys: Mapping[str, str]
    seconds: float
    kind: str
    labels: tuple[str, ...]
    training_images: int

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` takes back."""
        return {**asdict(self), "artefact_folder": str(self.artefact_folder)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TrainingOutcome:
        """From `to_json`."""
        low, high = value["f1_interval"]
        folder, labels = Path(value["artefact_folder"]), tuple(value["labels"])
        return cls(**{**value, "artefact_folder": folder, "labels": labels, "f1_interval": (low, high)})
