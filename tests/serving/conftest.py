"""A model folder, written once."""

from pathlib import Path

import pytest
from tests.inference.tiny_model import write_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "mean-colour")
