"""Write docs/custom-labels-api.md: what this server does of the API, from its model, the code and the tests.

    python docs/write_api.py

"Errors tested" are those that a request in tests/operations/refused_requests.py provokes. "Used by" says
which clients make the call in the journeys through a real server, and whether the pipeline makes it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from botocore import xform_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "custom-labels-api.md"
HEAD = """# The Custom Labels API

Written by `python docs/write_api.py` from the service model, the code and the tests; do not edit.
Besides the errors below, any operation may answer AccessDenied, InternalServerError, InvalidParameter,
ProvisionedThroughputExceeded, Throttling and Validation. "Exception" is left out of the names.
Each constraint of the model is broken once for each operation in `tests/operations/test_contract.py`.

| operation | implemented | errors tested | errors without occasion | used by |
| --- | --- | --- | --- | --- |
"""


def page() -> str:
    """The page's text."""
    sys.path.insert(0, str(ROOT))
    from tests.operations.refused_requests import NEVER, OPERATIONS, REFUSED

    from customlabels.operations import table

    users = _users()
    rows = []
    for operation in OPERATIONS:
        tested = sorted(code for name, code in REFUSED if name == operation)
        never = sorted(f"{code}: {why}" for (name, code), why in NEVER.items() if name == operation)
        made = "yes" if ("rekognition", operation) in table() else "no"
        used = ", ".join(client for client, calls in users.items() if calls(operation))
        rows.append(f"| {operation} | {made} | {_short(tested)} | {_short(never)} | {used} |\n")
    return HEAD + "".join(rows)


def _short(codes: list[str]) -> str:
    return "; ".join(code.replace("Exception", "") for code in codes)


def _users() -> dict[str, Callable[[str], bool]]:
    """By client: whether it makes the call of an operation."""
    journeys = "".join(path.read_text() for path in sorted((ROOT / "tests" / "journeys").glob("*.py")))
    script = (ROOT / "tests" / "journeys" / "clients" / "journey.js").read_text()
    workflow = (ROOT / "statemachine" / "workflow.yaml").read_text()

    def by_boto3(operation: str) -> bool:
        method = xform_name(operation)
        return bool(re.search(rf"\.{method}\(|get_paginator\(\"{method}\"\)", journeys))

    def by_pipeline(operation: str) -> bool:
        return f"rekognition:{operation[0].lower()}{operation[1:]}" in workflow

    def by_cli(operation: str) -> bool:
        return f'aws(rekognition, "{xform_name(operation, "-")}"' in journeys

    def by_javascript(operation: str) -> bool:
        return f"{operation}Command(" in script

    return {
        "boto3": by_boto3,
        "AWS CLI": by_cli,
        "JavaScript SDK v3": by_javascript,
        "the pipeline": by_pipeline,
    }


if __name__ == "__main__":
    PAGE.write_text(page())
