"""The spec of a training: checked at construction, the same after its journey through the pipe."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.training.shapes import spec_on

from customlabels.storage import S3Endpoint
from customlabels.training import InvalidTrainingSpec, TrainingOutcome, TrainingSpec


def test_a_spec_comes_back_from_json_as_it_was(tmp_path: Path) -> None:
    endpoint = S3Endpoint("http://127.0.0.1:9000", "key", "secret")
    spec = spec_on(tmp_path, s3=endpoint, test_manifest=None, budget_seconds=None)

    assert TrainingSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("budget_seconds", 0.2),
        ("budget_seconds", float("nan")),
        ("threads", 0),
        ("seed", -1),
        ("version_arn", ""),
    ],
)
def test_an_impossible_member_is_refused_by_its_name(tmp_path: Path, member: str, value: Any) -> None:
    with pytest.raises(InvalidTrainingSpec, match=member):
        spec_on(tmp_path, **{member: value})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"buckets": {}}', '{"colour": 1}'])
def test_text_that_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(InvalidTrainingSpec):
        TrainingSpec.from_json(text)


@pytest.mark.parametrize(
    ("prefix", "key"),
    [
        ("", "ManifestSummary-shapes-v1.json"),
        ("runs", "runs/ManifestSummary-shapes-v1.json"),
        ("runs/", "runs/ManifestSummary-shapes-v1.json"),
    ],
)
def test_a_key_joins_prefix_and_name_with_one_slash(tmp_path: Path, prefix: str, key: str) -> None:
    assert spec_on(tmp_path, output_prefix=prefix).output_key("ManifestSummary") == key


def test_the_digest_follows_the_data_and_not_the_place_of_the_output(tmp_path: Path) -> None:
    spec = spec_on(tmp_path)
    moved = replace(spec, work_folder=tmp_path / "elsewhere", output_prefix="other")
    before = spec.digest()

    spec.train_manifest.write_text(spec.train_manifest.read_text() + "\n")

    assert moved.digest() == spec.digest() != before


def test_an_outcome_comes_back_from_json_as_it_was() -> None:
    outcome = TrainingOutcome(
        Path("artefact"), 0.9, (0.8, 1.0), "s", {"Kind": "key"}, 1.5, "boxes", ("a", "b"), 8
    )

    assert TrainingOutcome.from_json(outcome.to_json()) == outcome
