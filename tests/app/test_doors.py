"""Doors: each room gives what it names; and what is not asked for is not loaded."""

import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import pytest

import customlabels

ROOMS = [module.name for module in iter_modules(customlabels.__path__) if module.ispkg]


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_offers_what_it_names_and_none_of_its_modules_has_such_a_name(name: str) -> None:
    room = import_module(f"customlabels.{name}")

    assert [each for each in room.__all__ if not hasattr(room, each)] == []
    assert {module.name for module in iter_modules(room.__path__)} & set(room.__all__) == set()


def test_a_name_that_no_room_offers_is_an_error_that_says_so() -> None:
    with pytest.raises(AttributeError, match=r"'customlabels\.images' has no attribute 'paint'"):
        import_module("customlabels.images").paint  # noqa: B018


def test_a_server_starts_without_what_only_some_requests_need() -> None:
    heavy = {
        "numpy",
        "PIL.Image",
        "onnxruntime",
        "jinja2",
        "starlette",
        "alembic",
        "yaml",
        "jsonpath",
        "typer",
    }
    program = f"import sys, customlabels.app.server; print(sorted({heavy!r} & set(sys.modules)))"

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert said.stdout == "[]\n"
