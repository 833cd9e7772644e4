"""The order of the files: those that take long begin, so that the processes of a test run end together."""

from pathlib import Path

import pytest

LONG = (
    "journeys",
    "training",
)  # whose files take up to a minute each; all others take seconds


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the order within files: their tests share servers and models."""
    tests = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(tests).parts[0] not in LONG)
