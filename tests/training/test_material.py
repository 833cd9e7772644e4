"""What a training works on: lines judged, images fetched, problems on record."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.training.shapes import (
    LABELS,
    boxed,
    hash_of,
    image_lines,
    line,
    scene,
    scene_lines,
    spec_of_kind,
    spec_on,
    written,
)

from customlabels.inference import BOXES, MULTI_LABEL, SINGLE_LABEL
from customlabels.storage import Objects
from customlabels.training import TrainingFailed, TrainingSpec
from customlabels.training.copies import copies_in
from customlabels.training.documents import Documents
from customlabels.training.material import Material, Part, gathered
from customlabels.training.mirroring import harmless_swaps
from customlabels.training.pictures import Pictures, PictureSource
from customlabels.training.plan import courses
from customlabels.training.planning import swaps_in
from customlabels.training.samples import write_sample


def material_of(spec: TrainingSpec) -> tuple[Material, Mapping[str, Any]]:
    """The material of a spec, and the manifest summary that was written."""
    objects = Objects(spec.folder)
    documents, source = Documents(spec, objects), PictureSource(objects, spec.work_folder / "cache", 2)
    try:
        material = gathered(spec, source, documents, lambda _: None)
    finally:
        summary = json.loads(objects.read("output", spec.output_key("ManifestSummary")))
    return material, summary


def _references(part: Part) -> list[str]:
    return [entry.source_ref for entry in part.entries]


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

    side = material.size.height
    assert material.labels == tuple(sorted(LABELS))
    assert material.training.carried.sum(axis=0).tolist() == [8, 8, 8]
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
    assert material.training.carried.sum(axis=0).tolist() == [8, 8, 8]


def test_rows_stay_with_their_images_when_some_are_left_out(tmp_path: Path) -> None:
    spec = spec_on(tmp_path, each=8)
    whole, _ = material_of(spec)
    (tmp_path / "images" / "train" / "circle-2.png").unlink()
    again, _ = material_of(replace(spec, work_folder=tmp_path / "other"))

    expected = np.delete(np.arange(24), 2)
    assert np.array_equal(again.training.images(np.arange(23)), whole.training.images(expected))
    before = _references(whole.training)
    assert _references(again.training) == [before[at] for at in expected]


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


def test_images_in_the_bucket_of_another_account_are_a_matter_of_permissions(tmp_path: Path) -> None:
    spec = replace(spec_on(tmp_path), foreign_buckets=["images"])

    failure = failure_of(spec)

    assert failure.code == "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET"
    assert str(failure) == "The permissions for the images S3 bucket are invalid."
    assert "another account's" in lines_of(spec, "TrainingManifestWithValidation")[0]["errors"][0]["message"]


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


def mixed(spec: TrainingSpec, boxes: int) -> TrainingSpec:
    """The spec with boxes for so many of its training images instead of their labels."""
    lines = [json.loads(text) for text in spec.train_manifest.read_text().splitlines()]
    for at in range(boxes):
        lines[at] = boxed(lines[at]["source-ref"], ("circle", 0, 0), side=64)
    return replace(spec, train_manifest=written(spec.train_manifest, lines))


@pytest.mark.parametrize(
    ("several", "boxes", "kind"), [(0, 0, SINGLE_LABEL), (1, 0, MULTI_LABEL), (1, 4, MULTI_LABEL)]
)
def test_the_manifest_decides_the_kind_of_model(tmp_path: Path, several: int, boxes: int, kind: str) -> None:
    spec = mixed(spec_on(tmp_path), boxes)
    if several:
        shutil.copy(tmp_path / "images/train/cross-1.png", tmp_path / "images/more.png")
        spec = with_training(spec, line("s3://images/more.png", "circle", "cross"))

    material, summary = material_of(spec)

    assert material.kind == kind
    assert summary["statistics"]["training"]["use_case"] == "IMAGE_LEVEL_LABELS"
    assert summary["statistics"]["training"]["ignored_json_lines"] == boxes
    assert bool(boxes) == any("ignored" in note for note in summary.get("notes", []))


def test_where_most_images_have_boxes_the_others_are_ignored(tmp_path: Path) -> None:
    spec = mixed(spec_on(tmp_path, test_manifest=None), 14)

    material, summary = material_of(spec)

    assert (material.kind, material.labels) == (BOXES, ("circle",))
    assert summary["statistics"]["training"]["use_case"] == "OBJECT_LOCALIZATION"
    assert summary["statistics"]["training"]["ignored_json_lines"] == 10
    assert all(len(boxes) == 1 for boxes in material.training.boxes)


def test_boxes_are_shares_of_the_frame_that_they_were_drawn_on(tmp_path: Path) -> None:
    spec = spec_of_kind(tmp_path, BOXES)

    material, _ = material_of(spec)

    (_, shown), boxes = scene(hash_of("scenes")), material.training.boxes[0]
    assert [material.labels[label] for label in boxes.labels] == [label for label, _, _ in shown]
    assert boxes.corners[:, 0].tolist() == [left / 128 for _, left, _ in shown]
    assert np.allclose(boxes.corners[:, 2:] - boxes.corners[:, :2], 0.5)


def test_a_bad_box_takes_nothing_but_itself_away(tmp_path: Path) -> None:
    spec = spec_of_kind(tmp_path, BOXES)
    shutil.copy(tmp_path / "images/scenes/1.png", tmp_path / "images/more.png")
    outside = boxed("s3://images/more.png", ("circle", 0, 0), ("cross", 100, 0))

    material, summary = material_of(with_training(spec, outside))

    assert material.training.entries[-1].source_ref == "s3://images/more.png"
    assert len(material.training.boxes[-1]) == 1
    assert summary["statistics"]["training"]["invalid_json_lines"] == 0
    flaw = lines_of(spec, "TrainingManifestWithValidation")[-1]["boxes"]["annotations"][1]["errors"]
    assert flaw[0]["code"] == "ERROR_INVALID_BOUNDING_BOX"


def test_an_image_that_was_looked_at_and_has_no_boxes_is_background(tmp_path: Path) -> None:
    spec = spec_of_kind(tmp_path, BOXES)
    shutil.copy(tmp_path / "images/scenes/1.png", tmp_path / "images/empty.png")

    material, summary = material_of(with_training(spec, boxed("s3://images/empty.png")))

    assert len(material.training.entries) == 25
    assert len(material.training.boxes[-1]) == 0
    assert summary["statistics"]["training"]["ignored_json_lines"] == 1
    assert any("background" in note for note in summary["notes"])


def test_boxes_to_test_labels_of_whole_images_are_refused(tmp_path: Path) -> None:
    spec = spec_on(tmp_path)
    lines = scene_lines(tmp_path / "images", "tested", 6, BOXES)

    failure = failure_of(replace(spec, test_manifest=written(tmp_path / "other.manifest", lines)))

    assert failure.code == "TRAINING_BRAND"


def test_copies_of_an_image_are_noted_with_their_addresses(tmp_path: Path) -> None:
    spec = spec_on(tmp_path)
    shutil.copy(tmp_path / "images/train/cross-0.png", tmp_path / "images/train/cross-1.png")
    shutil.copy(tmp_path / "images/train/circle-0.png", tmp_path / "images/test/circle-0.png")

    _, summary = material_of(spec)

    assert summary["notes"] == [
        "1 test images are copies of training images, so the figures flatter: s3://images/test/circle-0.png",
        "1 training images are copies of another one: s3://images/train/cross-1.png",
    ]


def test_near_copies_are_looked_for_within_each_set(tmp_path: Path) -> None:
    spec = spec_on(tmp_path)
    for part, name in (("train", "cross"), ("test", "circle")):
        with Image.open(tmp_path / "images" / part / f"{name}-0.png") as image:
            image.convert("RGB").resize((90, 90)).save(tmp_path / "images" / part / f"{name}-1.png")
    material, _ = material_of(spec)

    pairs = {(each["Image"], each["Of"], each["OfSplit"]) for each in material.copies.within}
    for part, name, split in (("train", "cross", "training"), ("test", "circle", "test")):
        first, second = (f"s3://images/{part}/{name}-{at}.png" for at in (0, 1))
        assert (second, first, split) in pairs
    training = [entry.source_ref.rpartition("/")[2] for entry in material.training.entries]
    assert training[material.originals[training.index("cross-1.png")]] == "cross-0.png"


def test_near_copies_are_not_looked_for_where_the_budget_has_no_time_for_it() -> None:
    many = ["s3://images/a.png"] * 301
    pictures = Pictures(np.zeros((301, 8, 8, 3), np.uint8), {}, [""] * 301)
    hasty = copies_in((many, pictures), ([], Pictures(np.zeros((0, 8, 8, 3), np.uint8), {}, [])), 5.0)
    assert "Near copies among the 301 training images were not looked for" in hasty.notes[0]


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

    assert material.training.carried.sum(axis=0).tolist() == [8, 8, 8]
    assert material.testing.carried.sum(axis=0).tolist() == [2, 2, 2]
    assert not set(_references(material.training)) & set(_references(material.testing))
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


def test_gray_transparent_and_turned_images_are_material_like_any_other(tmp_path: Path) -> None:
    spec = spec_on(tmp_path)
    pixels = Image.fromarray(np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1)))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    pixels.save(tmp_path / "images" / "gray.png")
    pixels.convert("RGBA").save(tmp_path / "images" / "clear.png")
    pixels.save(tmp_path / "images" / "turned.jpg", exif=exif)
    odd = ("gray.png", "clear.png", "turned.jpg")

    material, summary = material_of(
        with_training(spec, *(line(f"s3://images/{name}", "circle") for name in odd))
    )

    assert summary["statistics"]["training"]["valid_json_lines"] == 27
    gray, clear, turned = material.training.images(np.array([24, 25, 26])).astype(int)
    assert np.array_equal(gray, clear)
    assert abs(turned - np.rot90(gray, -1)).mean() < 3


def test_ten_images_a_label_are_scored_in_folds_and_fifty_boxes_are_all_kept(tmp_path: Path) -> None:
    few, _ = material_of(spec_on(tmp_path / "few", each=10))
    spec = spec_of_kind(tmp_path / "many", BOXES)
    shutil.copy(tmp_path / "many/images/scenes/1.png", tmp_path / "many/images/full.png")
    value = boxed("s3://images/full.png", *[("cross", 0, 0)] * 50)
    for number, box in enumerate(value["boxes"]["annotations"]):
        box |= {"left": 6 * (number % 10), "top": 12 * (number // 10), "width": 3, "height": 2}
    many, _ = material_of(with_training(spec, value))

    assert [course.name for course in courses(few.training.carried, 0)] == [
        "fold-1", "fold-2", "fold-3", "model",
    ]  # fmt: skip
    assert len(many.training.boxes[-1]) == 50


def test_what_stands_upright_anywhere_in_a_scene_is_not_turned_upside_down(tmp_path: Path) -> None:
    scenes, spec = tmp_path / "scenes", spec_on(tmp_path)
    write_sample("boxes", scenes, "scenes")
    buckets = {**spec.buckets, "scenes": scenes}
    train, test = scenes / "train.manifest", scenes / "test.manifest"
    material, _ = material_of(replace(spec, train_manifest=train, test_manifest=test, buckets=buckets))

    assert swaps_in(material) == (True, False)
    assert harmless_swaps(material.training.images(slice(None)), np.zeros(240, np.int64)) == (True, True)
