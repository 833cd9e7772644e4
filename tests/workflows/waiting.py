"""Waiting for something to become true, with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["wait_until"]


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Return once `condition()` is true; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{condition} is still false after {seconds} s"
        time.sleep(0.005)
