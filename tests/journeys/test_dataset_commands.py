"""`customlabels dataset`: formats, parts and differences, as a user types them."""

import json
from pathlib import Path

import pytest
from tests.journeys.stage import Home, draw

TABLE = "\ufeffimage;label\r\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of 12 images of two labels, as a spreadsheet saves it."""
    folder = draw(tmp_path / "Grün & Rot", 6, ("red", "green"))
    rows = [f"{file.relative_to(folder)};{file.parent.name}\r\n" for file in sorted(folder.rglob("*.png"))]
    (folder / "labels.csv").write_text(TABLE + "".join(rows), newline="")
    return folder


def test_formats_are_written_compared_and_left_alone(home: Home, table: Path, tmp_path: Path) -> None:
    written = home.typed("dataset", "export", table, "--format", "coco", "--to", tmp_path / "coco", "--json")
    again = home.typed("dataset", "export", table, "--format", "coco", "--to", tmp_path / "coco")
    refused = home.typed("dataset", "export", table, "--format", "yolo", "--to", tmp_path / "yolo")
    (tmp_path / "coco/images/red/00.png").unlink()
    broken = home.typed("dataset", "import", tmp_path / "coco", "--to", tmp_path / "whole")
    rest = home.typed("dataset", "import", tmp_path / "coco", "--to", tmp_path / "rest", "--leave-out")
    changed = home.typed("dataset", "diff", table, tmp_path / "rest", "--json")

    assert (written.code, written.json["Images"]) == (0, 12)
    assert (again.code, refused.code, broken.code) == (2, 2, 5)
    assert "is there already; name a new folder" in again.err
    assert "YOLO has boxes only" in refused.err
    assert "red/00.png" in broken.err
    assert "add --leave-out" in broken.err
    assert rest.code == 0
    assert changed.json == {"added": [], "removed": ["red/00.png"], "relabelled": []}
    assert not any((tmp_path / name).exists() for name in ("yolo", "whole"))


def test_parts_are_good_to_train_on(home: Home, table: Path, tmp_path: Path) -> None:
    split = home.typed("dataset", "split", table, "--to", tmp_path / "parts", "--json")
    checked = home.typed(
        "check", tmp_path / "parts/train.manifest", tmp_path / "parts/test.manifest", "--json"
    )

    assert sum(split.json["Images"].values()) == 12
    assert (checked.code, checked.json["errors"], checked.json["unusable"]) == (0, [], [])
    assert not [problem for problem in checked.json["warnings"] if "leak" in problem["rule"]]


def test_an_import_to_a_name_is_a_dataset_of_the_server(served: Home, table: Path) -> None:
    made = served.typed("dataset", "import", table, "--to", "imported", "--json")
    twice = served.typed("dataset", "import", table, "--to", "imported")

    arn = made.json["DatasetArn"]
    entries = served.client("rekognition").list_dataset_entries(DatasetArn=arn)["DatasetEntries"]
    assert len(entries) == 12
    assert {json.loads(entry)["label-metadata"]["class-name"] for entry in entries} == {"red", "green"}
    assert twice.code == 2
    [split] = served.typed("check", arn, "--json").json["summary"]
    assert (split["source"], split["lines"], split["usable"]) == (arn, 12, 12)


def test_a_run_takes_a_manifest_at_s3(served: Home, table: Path, tmp_path: Path) -> None:
    served.typed("dataset", "split", table, "--to", tmp_path / "parts")
    served.typed("bucket", "add", "parts-of-mine", tmp_path / "parts")
    for part in ("train", "test"):
        manifest = tmp_path / f"parts/{part}.manifest"
        manifest.write_text(manifest.read_text().replace(f'"{part}/', f'"s3://parts-of-mine/{part}/'))
    sides = [f"s3://parts-of-mine/{part}.manifest" for part in ("train", "test")]

    checked = served.typed("check", *sides, "--json")
    assert checked.code == 0, checked.err
    assert [each["source"] for each in checked.json["summary"]] == sides
    assert sum(each["usable"] for each in checked.json["summary"]) == 12
    begun = served.typed("run", "--train", sides[0], "--test", sides[1], "--name", "s3-run", "--detach")
    absent = served.typed(
        "run", "--train", "s3://parts-of-mine/gone.manifest", "--test", sides[1], "--detach"
    )

    assert begun.code == 0, begun.err
    projects = served.client("rekognition").describe_projects()["ProjectDescriptions"]
    [source] = [one for one in projects if "/parts-of-mine-source-" in one["ProjectArn"]]
    assert {dataset["Status"] for dataset in source["Datasets"]} == {"CREATE_COMPLETE"}
    assert absent.code != 0
    assert "gone.manifest" in absent.err + absent.out
    assert served.typed("stop", "s3-run").code == 0
