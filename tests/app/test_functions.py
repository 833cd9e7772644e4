"""Functions that tasks may call: what a user's file gives, and what is refused in words."""

from pathlib import Path

import pytest

from customlabels.app.functions import functions_of
from customlabels.errors import InvalidInput


def test_the_public_functions_of_the_file_are_found(tmp_path: Path) -> None:
    file = tmp_path / "functions.py"
    file.write_text(
        "from json import dumps\n"
        "def judge(event, context):\n    return {'Good': _better(event)}\n"
        "def _better(event):\n    return event['F1'] > 0.9\n"
    )

    found = functions_of(file)

    assert list(found) == ["judge"]
    assert found["judge"]({"F1": 0.95}, None) == {"Good": True}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def judge(event):\n    return 1\n", "judge: a task's function is called as name"),
        ("import no_such_library\n", "ModuleNotFoundError"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_reason(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "functions.py"
    file.write_text(text)

    with pytest.raises(InvalidInput, match=told):
        functions_of(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"gone\.py"):
        functions_of(tmp_path / "gone.py")
