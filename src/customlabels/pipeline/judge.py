"""The judge: reads what a training left in the output bucket, and says whether the version goes into service.

Layer: pipeline. On AWS `handler` is a Lambda function of its own, so this module and what it imports need
numpy and boto3 at most; locally the server calls `judged` on its own objects. Asking again is safe, after a
power cut too: the judgement is written anew, and a version is counted once for its test set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

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
    rules_of,
)
from customlabels.pipeline.judge_documents import SUMMARY, Documents
from customlabels.pipeline.judge_objects import S3, Bucket
from customlabels.pipeline.judge_wear import versions_judged

SEED = 0


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """What Lambda calls."""
    return judged(event, S3())


def judged(event: Mapping[str, Any], objects: Bucket) -> dict[str, Any]:
    """Judge the version of the event and write the judgement; its decision and reasons.

    Raises InvalidInput where a rule cannot be read, or the documents of the training are not there.
    """
    config, version, place = event["Config"], event["Version"], event["Judgement"]
    results, own = (
        (config["OutputBucket"], config["OutputPrefix"]),
        (config["ProjectName"], config["VersionName"]),
    )
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
        decisions=versions_judged(objects, results, own, recorded.digest, objects.write),
    )
    judgement = judge(rules, evidence)
    text = json.dumps(_told(event, recorded, evidence, judgement), indent=1, allow_nan=False)
    objects.write(place["Bucket"], place["Key"], text.encode())
    return {
        "Decision": judgement.decision,
        "Reasons": list(judgement.reasons),
        "Judgement": f"s3://{place['Bucket']}/{place['Key']}",
    }


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
        "TestSet": {"Digest": recorded.digest, "Images": evaluation.images, "Versions": evidence.decisions},
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
