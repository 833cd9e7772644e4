"""`dataset import|export|split|diff`: a user's labelled images in other formats, in parts, compared.

Layer: cli. They work on files of this machine; only an import to a name asks the server.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from customlabels.cli.data import TRAIN_ON, existing, is_remote, register_alone, told_by_rule
from customlabels.cli.exits import DataInvalid, Exit, UsageError
from customlabels.cli.printing import print_json, say, show, tell
from customlabels.datasets import (
    Images,
    compared,
    divided_by_label,
    export,
    images_of,
    open_source,
    write_parts,
)

NAME = re.compile(r"[a-zA-Z0-9_\-]{1,200}")


def import_source(source: str, to: str, *, leave_out: bool, as_json: bool) -> Exit:
    """Into a new folder with a manifest, or, for a plain name, into a project's training dataset."""
    if not NAME.fullmatch(to):
        return write_as(source, "manifest", Path(to), leave_out=leave_out, as_json=as_json)
    _images(source, leave_out=leave_out)
    arn = register_alone(open_source(existing(source)), to)
    advice = f"train on it:  customlabels run --train {arn} --test SRC"
    return tell({"DatasetArn": arn}, arn, advice=advice, as_json=as_json)


def write_as(source: str, form: str, to: Path, *, leave_out: bool, as_json: bool) -> Exit:
    """Write the images and labels of a source in another format."""
    images, folder = _images(source, leave_out=leave_out), to.expanduser().absolute()
    export(images, form, folder)
    count = len(images.items)
    told = {"Folder": str(folder), "Format": form, "Images": count}
    return tell(told, f"{folder}: {count} images, {form}", as_json=as_json)


def divide(source: str, share: float, seed: int, to: Path, *, leave_out: bool, as_json: bool) -> Exit:
    """Write training and test data with manifests of their own."""
    images, folder = _images(source, leave_out=leave_out), to.expanduser().absolute()
    train, test = divided_by_label(images, share, seed)
    write_parts(images.root, {"train": train, "test": test}, folder)
    told = {"Folder": str(folder), "Images": {"train": len(train), "test": len(test)}}
    line = f"{folder}: {len(train)} training images, {len(test)} test images"
    return tell(told, line, advice=TRAIN_ON.format(to), as_json=as_json)


def compare(before: str, after: str, *, as_json: bool) -> Exit:
    """Print what was added, removed and labelled otherwise."""
    found = compared(_images(before, leave_out=True), _images(after, leave_out=True))
    if as_json:
        print_json(asdict(found))
        return Exit.DONE
    for sign, keys in (("+", found.added), ("-", found.removed)):
        for key in keys:
            show(f"{sign} {key}")
    for key, old, new in found.relabelled:
        show(f"~ {key}: {old} -> {new}")
    say(f"{len(found.added)} added, {len(found.removed)} removed, {len(found.relabelled)} labelled otherwise")
    return Exit.DONE


def _images(source: str, *, leave_out: bool) -> Images:
    """The images of a source; DataInvalid where some cannot be used and none may be left out."""
    if is_remote(source):
        raise UsageError(f"{source}: these commands work on files of this machine; copy them here first")
    images = images_of(open_source(existing(source)))
    if images.problems:
        told = "\n".join(told_by_rule(images.problems))
        if not leave_out:
            raise DataInvalid(
                f"the data cannot be used as it is:\n{told}\n  to go on without these, add --leave-out"
            )
        say(f"left out:\n{told}")
    return images
