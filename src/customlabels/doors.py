"""Doors of rooms that load a part of what they offer only when it is asked for.

Layer: the ground; imports nothing of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from importlib import import_module
from typing import Any


def later(package: str, offered: Container[str], *modules: str) -> Callable[[str], Any]:
    """The `__getattr__` of a package: looks for what it offers in these of its modules, in order."""

    def found(name: str) -> Any:
        if name in offered:
            for module in modules:
                loaded = import_module(f"{package}.{module}")
                if hasattr(loaded, name):
                    return getattr(loaded, name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return found
