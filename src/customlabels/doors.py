"""Doors that load what they offer only when it is asked for.

Layer: the ground; imports nothing of this package.

    if TYPE_CHECKING:
        from customlabels.room.subject import Thing
    else:
        __getattr__ = later(__name__)

Whoever writes `from customlabels.room import Thing` loads that one module then; whoever writes
`from customlabels import room`, and `room.Thing` in a function, loads it when the function runs. No name may
be that of a module of the room: once that is loaded, it is what Python finds.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any


def later(door: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module: loads the names that it imports for those who check types."""

    @cache
    def places() -> dict[str, tuple[str, str]]:
        tree = ast.parse(Path(str(sys.modules[door].__file__)).read_bytes())
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        return {
            one.asname or one.name: (node.module or "", one.name) for node in imports for one in node.names
        }

    def found(name: str) -> Any:
        if name not in places():
            raise AttributeError(f"module {door!r} has no attribute {name!r}")
        module, own_name = places()[name]
        value = getattr(import_module(module), own_name)
        setattr(sys.modules[door], name, value)
        return value

    return found
