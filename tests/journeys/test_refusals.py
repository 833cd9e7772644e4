"""Bad input: a clear message that names the thing, exit code 2 or 5, and nothing half written."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.journeys.conftest import Deployed
from tests.journeys.stage import Home, draw

USAGE, DATA = 2, 5


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training and test images without fault."""
    folder = tmp_path_factory.mktemp("good")
    draw(folder / "train", 10)
    draw(folder / "test", 2)
    return folder


def one_label(data: Path) -> None:
    for label in ("green", "blue"):
        shutil.rmtree(data / "train" / label)


def corrupt_jpeg(data: Path) -> None:
    Image.new("RGB", (64, 64)).save(data / "train" / "red" / "cut.jpg")
    content = (data / "train" / "red" / "cut.jpg").read_bytes()
    (data / "train" / "red" / "cut.jpg").write_bytes(content[:20])


def thirty_megapixels(data: Path) -> None:
    Image.new("1", (6000, 5000)).save(data / "train" / "red" / "poster.png")


def other_labels(data: Path) -> None:
    for label in ("red", "green", "blue"):
        (data / "test" / label).rename(data / "test" / f"dark-{label}")


def no_images(data: Path) -> None:
    for image in (data / "test").rglob("*.png"):
        image.unlink()


def nothing_readable(data: Path) -> None:
    for image in (data / "train").rglob("*.png"):
        image.write_bytes(b"no image")


def line_that_is_no_json(data: Path) -> None:
    shutil.rmtree(data / "train")
    (data / "train").write_text('{"source-ref": "s3://bucket/0.png"}\nred, 1.png\n')


def no_folder(data: Path) -> None:
    shutil.rmtree(data / "train")


@pytest.mark.parametrize(
    ("damage", "code", "words"),
    [
        (no_folder, USAGE, ["train", "no such file or folder"]),
        (one_label, DATA, ["train", "at least 2"]),
        (corrupt_jpeg, DATA, ["cut.jpg", "cannot be read", "--leave-out"]),
        (thirty_megapixels, DATA, ["poster.png", "6000 x 5000", "--leave-out"]),
        (other_labels, DATA, ["test", "0 of 3 training labels"]),
        (no_images, DATA, ["test", "no images"]),
        (nothing_readable, DATA, ["30 of 30", "blue/00.png", "more: `customlabels check --json` lists all"]),
        (line_that_is_no_json, DATA, ["train:2", "not a JSON object"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_data_that_cannot_be_used_is_refused_before_anything_is_begun(
    good: Path, tmp_path: Path, damage: Callable[[Path], None], code: int, words: list[str]
) -> None:
    shutil.copytree(good, tmp_path / "data")
    damage(tmp_path / "data")
    home = Home(tmp_path / "home")

    refused = home.typed("run", "--train", tmp_path / "data" / "train", "--test", tmp_path / "data" / "test")

    assert refused.code == code, refused
    assert [word for word in words if word not in refused.err] == []
    assert "Traceback" not in refused.err
    assert refused.out == ""
    assert not home.path.exists()


def test_images_can_be_left_out_rather_than_refused(good: Path, tmp_path: Path) -> None:
    shutil.copytree(good, tmp_path / "data")
    corrupt_jpeg(tmp_path / "data")
    home = Home(tmp_path / "home")

    checked = home.typed("check", tmp_path / "data" / "train", tmp_path / "data" / "test", "--json")

    assert checked.code == DATA
    assert [Path(problem["file"]).name for problem in checked.json["unusable"]] == ["cut.jpg"]
    assert checked.json["errors"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["detect", "colours", "NOTES"], DATA, ["notes.txt", "neither a PNG nor a JPEG"]),
        (["detect", "colours", "missing.png"], USAGE, ["missing.png", "No such file"]),
        (["detect", "unheard-of", "IMAGE"], USAGE, ["unheard-of", "no project"]),
        (["detect", "colours/v9", "IMAGE"], USAGE, ["colours/v9", "customlabels status"]),
        (["detect", "colours", "IMAGE", "--min-confidence", "101"], USAGE, ["--min-confidence", "100"]),
        (["stop", "unheard-of"], USAGE, ["unheard-of", "no run and no project"]),
        (["follow", "unheard-of"], USAGE, ["unheard-of", "Does Not Exist"]),
        (["status", "unheard-of"], USAGE, ["unheard-of", "Does Not Exist"]),
        (["bucket", "add", "ab", "FOLDER"], USAGE, ["Name", "min length: 3"]),
        (["bucket", "add", "photos", "missing"], USAGE, ["missing", "no such folder"]),
        (["bucket", "remove", "unheard-of"], USAGE, ["unheard-of", "no bucket"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_commands_say_what_there_is_not(
    answering: Deployed, arguments: list[str], code: int, words: list[str]
) -> None:
    notes = answering.home.path.parent / "notes.txt"
    notes.write_text("buy milk")
    places = {"NOTES": notes, "IMAGE": answering.test / "red" / "00.png", "FOLDER": answering.test}

    refused = answering.home.typed(*(places.get(argument, argument) for argument in arguments))

    assert refused.code == code, refused
    assert [word for word in words if word not in refused.err] == []
    assert "Traceback" not in refused.err
    assert refused.out == ""
