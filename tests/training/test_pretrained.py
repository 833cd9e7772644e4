"""Backbones of the hub: tiny ones with random weights, saved as transformers saves real ones."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.shapes import spec_of_kind, spec_on
from tests.training.the_hub import serving

from customlabels.inference import BOXES, MULTI_LABEL, Predictor
from customlabels.storage import Objects
from customlabels.training import Progress, TrainingFailed, TrainingOutcome, TrainingSpec
from customlabels.training.documents import Documents
from customlabels.training.hub import HubBackbone, InvalidBackbone, fetched
from customlabels.training.material import gathered
from customlabels.training.pictures import PictureSource
from customlabels.training.pretrained import ridge_head, said_when_left_out
from customlabels.training.stages import run

transformers = pytest.importorskip("transformers", reason="backbones of the hub need transformers")

SIDE = 32
DINO = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 8,
    "image_size": SIDE,
}
CONVNEXT = {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 24, 32], "image_size": SIDE}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "dinov2": ("Dinov2", DINO),
    "convnextv2": ("ConvNextV2", CONVNEXT),
    "mobilenet_v2": ("MobileNetV2", {"depth_multiplier": 0.35, "image_size": SIDE}),
}


def ignore(_: Progress) -> None:
    """Take no notice of progress."""


def trained(spec: TrainingSpec, tell: Callable[[Progress], None] = ignore) -> TrainingOutcome:
    """A training in this process, which has imported everything; test_trainings starts real ones."""
    threads = torch.get_num_threads()
    try:
        return run(spec, tell, lambda: datetime.now(UTC))
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode("default")


def saved(folder: Path, family: str) -> Path:
    """A backbone of a family as it lies on the hub."""
    torch.manual_seed(1)
    name, settings = FAMILIES[family]
    model: Any = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**settings))
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {"crop_size": {"height": SIDE, "width": SIDE}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
        )
    )
    return folder


@pytest.fixture(scope="module", params=list(FAMILIES))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("hub") / request.param, request.param)


@pytest.fixture(scope="module")
def dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("hub") / "dinov2", "dinov2")


def card_of(model: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((model / "model.json").read_bytes())
    return card


def test_a_training_on_a_backbone_ends_with_an_exported_model_that_answers(
    folder: Path, tmp_path: Path
) -> None:
    outcome = trained(replace(spec_on(tmp_path), backbone_folder=folder))

    card = card_of(outcome.artefact_folder)
    assert card["card"]["backbone"]["model_type"] == folder.name
    assert card["preprocessing"]["size"] == SIDE
    image = next((tmp_path / "images" / "test").iterdir()).read_bytes()
    assert Predictor.load(outcome.artefact_folder).scores([image]).sum() == pytest.approx(1, abs=1e-4)


def test_several_labels_an_image_are_learned_on_a_backbone_too(dino: Path, tmp_path: Path) -> None:
    outcome = trained(replace(spec_of_kind(tmp_path, MULTI_LABEL), backbone_folder=dino))

    assert outcome.kind == MULTI_LABEL
    assert card_of(outcome.artefact_folder)["card"]["backbone"]["model_type"] == "dinov2"


def test_with_time_enough_the_backbone_learns_on(dino: Path, tmp_path: Path) -> None:
    seen = list[Progress]()
    spec = replace(spec_on(tmp_path), backbone_folder=dino, budget_seconds=5.0)

    trained(spec, seen.append)

    assert max(progress.step for progress in seen) > 0


def test_boxes_are_learned_without_it_and_the_notes_say_so(dino: Path, tmp_path: Path) -> None:
    spec, hub = spec_of_kind(tmp_path, BOXES), HubBackbone.read(dino)
    objects = Objects(spec.buckets.get, None)

    material = gathered(spec, PictureSource(objects, tmp_path, 1), Documents(spec, objects), ignore, hub)

    assert any("boxes are learned without it" in note for note in material.notes)
    assert material.size != hub.size


def test_the_same_seed_gives_the_same_bits_from_features_that_were_kept(dino: Path, tmp_path: Path) -> None:
    spec = replace(spec_on(tmp_path), backbone_folder=dino)
    first = trained(spec).artefact_folder / "model.onnx"
    bits = first.read_bytes()
    state = spec.work_folder / "state"
    for leftover in ("outcome.json", "said-model.safetensors"):
        (state / leftover).unlink()

    assert (trained(spec).artefact_folder / "model.onnx").read_bytes() == bits


def test_what_is_said_of_a_left_out_image_is_what_a_fit_without_it_says() -> None:
    random = np.random.default_rng(0)
    features = torch.from_numpy(random.normal(size=(60, 10)).astype(np.float32))
    carried = np.eye(3, dtype=bool)[random.integers(0, 3, 60)]
    features[:, :3] += 2 * torch.from_numpy(carried).float()

    originals = np.where(np.arange(60) == 40, 7, np.arange(60))  # a copy is left out with its original

    strength, left_out = said_when_left_out(features, carried, originals)

    for image in (7, 9):
        rest = originals != image
        weight, bias = ridge_head(features[rest], carried[rest], strength)
        assert (features[image] @ weight + bias).numpy() == pytest.approx(left_out[image].numpy(), abs=0.02)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        ({"config.json": None}, "cannot be read"),
        ({"config.json": "{"}, "is not JSON"),
        ({"config.json": "[]"}, "not a JSON object"),
        ({"config.json": "{}"}, "model_type"),
        ({"model.safetensors": None}, "a pickle may run programs"),
        ({"preprocessor_config.json": '{"image_mean": [1]}'}, "no three numbers"),
    ],
)
def test_a_folder_that_is_no_backbone_is_refused_with_what_is_wrong(
    tmp_path: Path, spoil: dict[str, str | None], told: str
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "dinov2"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    for name, text in spoil.items():
        if text is None:
            (tmp_path / name).unlink()
        else:
            (tmp_path / name).write_text(text)

    with pytest.raises(InvalidBackbone, match=told):
        HubBackbone.read(tmp_path)


def test_weights_that_do_not_fit_their_configuration_end_the_training_with_their_folder(
    tmp_path: Path,
) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub/config.json").write_text('{"model_type": "dinov2"}')
    (tmp_path / "hub/model.safetensors").write_bytes(b"nothing")

    with pytest.raises(TrainingFailed, match=r"cannot be used for images") as caught:
        trained(replace(spec_on(tmp_path), backbone_folder=tmp_path / "hub"))
    assert caught.value.code == "TRAINING_SETUP"


def command(home: Path, hub: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`customlabels backbone ...` with the hub at an address of this machine."""
    environment = {
        **os.environ,
        "CUSTOMLABELS_HOME": str(home),
        "HF_ENDPOINT": hub,
        "HF_HOME": str(home / "hf"),
    }
    return subprocess.run(
        [Path(sys.executable).with_name("customlabels"), "backbone", *words],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def silent() -> Iterator[str]:
    """A hub that takes the call and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_hub_that_does_not_answer_is_given_up_with_what_to_do(silent: str, tmp_path: Path) -> None:
    began = time.monotonic()
    done = command(tmp_path, silent, "fetch", "facebook/dinov2-small")

    assert done.returncode != 0
    assert "cannot be reached" in done.stderr
    assert "train without" in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - began < 30  # 3 seconds of waiting, on a machine that is busy
    assert fetched(tmp_path / "backbones") == {}


def test_a_backbone_is_fetched_once_and_then_used_by_itself(dino: Path, tmp_path: Path) -> None:
    with serving("someone/tiny", dino) as hub:
        done = command(tmp_path, hub, "fetch", "someone/tiny")
        missing = command(tmp_path, hub, "fetch", "someone/else")

    assert done.returncode == 0, done.stderr
    assert "dinov2" in done.stdout
    assert missing.returncode != 0
    assert "someone/else" in missing.stderr
    listed = command(tmp_path, hub, "list", "--json")
    (found,) = json.loads(listed.stdout)
    assert found["Name"] == "someone/tiny"
    assert HubBackbone.read(Path(found["Folder"])).side == SIDE


@pytest.mark.parametrize("name", ["dinov2", "../../etc", "a/b/c", "a/..", "/x"])
def test_what_is_no_name_of_the_hub_is_refused_before_anything_is_asked(tmp_path: Path, name: str) -> None:
    done = command(tmp_path, "http://127.0.0.1:9", "fetch", name)

    assert "OWNER/NAME" in done.stderr
    assert not (tmp_path / "backbones").exists()
