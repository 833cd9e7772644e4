"""The arguments of the commands about models in service; their work is in `serving`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from customlabels.cli import actions
from customlabels.cli.options import Json, Target, amount, flag, text


def start(
    model: Target,
    units: Annotated[int, amount("Processes that serve the model.", "COUNT", 1)] = 1,
    max_units: Annotated[int | None, amount("Most of them, under load.", "COUNT")] = None,
    idle_stop: Annotated[
        str, text("Stop after so long without a request, such as 30m; or off.", "TIME")
    ] = "",
    wake: Annotated[bool, flag("--wake", "Only sleep then; the next request wakes it.")] = False,
    as_json: Json = False,
) -> None:
    """Put a trained model into service."""
    raise typer.Exit(actions.start_model(model, units, max_units or 0, idle_stop, wake=wake, as_json=as_json))


def shadow(
    model: Target,
    sample: Annotated[float, amount("Of the calls, put to it too, silently.", "PERCENT", most=100)] = 10.0,
    answer: Annotated[float, amount("Of the calls, answered by it.", "PERCENT", most=100)] = 0.0,
    compare: Annotated[int, amount("Comparisons before it is judged.", "COUNT", 1)] = 100,
    promote: Annotated[bool, flag("--promote", "Promote it by itself once all rules are kept.")] = False,
    end: Annotated[bool, flag("--end", "End the comparison.")] = False,
    as_json: Json = False,
) -> None:
    """Compare a model with the one in service, on its live calls; tell how it stands."""
    raise typer.Exit(
        actions.shadow_model(model, sample, answer, compare, promote=promote, end=end, as_json=as_json)
    )


def promote(model: Target, as_json: Json = False) -> None:
    """Make a model the one in service; the one before takes over again if it fails."""
    raise typer.Exit(actions.promote_model(model, as_json=as_json))


def export(
    model: Target, to: Annotated[Path, text("The folder to make.", "DIR")], as_json: Json = False
) -> None:
    """Write a model that runs without this program: ONNX, labels, card, a server."""
    raise typer.Exit(actions.export_model(model, to, as_json=as_json))
