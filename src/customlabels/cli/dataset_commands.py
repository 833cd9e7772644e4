"""`customlabels dataset ...`: the arguments of its commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from customlabels.cli import actions
from customlabels.cli.options import Json, amount, flag, text

dataset = typer.Typer(
    no_args_is_help=True,
    help="Labelled images in any format: convert, divide, compare.",
    rich_markup_mode=None,
)

Source = Annotated[
    str, typer.Argument(metavar="SRC", help="A folder per label, a manifest, COCO, YOLO, Pascal VOC or CSV.")
]
Folder = Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder to make.")]
LeaveOut = Annotated[bool, flag("--leave-out", "Go on without what cannot be used.")]


@dataset.command("import")
def import_(
    source: Source,
    to: Annotated[str, text("A project's name, or a folder to make (./DIR).", "NAME|DIR")],
    leave_out: LeaveOut = False,
    as_json: Json = False,
) -> None:
    """Read labelled images of any format into a manifest, or into a dataset of the server."""
    raise typer.Exit(actions.import_source(source, to, leave_out=leave_out, as_json=as_json))


@dataset.command("export")
def export(
    source: Source,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="manifest, coco, yolo, voc, csv or folders.")
    ],
    to: Folder,
    leave_out: LeaveOut = False,
    as_json: Json = False,
) -> None:
    """Write labelled images in another format."""
    raise typer.Exit(actions.write_as(source, form, to, leave_out=leave_out, as_json=as_json))


@dataset.command()
def split(
    source: Source,
    to: Folder,
    test: Annotated[float, typer.Option(min=0.01, max=0.9, metavar="SHARE", help="Of each label.")] = 0.2,
    seed: Annotated[int, amount("The same seed divides the same way.", "NUMBER")] = 0,
    leave_out: LeaveOut = False,
    as_json: Json = False,
) -> None:
    """Divide images into training and test; copies of an image stay on one side."""
    raise typer.Exit(actions.divide(source, test, seed, to, leave_out=leave_out, as_json=as_json))


@dataset.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="The data before, in any format.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The data after.")],
    as_json: Json = False,
) -> None:
    """What was added, removed and labelled otherwise; an image is known by its bytes."""
    raise typer.Exit(actions.compare(before, after, as_json=as_json))
