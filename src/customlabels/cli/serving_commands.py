"""The arguments of the commands about models in service; their work is in `serving`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from customlabels.cli.options import Json, Target

__all__ = ["export", "promote", "shadow", "start"]


def start(
    model: Target,
    units: Annotated[int, typer.Option(min=1, metavar="COUNT", help="Processes that serve the model.")] = 1,
    max_units: Annotated[
        int, typer.Option(min=0, metavar="COUNT", help="Most of them, under load.", show_default=False)
    ] = 0,
    idle_stop: Annotated[
        str, typer.Option(metavar="TIME", help="Stop after so long without a request, such as 30m; or off.")
    ] = "",
    wake: Annotated[bool, typer.Option("--wake", help="Only sleep then; the next request wakes it.")] = False,
    as_json: Json = False,
) -> None:
    """Put a trained model into service."""
    from customlabels.cli.serving import start_model

    raise typer.Exit(start_model(model, units, max_units, idle_stop, wake=wake, as_json=as_json))


def shadow(
    model: Target,
    sample: Annotated[
        float, typer.Option(min=0, max=100, metavar="PERCENT", help="Of the calls, put to it too, silently.")
    ] = 10.0,
    answer: Annotated[
        float, typer.Option(min=0, max=100, metavar="PERCENT", help="Of the calls, answered by it.")
    ] = 0.0,
    compare: Annotated[
        int, typer.Option(min=1, metavar="COUNT", help="Comparisons before it is judged.")
    ] = 100,
    promote: Annotated[
        bool, typer.Option("--promote", help="Promote it by itself once all rules are kept.")
    ] = False,
    end: Annotated[bool, typer.Option("--end", help="End the comparison.")] = False,
    as_json: Json = False,
) -> None:
    """Compare a model with the one in service, on its live calls; tell how it stands."""
    from customlabels.cli.serving import shadow_model

    raise typer.Exit(shadow_model(model, sample, answer, compare, promote=promote, end=end, as_json=as_json))


def promote(model: Target, as_json: Json = False) -> None:
    """Make a model the one in service; the one before takes over again if it fails."""
    from customlabels.cli.serving import promote_model

    raise typer.Exit(promote_model(model, as_json=as_json))


def export(
    model: Target,
    to: Annotated[Path, typer.Option(metavar="DIR", help="The folder to make.")],
    as_json: Json = False,
) -> None:
    """Write a model that runs without this program: ONNX, labels, card, a server."""
    from customlabels.cli.serving import export_model

    raise typer.Exit(export_model(model, to, as_json=as_json))
