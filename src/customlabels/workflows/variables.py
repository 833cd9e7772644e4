"""Which variables the states of a definition read: what DescribeStateMachine shows of them.

Layer: workflows. Pure; works on the definition's text, which has been checked.
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

REFERENCE = re.compile(r"\$([^\W\d]\w*)(?!\w*\s*\()")  # not a function's name, which a bracket follows
QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`")
BOUND = re.compile(r"\$([^\W\d]\w*)\s*:=|function\s*\(([^)]*)\)|λ\s*\(([^)]*)\)")
NESTED = ("Branches", "ItemProcessor", "Iterator")


@lru_cache(maxsize=256)
def variable_references(definition: str) -> dict[str, list[str]]:
    """The names of the variables by the name of the state that reads them, in alphabetical order."""
    found: dict[str, set[str]] = {}
    _collect(json.loads(definition), found)
    return {state: sorted(names) for state, names in found.items() if names}


def _collect(workflow: Any, found: dict[str, set[str]]) -> None:
    for name, state in workflow.get("States", {}).items():
        own = {field: value for field, value in state.items() if field not in NESTED}
        found.setdefault(name, set()).update(_references(own, ""))
        for inner in (*state.get("Branches", ()), state.get("ItemProcessor"), state.get("Iterator")):
            if inner:
                _collect(inner, found)


def _references(value: Any, field: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _references(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner, field)
    elif isinstance(value, str):
        if value.startswith("{%"):
            code = QUOTED.sub("''", value)
            bound = {
                name.strip(" $")
                for match in BOUND.findall(code)
                for each in match
                for name in each.split(",")
            }
            yield from (name for name in REFERENCE.findall(code) if name not in bound | {"states"})
        elif field.endswith((".$", "Path", "Variable")):
            yield from REFERENCE.findall(QUOTED.sub("''", value))
