"""OpenVINO beside ONNX Runtime: the same scores, or ONNX Runtime alone."""

from pathlib import Path

import numpy as np
import pytest
from tests.inference.tiny_model import write_model

from customlabels.inference import Predictor, engines

pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install 'customlabels[openvino]'")


def test_where_it_is_installed_and_agrees_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "LARGEST_DIFFERENCE", 0.05)  # bfloat16 moves this model by 0.01
    folder = write_model(tmp_path)
    plain, fast = Predictor.load(folder), Predictor.load(folder, fastest=True)
    pixels = np.random.default_rng(1).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)

    apart = max(np.abs(plain.scores_of(each[None]) - fast.scores_of(each[None])).max() for each in pixels)

    assert (plain.engine, fast.engine) == ("onnxruntime", "openvino")
    assert apart <= engines.LARGEST_DIFFERENCE


def test_where_it_disagrees_onnx_runtime_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "LARGEST_DIFFERENCE", -1.0)

    assert Predictor.load(write_model(tmp_path), fastest=True).engine == "onnxruntime"


def test_it_can_be_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engines.ENGINE, "onnxruntime")

    assert Predictor.load(write_model(tmp_path), fastest=True).engine == "onnxruntime"
