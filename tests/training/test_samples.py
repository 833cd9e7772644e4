"""The digits: scans of scikit-learn as a data set of image files."""

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from customlabels.training import SampleError, write_digits


def test_the_digits_are_written_as_folders_and_manifests_that_agree(tmp_path: Path) -> None:
    counts = write_digits(tmp_path / "digits", "samples")

    assert counts == {"train": 1347, "test": 450}
    for name, count in counts.items():
        lines = [
            json.loads(line) for line in (tmp_path / "digits" / f"{name}.manifest").read_text().splitlines()
        ]
        files = sorted((tmp_path / "digits" / name).glob("*/*.png"))
        keys = [f"s3://samples/{file.relative_to(tmp_path / 'digits')}" for file in files]
        assert len(lines) == count
        assert sorted(line["source-ref"] for line in lines) == sorted(keys)
        assert {line["digit-metadata"]["class-name"] for line in lines} == set("0123456789")
    with Image.open(files[0]) as image:
        assert image.size == (64, 64)
    assert [path.name for path in tmp_path.iterdir()] == ["digits"]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(SampleError, match="there already"):
        write_digits(tmp_path, "samples")

    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_without_scikit_learn_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)

    with pytest.raises(SampleError, match=r"customlabels\[train\]"):
        write_digits(tmp_path / "digits", "samples")

    assert list(tmp_path.iterdir()) == []
