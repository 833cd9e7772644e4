"""The model folder: what is written, and every way in which a folder is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.inference.tiny_model import LABELS, THRESHOLDS, write_model

from customlabels.images import Preprocessing
from customlabels.inference import ArtefactError, ModelCard, read_card, write_card

CARD = ModelCard(
    labels=LABELS,
    thresholds=THRESHOLDS,
    preprocessing=Preprocessing(16, 32),
    metrics={"f1": 0.9, "split": "test"},
    environment={"numpy": "2"},
    card={"seed": 3},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


def changed(folder: Path, **members: Any) -> Path:
    value = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**value, **members}))
    return folder


def test_a_card_comes_back_as_it_was_written_with_digests_of_both_files(folder: Path) -> None:
    written = write_card(folder, CARD)

    assert read_card(folder) == written
    assert written == replace(CARD, digests=written.digests)
    assert sorted(written.digests) == ["model.onnx", "weights.safetensors"]


def test_the_weights_may_be_absent_from_the_start(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()

    assert list(write_card(folder, CARD).digests) == ["model.onnx"]
    assert read_card(folder).labels == LABELS


def test_a_card_without_a_graph_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"model\.onnx: is missing; export"):
        write_card(tmp_path, CARD)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["model.onnx", "weights.safetensors"])
def test_a_changed_file_is_refused_and_named(folder: Path, name: str) -> None:
    with (folder / name).open("ab") as file:
        file.write(b"x")

    with pytest.raises(ArtefactError, match=f"{name}: was changed") as caught:
        read_card(folder)
    assert caught.value.path == folder / name


@pytest.mark.parametrize("name", ["model.json", "model.onnx", "weights.safetensors"])
def test_a_missing_file_is_refused_and_named(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(ArtefactError, match=name):
        read_card(folder)


def test_a_newer_format_is_refused_with_the_way_out(folder: Path) -> None:
    with pytest.raises(ArtefactError, match="has format 2; this program reads format 1: update it"):
        read_card(changed(folder, format=2))


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"format": None}, "has format None"),
        ({"labels": ["a", "a", "b"]}, "labels must differ"),
        ({"labels": []}, "at least one"),
        ({"labels": 3}, "does not describe a model"),
        ({"labels": ["a"]}, "1 labels need as many thresholds, not 3"),
        ({"thresholds": [0.5, 1.5, 0.5]}, "from 0 to 1"),
        ({"kind": "poems"}, "kind is one of single-label"),
        ({"preprocessing": {"size": 0}}, "size is a whole number"),
        ({"preprocessing": {"size": 16, "blur": 1}}, "unknown preprocessing settings: blur"),
        ({"surprise": 1}, "surprise"),
        ({"digests": {}}, "names no digest for model.onnx"),
        ({"digests": {"../../secret": "0"}}, "names files that a model does not have"),
    ],
)
def test_a_card_that_describes_no_model_is_refused(folder: Path, members: dict[str, Any], text: str) -> None:
    with pytest.raises(ArtefactError, match=text):
        read_card(changed(folder, **members))


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_card_that_is_no_json_object_is_refused(folder: Path, text: str) -> None:
    (folder / "model.json").write_text(text)

    with pytest.raises(ArtefactError, match=r"model\.json"):
        read_card(folder)
