"""Models that must fail the gate fail it: really trained, measured and judged."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.training.shapes import LABELS, VERSION, spec_on, written

from customlabels.evaluation import read_recorded
from customlabels.operations import OwnObjects
from customlabels.pipeline.judge import judged
from customlabels.storage import Objects
from customlabels.training import TrainingSpec, train

RULES = {"F1LowerBound": 0.6, "MinLabelF1": 0.6, "ForbidLeakage": True, "MaxModelMegabytes": 100}


def with_labels(spec: TrainingSpec, change: Callable[[int, str], str]) -> TrainingSpec:
    """The same images under the labels that `change` gives (number of the line, label)."""
    lines = [json.loads(line) for line in spec.train_manifest.read_text().splitlines()]
    for number, line in enumerate(lines):
        line["shape0-metadata"]["class-name"] = change(number, line["shape0-metadata"]["class-name"])
    written(spec.train_manifest, lines)
    return spec


def trained(folder: Path, change: Callable[[TrainingSpec], TrainingSpec], **rules: Any) -> dict[str, Any]:
    """Train for seconds, then judge."""
    spec = change(spec_on(folder, each=16, tested=20, budget_seconds=2.0))
    outcome = train(spec, lambda _progress: None, lambda: False)
    objects = OwnObjects(Objects(spec.buckets.get, None, folder / "attributes"), lambda _bucket: True)
    place = {"S3Object": {"Bucket": "output", "Name": outcome.summary_key}}
    config = {
        "OutputBucket": "output",
        "OutputPrefix": "runs",
        "ProjectName": "shapes",
        "VersionName": "v1",
        "F1Threshold": 0.6,
    }
    event = {
        "Config": config | RULES | rules,
        "Version": {
            "ProjectVersionArn": VERSION,
            "EvaluationResult": {"F1Score": outcome.f1, "Summary": place},
        },
        "Current": {},
        "ExecutionArn": "arn:aws:states:us-east-1:123456789012:execution:m:e",
        "Judgement": {"Bucket": "output", "Key": "judgement.json"},
    }
    judged(event, objects)
    told: dict[str, Any] = json.loads((spec.buckets["output"] / "judgement.json").read_text())
    told["Documents"] = outcome.output_keys
    return told


def with_leak(spec: TrainingSpec) -> TrainingSpec:
    """One test image of each label is a training image."""
    folder = spec.buckets["images"]
    for label in LABELS:
        shutil.copy(folder / "train" / f"{label}-1.png", folder / "test" / f"{label}-3.png")
    return spec


def test_a_good_model_fails_by_its_leaked_test_images_alone(tmp_path: Path) -> None:
    told = trained(tmp_path, with_leak, MaxLatencyMilliseconds=2000)

    outcomes = {rule["Rule"]: rule["Outcome"] for rule in told["Rules"]}
    leakage = next(rule for rule in told["Rules"] if rule["Rule"] == "ForbidLeakage")
    assert told["Decision"] == "REJECTED"
    assert set(outcomes) == {"F1Threshold", "MaxLatencyMilliseconds", *RULES}
    assert [rule for rule, said in outcomes.items() if said != "PASSES"] == ["ForbidLeakage"], told["Reasons"]
    assert leakage["Value"] >= 3  # some of the other shapes look like cuttings of one another
    assert "s3://images/test/circle-3.png" in leakage["Sentence"]
    lines = (tmp_path / "output" / told["Documents"]["TestingGroundTruth"]).read_text().splitlines()
    summary = json.loads((tmp_path / "output" / told["Documents"]["EvaluationResultSummary"]).read_text())
    again = read_recorded(summary, map(json.loads, lines)).evaluation(seed=0)
    assert again.f1 == summary["AggregatedEvaluationResults"]["F1Score"] == told["F1Score"]


def shuffled(spec: TrainingSpec) -> TrainingSpec:
    """Labels by chance."""
    dice = random.Random(0)
    return with_labels(spec, lambda _number, _label: dice.choice(LABELS))


def blank(spec: TrainingSpec) -> TrainingSpec:
    """Every image has one colour, nearly the same."""
    for number, file in enumerate(sorted(spec.buckets["images"].glob("*/*.png"))):
        Image.new("RGB", (64, 64), (90 + number % 20, 90, 90 + number // 20)).save(file)
    return spec


@pytest.mark.parametrize("change", [shuffled, blank])
def test_a_model_that_cannot_learn_ends_with_an_honest_low_f1_and_is_rejected(
    tmp_path: Path, change: Callable[[TrainingSpec], TrainingSpec]
) -> None:
    told = trained(tmp_path, change)

    assert told["Decision"] == "REJECTED"
    assert told["F1Score"] < 0.6


def test_a_model_that_never_learned_one_label_is_rejected_by_that_label(tmp_path: Path) -> None:
    """All but two of the stripes are called circles, of which there are many true ones."""
    told = trained(
        tmp_path,
        lambda spec: with_labels(
            spec, lambda number, label: "circle" if label == "stripes" and number % 8 else label
        ),
        F1Threshold=0.3,
        F1LowerBound=0,
    )

    outcomes = {rule["Rule"]: rule["Outcome"] for rule in told["Rules"]}
    assert (told["Decision"], outcomes["F1Threshold"], outcomes["MinLabelF1"]) == (
        "REJECTED",
        "PASSES",
        "FAILS",
    )
    assert any("stripes" in reason for reason in told["Reasons"])
