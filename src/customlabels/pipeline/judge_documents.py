"""The documents that a training leaves in the output bucket, as the judge reads them.

Layer: pipeline; numpy at most, as the judge.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from customlabels.errors import InvalidInput
from customlabels.evaluation import Recorded, read_recorded
from customlabels.pipeline.judge_objects import Reader

SUMMARY = "EvaluationResultSummary"


class Documents:
    """The documents of one training, beside its evaluation summary."""

    def __init__(self, objects: Reader, bucket: str, summary_key: str, limit: int | None = None) -> None:
        self._objects, self._bucket, self._summary_key, self._limit = objects, bucket, summary_key, limit

    @classmethod
    def of_version(cls, objects: Reader, version: Mapping[str, Any], limit: int | None = None) -> Documents:
        """Of a version as DescribeProjectVersions tells it. limit: bytes of a document that are read"""
        place = version["EvaluationResult"]["Summary"]["S3Object"]
        return cls(objects, place["Bucket"], place["Name"], limit)

    def key(self, kind: str) -> str:
        """The service gives all documents of a training one name, but for its beginning."""
        folder, slash, name = self._summary_key.rpartition("/")
        return f"{folder}{slash}{kind}{name.removeprefix(SUMMARY)}"

    def read(self, kind: str) -> bytes | None:
        """One document; None where the training left none."""
        return self._objects.read(self._bucket, self.key(kind), limit=self._limit)

    def recorded(self) -> Recorded:
        """Predictions, truth and thresholds. Raises InvalidInput where they are not there."""
        found = {kind: self.read(kind) for kind in (SUMMARY, "TestingGroundTruth")}
        missing = [f"s3://{self._bucket}/{self.key(kind)}" for kind, text in found.items() if text is None]
        if missing:
            raise InvalidInput(f"the evaluation is not in the output bucket: {', '.join(missing)}")
        try:
            summary = json.loads(found[SUMMARY] or b"")
            lines = [json.loads(line) for line in (found["TestingGroundTruth"] or b"").splitlines() if line]
        except ValueError as error:
            raise InvalidInput(f"s3://{self._bucket}/{self.key(SUMMARY)}: {error}") from error
        return read_recorded(summary, lines)

    def leaked_by_name(self, recorded: Recorded) -> list[str] | None:
        """Test images whose address is a training image's; None where the training left no list of them."""
        text = self.read("TrainingGroundTruth")
        if text is None:
            return None
        trained = {json.loads(line).get("source-ref") for line in text.splitlines() if line}
        return sorted(trained.intersection(recorded.source_refs))
