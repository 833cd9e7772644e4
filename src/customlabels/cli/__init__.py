"""The `customlabels` command: reads arguments, calls one thing, prints.

Data goes to stdout, progress and messages to stderr. What a command imports is loaded when it runs, so that
`customlabels --help` answers at once.
"""

from customlabels.cli.program import main

__all__ = ["main"]
