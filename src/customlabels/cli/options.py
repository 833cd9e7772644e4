"""Options that several commands have."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, get_type_hints

import typer

from customlabels.cli.places import Place

Command = Callable[..., None]

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Run = Annotated[str, typer.Argument(help="A run's name or execution ARN.")]
Target = Annotated[str, typer.Argument(help="A project, PROJECT/VERSION or an ARN.")]
# By the member of a place that each gives.
ENDPOINT = {
    "endpoint_url": Annotated[str, typer.Option("--endpoint-url", help="Another Step Functions endpoint.")],
    "profile": Annotated[str, typer.Option(help="AWS, with this profile.")],
    "region": Annotated[str, typer.Option(help="AWS, in this region.")],
}
PIPELINE = {
    "stack_name": Annotated[str, typer.Option("--stack-name", help="AWS, the pipeline of this stack.")],
    "machine_arn": Annotated[str, typer.Option("--state-machine-arn", help="AWS, this state machine.")],
}


def text(help_text: str, metavar: str = "NAME") -> Any:
    """An option with a word after it."""
    return typer.Option(metavar=metavar, help=help_text)


def flag(name: str, help_text: str) -> Any:
    """An option that is there or not."""
    return typer.Option(name, help=help_text)


def share(help_text: str) -> Any:
    """An option with a score after it, 0 to 1."""
    return typer.Option(parser=_score, metavar="SCORE", help=help_text)


def _score(text: str) -> float:
    # Not by `min` and `max`: some versions of typer take nan for a number between them.
    with contextlib.suppress(ValueError):
        if 0 <= (score := float(text)) <= 1:
            return score
    raise typer.BadParameter(f"{text!r} is no number from 0 to 1")


def amount(help_text: str, metavar: str = "NUMBER", least: int = 0, most: int | None = None) -> Any:
    """An option with a number after it."""
    return typer.Option(min=least, max=most, metavar=metavar, help=help_text)


def anywhere(command: Command) -> Command:
    """The command with all options that say where the pipeline is; it takes them as its `place`."""
    return _with_place(command, ENDPOINT | PIPELINE)


def at_an_endpoint(command: Command) -> Command:
    """The command with the options that say where Step Functions is; it takes them as its `place`."""
    return _with_place(command, ENDPOINT)


def _with_place(command: Command, options: dict[str, Any]) -> Command:
    """What typer is shown has `options` where the command has the keyword `place`."""

    @wraps(command)
    def placed(**given: Any) -> None:
        place = Place(**{name: given.pop(name) for name in options})
        command(**given, place=place)

    hints, shown = get_type_hints(command, include_extras=True), list[Parameter]()
    for parameter in signature(command).parameters.values():
        if parameter.name == "place":
            shown += [
                Parameter(name, Parameter.KEYWORD_ONLY, default="", annotation=option)
                for name, option in options.items()
            ]
        else:
            shown.append(parameter.replace(annotation=hints[parameter.name]))
    placed.__dict__["__signature__"] = signature(command).replace(parameters=shown)
    placed.__annotations__ = {each.name: each.annotation for each in shown}
    return placed
