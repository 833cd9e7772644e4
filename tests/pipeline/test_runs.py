"""The execution's input and output as values that check themselves."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customlabels.errors import InvalidInput
from customlabels.pipeline import (
    RunInput,
    RunResult,
    Waits,
    current_key,
    definition,
    poll_seconds,
)
from customlabels.pipeline import local_substitutions as substitutions

ARN = "arn:aws:rekognition:eu-west-1:123456789012:project/p/dataset/train/1"
OUTPUT = {
    "Decision": "REJECTED",
    "ProjectVersionArn": "arn:v",
    "F1Score": None,
    "F1Threshold": 0.85,
    "Reasons": ["The training gave no F1 score."],
    "Report": "s3://b/k",
}


def test_an_empty_input_is_an_empty_object() -> None:
    assert RunInput().to_json() == {}


def test_an_input_is_flat_and_leaves_out_what_is_not_given() -> None:
    asked = RunInput(
        training_dataset_arn=ARN, f1_threshold=0.0, max_inference_units=2, waits=Waits(1, 2, 3, 4, 5, 6)
    )

    assert asked.to_json() == {
        "TrainingDatasetArn": ARN,
        "F1Threshold": 0.0,
        "MaxInferenceUnits": 2,
        "DatasetPollSeconds": 1,
        "TrainingPollSeconds": 2,
        "HostingPollSeconds": 3,
        "MaxDatasetSeconds": 4,
        "MaxTrainingSeconds": 5,
        "MaxHostingSeconds": 6,
    }


def test_every_member_of_the_input_is_one_that_the_workflow_has_a_default_for() -> None:
    first = (ARN, ARN, "bucket", "prefix", "project", "version", 0.5, 1, 2)
    others: dict[str, Any] = {member.name: 1 for member in fields(RunInput)[len(first) : -1]}
    everything = RunInput(*first, **others, waits=Waits())

    defaults = {
        key.removesuffix(".$") for key in definition(substitutions())["States"]["Defaults"]["Parameters"]
    }

    assert set(everything.to_json()) == defaults


def test_the_waits_of_a_run_without_any_are_the_workflows() -> None:
    defaults = definition(substitutions())["States"]["Defaults"]["Parameters"]

    assert RunInput(waits=Waits()).to_json() == {
        name: defaults[name] for name in defaults if name.endswith("Seconds") and name != "MaxApprovalSeconds"
    }


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("training_dataset_arn", "arn:aws:rekognition:eu-west-1:123456789012:project/p/1"),
        ("test_dataset_arn", ""),
        ("output_bucket", "b"),
        ("output_prefix", "/models"),
        ("output_prefix", "models/"),
        ("project_name", "two words"),
        ("project_name", "x" * 256),
        ("version_name", "v/1"),
        ("f1_threshold", 1.01),
        ("f1_threshold", -0.1),
        ("f1_threshold", math.nan),
        ("f1_lower_bound", 1.5),
        ("deployed_margin", -0.01),
        ("max_model_megabytes", -1),
        ("max_approval_seconds", 0),
        ("min_inference_units", 0),
        ("max_inference_units", 0),
    ],
)
def test_an_input_that_cannot_work_is_refused_by_name_and_value(member: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=member) as refused:
        RunInput(**{member: value})

    assert repr(value) in str(refused.value)


def test_units_at_most_are_not_below_units_at_least() -> None:
    with pytest.raises(InvalidInput, match="max_inference_units is 2"):
        RunInput(min_inference_units=3, max_inference_units=2)


def test_waits_that_overfill_a_history_are_refused() -> None:
    with pytest.raises(InvalidInput, match="less often"):
        Waits(training_poll_seconds=1)


def test_a_wait_is_at_least_a_second() -> None:
    with pytest.raises(InvalidInput, match="hosting_poll_seconds is 0"):
        Waits(hosting_poll_seconds=0)


@given(st.floats(min_value=0.01, max_value=172_800))
def test_any_training_budget_gives_waits_that_outlast_it(budget_seconds: float) -> None:
    waits = poll_seconds(budget_seconds)

    assert waits.max_training_seconds >= budget_seconds
    assert waits.training_poll_seconds <= max(1.0, budget_seconds / 100)


@pytest.mark.parametrize("budget_seconds", [0, -1, 172_801, math.nan])
def test_a_training_budget_that_no_run_can_keep_is_refused(budget_seconds: float) -> None:
    with pytest.raises(InvalidInput, match="training budget"):
        poll_seconds(budget_seconds)


def test_a_result_is_read_from_the_executions_output() -> None:
    result = RunResult.from_output(json.dumps(OUTPUT))

    assert (result.decision, result.f1_score, list(result.reasons)) == ("REJECTED", None, OUTPUT["Reasons"])


@pytest.mark.parametrize("output", ["", "[]", "{}", "null", json.dumps(OUTPUT | {"Decision": "MAYBE"})])
def test_an_output_of_another_machine_is_refused(output: str) -> None:
    with pytest.raises(InvalidInput):
        RunResult.from_output(output)


def test_keys_lie_under_the_project() -> None:
    assert current_key("a/b", "p") == "a/b/p/current.json"
