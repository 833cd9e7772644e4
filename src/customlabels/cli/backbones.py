"""`backbone fetch|list`, and what `--backbone` stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from customlabels import training
from customlabels.cli.exits import UsageError
from customlabels.cli.options import Json
from customlabels.cli.printing import say, tell
from customlabels.settings import Settings

backbone = typer.Typer(
    no_args_is_help=True, help="Pretrained weights of the Hugging Face hub.", rich_markup_mode=None
)


@backbone.command("fetch")
def backbone_fetch(
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Such as facebook/dinov2-small.")],
    as_json: Json = False,
) -> None:
    """Download weights once; `run` then uses them by itself."""
    say(f"fetching {name}")
    found = training.fetch(name, Settings.from_environment().backbones)
    told = {"Name": name, "Folder": str(found.folder), "Type": found.model_type, "Side": found.side}
    line = f"{name}: {found.model_type}, {found.side} pixels, in {found.folder}"
    advice = "Mind its licence: weights have their own, often another than their code."
    tell(told, line, advice=advice, as_json=as_json)


@backbone.command("list")
def backbone_list(as_json: Json = False) -> None:
    """What was fetched; the first is what `--backbone auto` uses."""
    found = training.fetched(Settings.from_environment().backbones)
    told = [{"Name": name, "Folder": str(folder)} for name, folder in found.items()]
    advice = "" if found else "nothing yet: customlabels backbone fetch OWNER/NAME"
    lines = (f"{name}  {folder}" for name, folder in found.items())
    tell(told, *lines, advice=advice, as_json=as_json)


def chosen_backbone(text: str, backbones: Path) -> str | None:
    """The absolute folder of the weights to start from; None for our own or random ones. Raises UsageError.

    text: auto (what was fetched last, else our own), none (random ones), the name of one that was fetched,
        or a folder of one or of an earlier model of ours
    """
    if text == "none":
        return None
    found = training.fetched(backbones)
    if text == "auto":
        return str(next(iter(found.values()))) if found else None
    folder = found.get(text, Path(text).expanduser().absolute())
    if not training.holds_weights(folder):
        known = f"; fetched are: {', '.join(found)}" if found else ""
        raise UsageError(
            f"--backbone {text}: neither a folder of weights "
            "(no weights.safetensors or config.json is in it) "
            f"nor fetched (customlabels backbone fetch OWNER/NAME){known}"
        )
    return str(folder)
