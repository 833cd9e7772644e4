"""Redrive: whether an execution that ended badly can go on from where it failed.

Layer: workflows. Pure. The rules are the service's.
"""

from __future__ import annotations

from customlabels.workflows.journal import Execution

__all__ = ["redrive_status"]


def redrive_status(execution: Execution) -> tuple[str, str | None]:
    """`REDRIVABLE` or `NOT_REDRIVABLE`, and why not."""
    if execution.status in ("RUNNING", "SUCCEEDED"):
        return "NOT_REDRIVABLE", f"Execution is {execution.status} and cannot be redriven"
    return "NOT_REDRIVABLE", "Redrive is not offered by this server; start a new execution"
