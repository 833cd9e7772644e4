"""Where the definition is found, and that it is filled."""

from __future__ import annotations

from pathlib import Path

import pytest

from customlabels.errors import InvalidInput
from customlabels.pipeline import definition, local_substitutions
from customlabels.pipeline.workflow import WorkflowMissing, definition_text


def test_a_checkout_gives_the_file_that_the_template_names() -> None:
    file = Path(__file__).parents[2] / "statemachine" / "workflow.yaml"

    assert definition_text() == file.read_text(encoding="utf-8")


def test_a_wheels_own_copy_comes_first(tmp_path: Path) -> None:
    for place in ("wheel", "checkout"):
        (tmp_path / place).write_text(place, encoding="utf-8")

    assert definition_text([tmp_path / "wheel", tmp_path / "checkout"]) == "wheel"


def test_a_missing_definition_is_said_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(WorkflowMissing, match=r"wheel\.yaml nor .*checkout\.yaml"):
        definition_text([tmp_path / "wheel.yaml", tmp_path / "checkout.yaml"])


def test_the_document_names_every_field_of_the_input_with_its_default() -> None:
    document = (Path(__file__).parents[2] / "docs" / "workflow.md").read_text(encoding="utf-8")
    fields = definition(local_substitutions())["States"]["Defaults"]["Parameters"]

    assert [name for name in fields if f"`{name.removesuffix('.$')}`" not in document] == []
    assert [
        value for name, value in fields.items() if name.endswith("Seconds") and str(value) not in document
    ] == []


def test_a_place_without_a_substitution_is_refused_by_name() -> None:
    substitutions = local_substitutions()
    del substitutions["OutputPrefix"]

    with pytest.raises(InvalidInput, match="OutputPrefix"):
        definition(substitutions)
