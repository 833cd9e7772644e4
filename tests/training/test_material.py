"""What a training works on: lines judged, images fetched, problems on record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.training.shapes import LABELS, image_lines, line, spec_on, written

from customlabels.storage import Objects
from customlabels.training import TrainingFailed, TrainingSpec
from customlabels.training.documents import Documents
from customlabels.training.material import Material, gathered
from customlabels.training.pictures import PictureSource


def material_of(spec: TrainingSpec) -> tuple[Material, Mapping[str, Any]]:
    """The material of a spec, and the manifest summary that was written."""
    objects = Objects(spec.buckets.get)
    documents, source = Documents(spec, objects), PictureSource(objects, spec.work_folder / "cache", 2)
    try:
        material = gathered(spec, source, documents, lambda _: None)
    finally:
        summary = json.loads(objects.read("output", spec.output_key("ManifestSummary")))
    return material, summary


def lines_of(spec: TrainingSpec, kind: str) -> list[dict[str, Any]]:
    """An output document of JSON Lines."""
    text = (spec.buckets["output"] / spec.output_key(kind)).read_text()
    return [json.loads(each) for each in text.splitlines()]


def failure_of(spec: TrainingSpec) -> TrainingFailed:
    with pytest.raises(TrainingFailed) as caught:
        material_of(spec)
    return caught.value


def with_training(spec: TrainingSpec, *lines: Mapping[str, Any] | str) -> TrainingSpec:
    """The spec with lines added to its training manifest."""
    before = spec.train_manifest.read_text().splitlines()
    return replace(spec, train_manifest=written(spec.train_manifest, [*before, *lines]))


def test_good_sets_become_arrays_with_sorted_labels(tmp_path: Path) -> None:
    material, summary = material_of(spec_on(tmp_path, each=8, tested=4))

    side = material.size.side
    assert material.labels == tuple(sorted(LABELS))
    assert np.bincount(material.training.truth).tolist() == [8, 8, 8]
    assert material.testing.images(np.arange(12)).shape == (12, side, side, 3)
    assert material.training.images(np.array([3])).shape[1] > side
    assert summary["statistics"]["testing"] == {
        "use_case": "IMAGE_LEVEL_LABELS",
        "total_json_lines": 12,
        "valid_json_lines": 12,
        "invalid_json_lines": 0,
        "ignored_json_lines": 0,
        "errors": [],
        "error_json_line_indices": [],
    }


def test_lines_that_cannot_be_used_are_listed_and_left_out(tmp_path: Path) -> None:
    spec = spec_on(tmp_path, each=8)
    (tmp_path / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    spec = with_training(
        spec,
        "{",
        line("s3://images/missing.png", "circle"),
        line("s3://images/broken.png", "circle"),
        {"source-ref": "s3://images/train/circle-7.unlabelled.png"},
        line("s3://images/train/circle-0.png", "cross"),
    )

    material, summary = material_of(spec)

    codes = [
        [error["code"] for error in each.get("errors", [])]
        for each in lines_of(spec, "TrainingManifestWithValidation")
    ]
    assert codes[:24] == [[]] * 24
    assert codes[24:27] == [["ERROR_INVALID_JSON_LINE"], ["ERROR_INVALID_IMAGE"], ["ERROR_INVALID_IMAGE"]]
    assert codes[27:] == [[], ["ERROR_REPEATED_SOURCE_REF"]]
    statistics = summary["statistics"]["training"]
    assert statistics["error_json_line_indices"] == [25, 26, 27, 29]
    assert [statistics[f"{kind}_json_lines"] for kind in ("valid", "invalid", "ignored")] == [24, 4, 1]
    assert np.bincount(material.training.truth).tolist() == [8, 8, 8]
    assert material.training.invalid_lines == 4


def test_rows_stay_with_their_images_when_some_are_left_out(tmp_path: Path) -> None:
    spec = spec_on(tmp_path, each=8)
    whole, _ = material_of(spec)
    (tmp_path / "images" / "train" / "circle-2.png").unlink()
    again, _ = material_of(replace(spec, work_folder=tmp_path / "other"))

    expected = np.delete(np.arange(24), 2)
    assert np.array_equal(again.training.images(np.arange(23)), whole.training.images(expected))
    assert again.training.references == [whole.training.references[at] for at in expected]


def test_more_than_a_fifth_of_bad_lines_ends_the_training(tmp_path: Path) -> None:
    spec = with_training(spec_on(tmp_path, each=4), "{", "{", "{", "{")

    failure = failure_of(spec)

    statistics = json.loads((spec.buckets["output"] / failure.output_keys["ManifestSummary"]).read_text())[
        "statistics"
    ]["training"]

    assert failure.code == "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST"
    assert str(failure) == "The manifest file contains too many invalid rows."
    assert statistics["use_case"] == "NOT_DETERMINED"
    assert statistics["errors"][0]["code"] == failure.code
    assert set(failure.output_keys) == {
        "ManifestSummary", "TrainingManifestWithValidation", "TestingManifestWithValidation",
    }  # fmt: skip


def test_images_that_all_fail_are_a_matter_of_the_bucket(tmp_path: Path) -> None:
    spec = spec_on(tmp_path)
    for file in (tmp_path / "images" / "train").iterdir():
        file.unlink()

    assert failure_of(spec).code == "ERROR_FAILED_IMAGES_S3_COPY"


@pytest.mark.parametrize(
    ("labels", "code"), [(("circle",), "ERROR_MANIFEST_TOO_FEW_LABELS"), ((), "ERROR_EMPTY_MANIFEST")]
)
def test_fewer_than_two_labels_cannot_be_told_apart(
    tmp_path: Path, labels: tuple[str, ...], code: str
) -> None:
    spec = spec_on(tmp_path)
    written(spec.train_manifest, image_lines(tmp_path / "images", "few", 8, labels))

    objects = Objects(spec.buckets.get)

    with pytest.raises(TrainingFailed) as caught:
        gathered(spec, PictureSource(objects, tmp_path, 1), Documents(spec, objects), lambda _: None)

    assert caught.value.code == code


@pytest.mark.parametrize("extra", [{"labels": ("circle", "cross")}, {"labels": ("boxed",)}])
def test_what_needs_another_kind_of_model_is_refused_clearly(
    tmp_path: Path, extra: dict[str, tuple[str, ...]]
) -> None:
    labels = extra["labels"]
    added = (
        line("s3://images/train/more.png", *labels)
        if len(labels) > 1
        else boxed("s3://images/train/more.png")
    )

    failure = failure_of(with_training(spec_on(tmp_path), added))

    assert failure.code == "TRAINING_UNSUPPORTED"
    assert "one label for each image" in str(failure)


def boxed(reference: str) -> dict[str, Any]:
    """A Ground Truth object-detection line."""
    return {
        "source-ref": reference,
        "boxes": {
            "image_size": [{"width": 64, "height": 64, "depth": 3}],
            "annotations": [{"class_id": 0, "left": 5, "top": 5, "width": 20, "height": 20}],
        },
        "boxes-metadata": {
            "objects": [{"confidence": 1}],
            "class-map": {"0": "circle"},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00",
        },
    }


def test_test_labels_that_training_does_not_know_are_left_out_and_said(tmp_path: Path) -> None:
    spec = spec_on(tmp_path, tested=4)
    lines = (
        [json.loads(text) for text in spec.test_manifest.read_text().splitlines()]
        if spec.test_manifest
        else []
    )
    renamed = line("s3://images/test/more.png", "hexagon")
    (tmp_path / "images" / "test" / "more.png").write_bytes(
        (tmp_path / "images" / "test" / "cross-0.png").read_bytes()
    )

    material, summary = material_of(
        replace(spec, test_manifest=written(tmp_path / "other.manifest", [*lines, renamed]))
    )

    assert len(material.testing.entries) == 12
    assert "hexagon" in summary["notes"][0]


def test_test_labels_that_hardly_overlap_end_the_training(tmp_path: Path) -> None:
    spec = spec_on(tmp_path)
    lines = image_lines(tmp_path / "images", "test", 4, LABELS[:1])

    failure = failure_of(replace(spec, test_manifest=written(tmp_path / "other.manifest", lines)))

    assert failure.code == "ERROR_INSUFFICIENT_LABEL_OVERLAP"
    assert "50%" in str(failure)


def test_without_a_test_set_a_fifth_of_each_label_is_kept_for_it(tmp_path: Path) -> None:
    material, summary = material_of(spec_on(tmp_path, each=10, test_manifest=None))

    assert np.bincount(material.training.truth).tolist() == [8, 8, 8]
    assert np.bincount(material.testing.truth).tolist() == [2, 2, 2]
    assert not set(material.training.references) & set(material.testing.references)
    assert "20 %" in summary["notes"][0]


def test_a_label_of_one_image_cannot_be_split(tmp_path: Path) -> None:
    spec = with_training(spec_on(tmp_path, test_manifest=None), line("s3://images/train/one.png", "lonely"))

    assert failure_of(spec).code == "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT"


def test_an_image_in_both_sets_is_noted_in_the_summary(tmp_path: Path) -> None:
    spec = spec_on(tmp_path)
    shared = line("s3://images/test/circle-0.png", "circle")

    _, summary = material_of(with_training(spec, shared))

    assert summary["notes"][0].startswith("1 images are in both sets")


def test_images_are_decoded_once_and_found_again_by_a_later_run(tmp_path: Path) -> None:
    spec = spec_on(tmp_path)
    first, _ = material_of(spec)
    for file in (tmp_path / "images").rglob("*.png"):
        file.unlink()

    again, _ = material_of(spec)

    assert again.digest == first.digest
    assert np.array_equal(again.training.images(np.arange(24)), first.training.images(np.arange(24)))


def test_an_output_bucket_that_refuses_ends_the_training_in_the_services_words(tmp_path: Path) -> None:
    spec = spec_on(tmp_path)
    objects = Objects({"images": spec.buckets["images"]}.get)
    documents, source = Documents(spec, objects), PictureSource(objects, tmp_path / "cache", 1)

    with pytest.raises(TrainingFailed, match="Unable to write to output S3 bucket") as caught:
        gathered(spec, source, documents, lambda _: None)

    assert caught.value.code == "ERROR_CANNOT_WRITE_OUTPUT_S3_BUCKET"
