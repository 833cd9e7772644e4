"""Checking: all problems of some data in one pass, each with its place."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.datasets.lines import image_line

from customlabels.datasets import check, open_source
from customlabels.storage import Objects

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def _image(number: int, size: tuple[int, int] = (64, 64), form: str = "PNG") -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    out = BytesIO()
    Image.fromarray(pixels).resize(size).save(out, form)
    return out.getvalue()


def _photos(folder: Path, start: int, **counts: int) -> Path:
    """A folder with so many images of each label, all different."""
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for number in range(count):
            start += 1
            (folder / label / f"{number}.png").write_bytes(_image(start))
    return folder


def test_good_data_has_no_problems_and_a_summary(tmp_path: Path) -> None:
    train, test = _photos(tmp_path / "a", 0, cat=10, dog=11), _photos(tmp_path / "b", 100, cat=2, dog=1)

    findings = check([train, test])

    assert findings.problems == ()
    assert [split.images_by_label for split in findings.summary] == [
        {"cat": 10, "dog": 11},
        {"cat": 2, "dog": 1},
    ]
    assert [split.usable for split in findings.summary] == [21, 3]
    assert json.loads(json.dumps(findings.as_json()))["errors"] == []


def test_each_bad_image_is_named_with_its_fault(tmp_path: Path) -> None:
    train = _photos(tmp_path / "train", 0, cat=12, dog=12)
    photo = _image(1, (640, 480), "JPEG")
    (train / "cat/cut.jpg").write_bytes(photo[: len(photo) // 2])
    (train / "cat/text.jpg").write_bytes(b"hello")
    (train / "dog/tiny.png").write_bytes(_image(2, (63, 64)))
    (train / "dog/huge.png").write_bytes(_image(3, (6400, 64)))
    (train / "dog/notes.txt").write_bytes(b"")

    findings = check([train])

    assert findings.errors == ()
    assert {
        Path(problem.file).name for problem in findings.unusable if problem.rule == "ERROR_INVALID_IMAGE"
    } == {
        "cut.jpg",
        "text.jpg",
        "tiny.png",
        "huge.png",
    }
    text = "\n".join(map(str, findings.problems))
    assert "damaged or cut short" in text
    assert "a side may have at most 4096" in text
    assert "notes.txt: not an image by its name" in text
    assert "4 of 28 lines are left out" in text


def test_more_than_a_fifth_unusable_is_an_error(tmp_path: Path) -> None:
    train = _photos(tmp_path / "train", 0, cat=10, dog=10)
    for number in range(6):
        (train / "cat" / f"bad {number}.jpg").write_bytes(b"hello")

    findings = check([train])

    assert [problem.rule for problem in findings.errors] == ["ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST"]


def test_labels_are_compared_between_the_parts(tmp_path: Path) -> None:
    train = _photos(tmp_path / "train", 0, cat=3, dog=12, owl=12)
    test = _photos(tmp_path / "test", 100, cat=2, Dog=2)

    findings = check([train, test])

    assert [problem.rule for problem in findings.errors] == ["ERROR_INSUFFICIENT_LABEL_OVERLAP"]
    assert {(problem.rule, problem.message.split("'")[1]) for problem in findings.warnings} == {
        ("few-images", "cat"),
        ("unknown-label", "Dog"),
        ("alike-labels", "dog"),
        ("untested-label", "dog"),
        ("untested-label", "owl"),
    }


def test_one_label_alone_is_too_few(tmp_path: Path) -> None:
    findings = check([_photos(tmp_path / "train", 0, cat=12)])

    assert [problem.rule for problem in findings.errors] == ["ERROR_MANIFEST_TOO_FEW_LABELS"]


def test_the_same_image_twice_and_in_both_parts_is_told(tmp_path: Path) -> None:
    train, test = (
        _photos(tmp_path / "train", 0, cat=10, dog=10),
        _photos(tmp_path / "test", 100, cat=2, dog=2),
    )
    image = (train / "cat/0.png").read_bytes()
    (train / "dog/copy.png").write_bytes(image)
    (test / "dog/leak.png").write_bytes(image)

    findings = check([train, test])

    assert [(problem.rule, Path(problem.file).name) for problem in findings.warnings] == [
        ("duplicate", "copy.png"),
        ("leak", "leak.png"),
    ]
    assert "is the same image as" in findings.warnings[1].message


def test_a_manifests_problems_carry_their_lines(tmp_path: Path) -> None:
    _photos(tmp_path, 0, cat=10, dog=10)
    lines = [image_line(f"{label}/{number}.png", label) for label in ("cat", "dog") for number in range(10)]
    relative = [line.replace("s3://photos/", "") for line in lines]
    bare, odd = '{"source-ref":"cat/gone.png"}', '{"source-ref":"dog/1.png","x":1}'
    (tmp_path / "train.manifest").write_text("\n".join([*relative, "oops", bare, odd]))

    findings = check([tmp_path / "train.manifest"])

    assert findings.errors == ()
    assert [(problem.line, problem.rule) for problem in findings.unusable] == [
        (21, "ERROR_INVALID_JSON_LINE"),
        (22, "ERROR_INVALID_IMAGE"),
        (23, "ERROR_REPEATED_SOURCE_REF"),
    ]
    assert str(findings.unusable[0]).startswith(
        f"{tmp_path / 'train.manifest'}:21: the line is not a JSON object"
    )


def test_images_of_other_buckets_are_looked_at_where_they_are_known(tmp_path: Path) -> None:
    photos = _photos(tmp_path / "photos", 0, cat=10, dog=9)
    (photos / "dog/9.png").write_bytes(b"hello")
    lines = [image_line(f"{label}/{number}.png", label) for label in ("cat", "dog") for number in range(10)]
    (tmp_path / "train.manifest").write_text("\n".join(lines))

    alone = check([tmp_path / "train.manifest"])
    with_objects = check([tmp_path / "train.manifest"], Objects({"photos": photos}.get))

    assert [problem.message for problem in alone.problems] == [
        "20 images are in bucket photos, which was not looked at"
    ]
    assert [problem.line for problem in with_objects.unusable if problem.rule == "ERROR_INVALID_IMAGE"] == [
        20
    ]


def test_a_source_that_cannot_be_read_does_not_hide_the_other(tmp_path: Path) -> None:
    findings = check([tmp_path / "absent", _photos(tmp_path / "test", 0, cat=1)])

    assert findings.problems[0].rule == "source"
    assert [split.source for split in findings.summary] == [str(tmp_path / "test")]


@pytest.mark.parametrize("name", ["cards", "cells"])
def test_real_data_passes(name: str) -> None:
    if not (SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is not here: real data is not tested")

    findings = check([SHARED / name / "train.manifest", SHARED / name / "test.manifest"])

    assert findings.errors == ()
    assert all(split.usable == split.lines for split in findings.summary)


def test_near_duplicates_are_told_within_a_part_and_between_two(tmp_path: Path) -> None:
    train = _photos(tmp_path / "train", 0, cat=10, dog=10)
    test = _photos(tmp_path / "test", 100, cat=2, dog=2)
    picture = Image.open(train / "cat/3.png").resize((160, 120))
    picture.save(train / "cat/again.jpg", quality=60)
    Image.open(train / "dog/4.png").save(test / "dog/leak.jpg")

    findings = check([train, test])

    assert {(problem.rule, Path(problem.file).name) for problem in findings.warnings} == {
        ("near-duplicate", "again.jpg"),
        ("near-leak", "leak.jpg"),
    }


def test_rules_for_whole_data_sets_are_told_once(tmp_path: Path) -> None:
    train = _photos(tmp_path / "train", 0, cat=100, dog=10, Dog=1)
    lines = [
        image_line(str(file.relative_to(train)), file.parent.name, "x")
        for file in sorted(train.rglob("*.png"))
    ]
    lines = [line.replace("s3://x/", "") for line in lines]
    lines[-3:] = [json.dumps({"source-ref": json.loads(line)["source-ref"]}) for line in lines[-3:]]
    (train / "all.manifest").write_text("\n".join(lines))

    findings = check([train / "all.manifest"])

    told = {problem.rule: problem.message for problem in findings.warnings}
    assert told["unlabelled"].startswith("3 images have no label: dog/")
    assert told["imbalance"] == "label 'cat' has 100 images, label 'Dog' only 1"
    assert told["alike-labels"] == "the labels 'Dog' and 'dog' differ by case, spaces or signs only"


def test_boxes_drawn_on_an_image_that_exif_turns_are_told(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(BytesIO(_image(1, (128, 96)))).save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "boxes.csv").write_text("image,label,left,top,width,height\na.jpg,cat,1,1,20,20\n")
    line = next(open_source(tmp_path / "boxes.csv").lines("photos")).replace("s3://photos/", "")
    value = json.loads(line)
    assert value["bounding-box"]["image_size"][0]["width"] == 96  # as it is seen
    value["bounding-box"]["image_size"] = [{"width": 128, "height": 96, "depth": 3}]
    (tmp_path / "one.manifest").write_text(json.dumps(value))

    findings = check([tmp_path / "one.manifest"])

    [told] = [problem.message for problem in findings.warnings if problem.rule == "other-size"]
    assert told.startswith("a.jpg: its boxes were drawn on 128 x 96 pixels, the image is 96 x 128")
    assert told.endswith("turned by its EXIF orientation")


def test_images_without_a_box_are_usable_as_background(tmp_path: Path) -> None:
    images = [{"id": at, "file_name": f"{at}.png", "width": 64, "height": 64} for at in range(3)]
    boxes = [{"id": at, "image_id": at, "category_id": 1, "bbox": [9, 9, 20, 20]} for at in (0, 1)]
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(_image(number))
    told = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "cat"}]}
    (tmp_path / "boxes.json").write_text(json.dumps(told))

    (summary,) = check([tmp_path / "boxes.json"]).summary

    assert (summary.lines, summary.usable, summary.empty, summary.boxes) == (3, 3, 1, 2)
