"""The service models that the tests of this room check against."""

from pathlib import Path

import pytest
from tests.wire.tiny_model import write_tiny_model

from customlabels.wire import Services, load_services

OWN_MODELS = Path(__file__).parents[2] / "src" / "customlabels" / "operations" / "models"


@pytest.fixture(scope="session")
def services() -> Services:
    """The three services as they are shipped."""
    return load_services(OWN_MODELS)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Services:
    """The same with a small third service that has every kind of shape."""
    return load_services(write_tiny_model(tmp_path_factory.mktemp("models")))
