"""What people read: progress and messages on stderr, results on stdout, JSON where asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import Any

from customlabels.cli.exits import Exit


def say(text: str = "") -> None:
    """A line of progress or advice, to stderr."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def said_if_long(text: str, seconds: float = 3.0) -> Iterator[None]:
    """Say what is being done once it has taken so long."""
    timer = Timer(seconds, say, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def show(text: str) -> None:
    """A line of the result, to stdout."""
    print(text, flush=True)


def print_json(value: Any) -> None:
    """The result for a script: one JSON document on stdout; times in ISO form."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str), flush=True)


def tell(value: Any, *lines: str, advice: str = "", as_json: bool) -> Exit:
    """How a command ends that went well: its result as JSON, or in lines with advice what to do next."""
    if as_json:
        print_json(value)
        return Exit.DONE
    for line in lines:
        show(line)
    if advice:
        say(advice)
    return Exit.DONE


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Columns on stdout; a terminal gets them styled, a pipe gets plain text without cut lines."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console = Console(file=sys.stdout, highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, highlight=False, markup=False, width=250)
    console.print(table)
