"""docs/step-functions.md says what the code does, and what was measured."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from tests.asl.test_recorded import FLOORS as EXECUTIONS
from tests.operations.test_recorded import FLOORS as CALLS

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "step-functions.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def describing() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "describe_step_functions", DOCS / "describe_step_functions.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_code(describing: ModuleType) -> None:
    assert TEXT.count("<!-- table: ") == len(describing.TABLES)
    assert describing.described(TEXT) == TEXT, "write them anew: make tables"


def measured(table: int = 1) -> dict[str, list[str]]:
    """The cells of a table of suites, the first one or the second, behind the suite's name."""
    lines = TEXT.split("| suite |")[table].partition("\n\n")[0].splitlines()[2:]
    return {cells[0]: cells[1:] for cells in (line.strip("| ").split(" | ") for line in lines)}


@pytest.mark.parametrize("suite", EXECUTIONS)
def test_recorded_executions_are_told_as_they_are_held(suite: str) -> None:
    floor = EXECUTIONS[suite]

    assert measured()[suite][:4] == [str(count) for count in (floor.run, floor.a, floor.histories, floor.b)]


@pytest.mark.parametrize("suite", CALLS)
def test_recorded_calls_are_told_as_they_are_held(suite: str) -> None:
    run, equal = CALLS[suite]

    assert measured()[suite][:2] == [str(run), str(equal)]


def test_whatever_stays_out_has_its_reason() -> None:
    for suite, (run, equal, histories, alike, *reason) in measured().items():
        is_whole = run == equal and histories in (alike, "-")
        assert is_whole or (reason and reason[0].strip()), suite
    for suite, (run, equal, _possible, *reason) in measured(2).items():
        assert run == equal or (reason and reason[0].strip()), suite
