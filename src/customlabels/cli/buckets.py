"""Commands on buckets: the folders of this machine that the server may read.

Layer: cli.
"""

from __future__ import annotations

from pathlib import Path

from customlabels.cli.endpoint import connect
from customlabels.cli.exits import Exit, UsageError
from customlabels.cli.printing import print_json, print_table, show
from customlabels.settings import Settings


def add_bucket(name: str, folder: Path) -> Exit:
    """Register a folder."""
    path = folder.expanduser().absolute()
    if not path.is_dir():
        raise UsageError(f"{folder}: there is no such folder")
    connect(Settings.from_environment()).customlabels.put_bucket(Name=name, Folder=str(path))
    show(f"s3://{name}  {path}")
    return Exit.DONE


def list_buckets(*, as_json: bool) -> Exit:
    """Every registered bucket with its folder."""
    buckets = connect(Settings.from_environment()).customlabels.list_buckets()["Buckets"]
    if as_json:
        print_json({"Buckets": buckets})
    else:
        print_table(("BUCKET", "FOLDER"), ((one["Name"], one["Folder"]) for one in buckets))
    return Exit.DONE


def remove_bucket(name: str) -> Exit:
    """Forget a bucket."""
    connect(Settings.from_environment()).customlabels.delete_bucket(Name=name)
    show(f"forgot s3://{name}; its files are untouched")
    return Exit.DONE
