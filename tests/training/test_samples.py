"""The samples: a data set of image files for each kind of model."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from customlabels.datasets import Entry, read_line
from customlabels.errors import InvalidInput
from customlabels.training import SAMPLES, write_sample


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The folder of each sample of scenes."""
    places = {name: tmp_path_factory.mktemp("scenes") / name for name in ("labels", "boxes")}
    for name, place in places.items():
        assert write_sample(name, place, "samples") == {"train": 240, "test": 80}
    return places


def test_the_digits_are_written_as_folders_and_manifests_that_agree(tmp_path: Path) -> None:
    counts = write_sample("digits", tmp_path / "digits", "samples")

    assert counts == {"train": 1347, "test": 450}
    for name, count in counts.items():
        lines = [
            json.loads(line) for line in (tmp_path / "digits" / f"{name}.manifest").read_text().splitlines()
        ]
        files = sorted((tmp_path / "digits" / name).glob("*/*.png"))
        keys = [f"s3://samples/{file.relative_to(tmp_path / 'digits')}" for file in files]
        assert len(lines) == count
        assert sorted(line["source-ref"] for line in lines) == sorted(keys)
        assert {line["label-metadata"]["class-name"] for line in lines} == set("0123456789")
    with Image.open(files[0]) as image:
        assert image.size == (64, 64)
    assert [path.name for path in tmp_path.iterdir()] == ["digits"]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(InvalidInput, match="there already"):
        write_sample("digits", tmp_path, "samples")

    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_without_scikit_learn_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)

    with pytest.raises(InvalidInput, match=r"customlabels\[train\]"):
        write_sample("digits", tmp_path / "digits", "samples")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["labels", "boxes"])
def test_scenes_are_written_with_manifests_that_every_line_of_is_usable(
    scenes: Mapping[str, Path], name: str
) -> None:
    for part, count in (("train", 240), ("test", 80)):
        entries = list(open_lines(scenes[name] / f"{part}.manifest"))
        assert len(entries) == count
        assert not any(entry.errors or entry.warnings for entry in entries)
        assert {label for entry in entries for label in entry.labels} == {
            "circle",
            "diamond",
            "star",
            "triangle",
        }
        assert any(len(entry.labels) > 1 for entry in entries)
        assert all(bool(entry.boxes) is (name == "boxes") for entry in entries)
        assert all((scenes[name] / part / f"{at:03d}.png").is_file() for at in range(count))


def test_a_box_holds_its_shape_and_little_else(scenes: Mapping[str, Path]) -> None:
    for at, entry in enumerate(list(open_lines(scenes["boxes"] / "test.manifest"))[:20]):
        with Image.open(scenes["boxes"] / "test" / f"{at:03d}.png") as image:
            pixels = np.asarray(image).astype(int)
        ground = np.median(pixels.reshape(-1, 3), axis=0)
        shapes = (abs(pixels - ground).max(axis=2) > 60).astype(int)
        boxes = [
            np.s_[int(b.top) : int(b.top + b.height), int(b.left) : int(b.left + b.width)]
            for b in entry.boxes
        ]
        inside = [shapes[box] for box in boxes]
        assert all(box.mean() > 0.2 for box in inside)
        assert sum(box.sum() for box in inside) > 0.98 * shapes.sum()


def test_the_seed_decides_every_byte_of_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("customlabels.training.samples.SCENES", {"train": 3, "test": 1})
    places = [tmp_path / name for name in ("one", "same", "other")]
    for place, seed in zip(places, (1, 1, 2), strict=True):
        write_sample("boxes", place, "samples", seed=seed)

    one, same, other = (
        [file.read_bytes() for file in sorted(place.rglob("*")) if file.is_file()] for place in places
    )
    assert one == same
    assert all(ours != another for ours, another in zip(one, other, strict=True))


def test_a_sample_of_another_name_is_refused_with_the_names_there_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="digits, labels, boxes"):
        write_sample("poems", tmp_path / "poems", "samples")

    assert set(SAMPLES) == {"digits", "labels", "boxes"}
    assert list(tmp_path.iterdir()) == []


def open_lines(manifest: Path) -> Iterator[Entry]:
    """The entries of a manifest."""
    for position, text in enumerate(manifest.read_text().splitlines(), start=1):
        entry = read_line(text, position)
        assert isinstance(entry, Entry)
        yield entry
