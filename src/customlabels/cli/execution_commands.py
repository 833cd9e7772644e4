"""The arguments of `execution` and `verify`: runs of any state machine, here or elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from customlabels.cli.options import Json, Profile, Region, Url

__all__ = ["execution", "verify"]

execution = typer.Typer(
    no_args_is_help=True,
    help="Runs of any state machine, here or at another Step Functions endpoint.",
    rich_markup_mode=None,
)

Execution = Annotated[str, typer.Argument(help="An ARN, MACHINE:NAME, or a run's name.")]


@execution.command("start")
def execution_start(
    machine: Annotated[str, typer.Argument(help="A machine's ARN, or its name here; NAME#CASE is mocked.")],
    text: Annotated[str, typer.Option("--input", help="The input as JSON, or @FILE.")] = "{}",
    name: Annotated[str, typer.Option(help="The execution's name.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Return once it has ended.")] = False,
    endpoint_url: Url = "",
    profile: Profile = "",
    region: Region = "",
    as_json: Json = False,
) -> None:
    """Start an execution."""
    from customlabels.cli.executions import start_execution
    from customlabels.cli.places import Place

    place = Place(endpoint_url, profile, region)
    raise typer.Exit(start_execution(place, machine, text, name, wait=wait, as_json=as_json))


@execution.command("describe")
def execution_describe(
    name: Execution, endpoint_url: Url = "", profile: Profile = "", region: Region = "", as_json: Json = False
) -> None:
    """Status, and output or error."""
    from customlabels.cli.executions import describe_execution
    from customlabels.cli.places import Place

    raise typer.Exit(describe_execution(Place(endpoint_url, profile, region), name, as_json=as_json))


@execution.command("history")
def execution_history(
    name: Execution, endpoint_url: Url = "", profile: Profile = "", region: Region = "", as_json: Json = False
) -> None:
    """Every event."""
    from customlabels.cli.executions import show_history
    from customlabels.cli.places import Place

    raise typer.Exit(show_history(Place(endpoint_url, profile, region), name, as_json=as_json))


@execution.command("stop")
def execution_stop(
    name: Execution,
    error: Annotated[str, typer.Option(help="The error to end with.")] = "",
    cause: Annotated[str, typer.Option(help="The cause to end with.")] = "",
    endpoint_url: Url = "",
    profile: Profile = "",
    region: Region = "",
    as_json: Json = False,
) -> None:
    """End an execution as ABORTED."""
    from customlabels.cli.executions import stop_execution
    from customlabels.cli.places import Place

    place = Place(endpoint_url, profile, region)
    raise typer.Exit(stop_execution(place, name, error, cause, as_json=as_json))


@execution.command("redrive")
def execution_redrive(
    name: Execution, endpoint_url: Url = "", profile: Profile = "", region: Region = "", as_json: Json = False
) -> None:
    """Go on with a failed execution where it failed."""
    from customlabels.cli.executions import redrive_execution
    from customlabels.cli.places import Place

    raise typer.Exit(redrive_execution(Place(endpoint_url, profile, region), name, as_json=as_json))


def verify(
    name: Execution,
    history: Annotated[Path, typer.Argument(help="What `aws stepfunctions get-execution-history` printed.")],
    endpoint_url: Url = "",
    profile: Profile = "",
    region: Region = "",
    as_json: Json = False,
) -> None:
    """Compare an execution's history with one from AWS."""
    from customlabels.cli.executions import verify_execution
    from customlabels.cli.places import Place

    raise typer.Exit(verify_execution(Place(endpoint_url, profile, region), name, history, as_json=as_json))
