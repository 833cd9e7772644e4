"""The arguments of commands about what is in service: history, rollback."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from customlabels.cli import actions
from customlabels.cli.options import Json, text

Project = Annotated[str, typer.Argument(help="A project's name.")]


def history(
    project: Project,
    at: Annotated[datetime | None, text("As it was then: 2026-03-01T12:00, local time.", "DATE")] = None,
    holds: Annotated[str, text("Fail unless this digest, noted before, is still there.", "DIGEST")] = "",
    as_json: Json = False,
) -> None:
    """Which version of a project served when, by which run, and whether the record is intact."""
    raise typer.Exit(actions.show_ledger(project, at, holds, as_json=as_json))


def rollback(
    project: Project,
    reason: Annotated[str, typer.Option(help="Kept on record.")] = "rolled back by hand",
    as_json: Json = False,
) -> None:
    """Put the version before the present one back into service."""
    raise typer.Exit(actions.roll_back(project, reason, as_json=as_json))
