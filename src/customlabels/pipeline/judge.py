"""The judge: reads what a training left in the output bucket, and says whether the version goes into service.

Layer: pipeline. On AWS `handler` is a Lambda function of its own, so this module and what it imports need
numpy and boto3 at most; locally the server calls `judged` on its own objects. Asking again is safe, after a
power cut too: the judgement is written anew, and a decision is counted once for each execution.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any, Protocol

from customlabels.errors import InvalidInput
from customlabels.evaluation import (
    Comparison,
    Evidence,
    Judgement,
    LabelFigures,
    Outcome,
    Recorded,
    compared,
    judge,
    read_recorded,
    rules_of,
)

SEED = 0
SUMMARY = "EvaluationResultSummary"


class Bucket(Protocol):
    """Objects, by bucket and key."""

    def read(self, bucket: str, key: str) -> bytes | None:
        """An object's bytes; None where there is none."""

    def write(self, bucket: str, key: str, data: bytes) -> None:
        """Put an object in place."""

    def keys(self, bucket: str, prefix: str) -> Iterable[str]:
        """The keys that start with `prefix`."""


class S3:
    """The objects of AWS."""

    def __init__(self) -> None:
        import boto3

        self._client = boto3.client("s3")

    def read(self, bucket: str, key: str) -> bytes | None:
        """An object's bytes; None where there is none."""
        try:
            body: bytes = self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None
        return body

    def write(self, bucket: str, key: str, data: bytes) -> None:
        """Put an object in place."""
        self._client.put_object(Bucket=bucket, Key=key, Body=data, ContentType="application/json")

    def keys(self, bucket: str, prefix: str) -> Iterable[str]:
        """The keys that start with `prefix`."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return (each["Key"] for page in pages for each in page.get("Contents", ()))


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """What Lambda calls."""
    return judged(event, S3())


def judged(event: Mapping[str, Any], objects: Bucket) -> dict[str, Any]:
    """Judge the version of the event and write the judgement; its decision and reasons.

    Raises InvalidInput where a rule cannot be read, or the documents of the training are not there.
    """
    config, version, place = event["Config"], event["Version"], event["Judgement"]
    rules = rules_of(config)
    documents = Documents.of_version(objects, version)
    recorded = documents.recorded()
    told = documents.read("Evidence")
    local: Mapping[str, Any] = json.loads(told) if told is not None else {}
    leaked = local.get("Leaked")
    if leaked is None and rules["ForbidLeakage"]:
        leaked = documents.leaked_by_name(recorded)
    comparison, not_compared = None, ""
    if rules["BetterThanDeployed"]:
        comparison, not_compared = _against(event.get("Current", {}), version, config, recorded, objects)
    evidence = Evidence(
        f1=float(version["EvaluationResult"]["F1Score"]),
        evaluation=recorded.evaluation(SEED),
        comparison=comparison,
        not_compared=not_compared,
        leaked=leaked,
        by_content="Leaked" in local,
        latency_milliseconds=local.get("LatencyMilliseconds"),
        model_megabytes=local.get("ModelMegabytes"),
        decisions=_decisions(objects, config, recorded.digest, event["ExecutionArn"]),
    )
    judgement = judge(rules, evidence)
    text = json.dumps(_told(event, recorded, evidence, judgement), indent=1, allow_nan=False)
    objects.write(place["Bucket"], place["Key"], text.encode())
    return {
        "Decision": judgement.decision,
        "Reasons": list(judgement.reasons),
        "Judgement": f"s3://{place['Bucket']}/{place['Key']}",
    }


class Documents:
    """The documents of one training, beside its evaluation summary."""

    def __init__(self, objects: Bucket, bucket: str, summary_key: str) -> None:
        self._objects, self._bucket, self._summary_key = objects, bucket, summary_key

    @classmethod
    def of_version(cls, objects: Bucket, version: Mapping[str, Any]) -> Documents:
        """Of a version as DescribeProjectVersions tells it."""
        place = version["EvaluationResult"]["Summary"]["S3Object"]
        return cls(objects, place["Bucket"], place["Name"])

    def key(self, kind: str) -> str:
        """The service gives all documents of a training one name, but for its beginning."""
        folder, slash, name = self._summary_key.rpartition("/")
        return f"{folder}{slash}{kind}{name.removeprefix(SUMMARY)}"

    def read(self, kind: str) -> bytes | None:
        """One document; None where the training left none."""
        return self._objects.read(self._bucket, self.key(kind))

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


def _against(
    current: Mapping[str, Any],
    version: Mapping[str, Any],
    config: Mapping[str, Any],
    recorded: Recorded,
    objects: Bucket,
) -> tuple[Comparison | None, str]:
    """The comparison with the version in service, or why there is none."""
    arn, name = current.get("ProjectVersionArn"), current.get("VersionName")
    if not arn or not name:
        return None, "no version of this project is in service."
    if arn == version["ProjectVersionArn"]:
        return None, "the version in service is this one."
    project = config["ProjectName"]
    key = f"{config['OutputPrefix']}/{project}/{name}/{SUMMARY}-{project}-{name}.json"
    try:
        return compared(recorded, Documents(objects, config["OutputBucket"], key).recorded(), SEED), ""
    except InvalidInput as error:
        return None, f"the version in service ({arn}) cannot be compared with: {error}."


def _decisions(objects: Bucket, config: Mapping[str, Any], digest: str, execution: str) -> int:
    """How many executions this test set has decided, this one included: an object for each."""
    bucket, folder = config["OutputBucket"], f"{config['OutputPrefix']}/test-sets/{digest[:32]}/"
    own = f"{folder}{sha256(execution.encode()).hexdigest()[:32]}.json"
    objects.write(bucket, own, json.dumps({"ExecutionArn": execution, "TestSet": digest}).encode())
    return len({own, *objects.keys(bucket, folder)})


def _told(
    event: Mapping[str, Any], recorded: Recorded, evidence: Evidence, judgement: Judgement
) -> dict[str, Any]:
    """The judgement as it is written."""
    evaluation, comparison = evidence.evaluation, evidence.comparison
    return {
        "Decision": judgement.decision,
        "Reasons": list(judgement.reasons),
        "Rules": list(map(_wire, judgement.outcomes)),
        "Warnings": list(judgement.warnings),
        "MoreTestImages": dict(judgement.more_images),
        "ProjectVersionArn": event["Version"]["ProjectVersionArn"],
        "ExecutionArn": event["ExecutionArn"],
        "Protocol": recorded.protocol,
        "TestSet": {"Digest": recorded.digest, "Images": evaluation.images, "Decisions": evidence.decisions},
        "F1Score": evaluation.f1,
        "F1ScoreInterval": {"Low": evaluation.f1_interval.low, "High": evaluation.f1_interval.high},
        "F1LowerBound": evidence.f1_low,
        "Labels": list(map(_label, evaluation.by_label)),
        "Comparison": None if comparison is None else _compared(comparison),
        "ComparedWith": event.get("Current", {}).get("ProjectVersionArn"),
    }


def _label(figures: LabelFigures) -> dict[str, Any]:
    told = _wire(figures)
    return told | {name: [each["low"], each["high"]] for name, each in told.items() if isinstance(each, dict)}


def _compared(comparison: Comparison) -> dict[str, Any]:
    told = _wire(comparison)
    interval = told.pop("Interval")
    return told | {"Low": interval["low"], "High": interval["high"]}


def _wire(figures: LabelFigures | Comparison | Outcome) -> dict[str, Any]:
    told = asdict(figures)
    return {"".join(map(str.capitalize, name.split("_"))): value for name, value in told.items()}
