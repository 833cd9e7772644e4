"""The arguments of `execution` and `verify`: runs of any state machine, here or elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from customlabels.cli import actions
from customlabels.cli.options import Json, at_an_endpoint
from customlabels.cli.places import Place

execution = typer.Typer(
    no_args_is_help=True,
    help="Runs of any state machine, here or at another Step Functions endpoint.",
    rich_markup_mode=None,
)

Execution = Annotated[str, typer.Argument(help="An ARN, MACHINE:NAME, or a run's name.")]


@execution.command("start")
@at_an_endpoint
def execution_start(
    machine: Annotated[str, typer.Argument(help="A machine's ARN, or its name here; NAME#CASE is mocked.")],
    text: Annotated[str, typer.Option("--input", help="The input as JSON, or @FILE.")] = "{}",
    name: Annotated[str, typer.Option(help="The execution's name.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Return once it has ended.")] = False,
    *,
    place: Place,
    as_json: Json = False,
) -> None:
    """Start an execution."""
    raise typer.Exit(actions.start_execution(place, machine, text, name, wait=wait, as_json=as_json))


@execution.command("describe")
@at_an_endpoint
def execution_describe(name: Execution, *, place: Place, as_json: Json = False) -> None:
    """Status, and output or error."""
    raise typer.Exit(actions.describe_execution(place, name, as_json=as_json))


@execution.command("history")
@at_an_endpoint
def execution_history(name: Execution, *, place: Place, as_json: Json = False) -> None:
    """Every event."""
    raise typer.Exit(actions.show_history(place, name, as_json=as_json))


@execution.command("stop")
@at_an_endpoint
def execution_stop(
    name: Execution,
    error: Annotated[str, typer.Option(help="The error to end with.")] = "",
    cause: Annotated[str, typer.Option(help="The cause to end with.")] = "",
    *,
    place: Place,
    as_json: Json = False,
) -> None:
    """End an execution as ABORTED."""
    raise typer.Exit(actions.stop_execution(place, name, error, cause, as_json=as_json))


@execution.command("redrive")
@at_an_endpoint
def execution_redrive(name: Execution, *, place: Place, as_json: Json = False) -> None:
    """Go on with a failed execution where it failed."""
    raise typer.Exit(actions.redrive_execution(place, name, as_json=as_json))


@at_an_endpoint
def verify(
    name: Execution,
    history: Annotated[Path, typer.Argument(help="What `aws stepfunctions get-execution-history` printed.")],
    *,
    place: Place,
    as_json: Json = False,
) -> None:
    """Compare an execution's history with one from AWS."""
    raise typer.Exit(actions.verify_execution(place, name, history, as_json=as_json))
