"""Puts the parts together: the only place that builds them; and the server process that runs them."""

from pathlib import Path
from typing import TYPE_CHECKING

from customlabels.app.lock import UNKNOWN_PID, AlreadyServed, HomeLock, Served, served
from customlabels.doors import later

if TYPE_CHECKING:
    from customlabels.app.server import serve_home
else:
    __getattr__ = later(__name__)

__all__ = ["UNKNOWN_PID", "AlreadyServed", "HomeLock", "Served", "models_folder", "serve_home", "served"]


def models_folder() -> Path:
    """The folder of our own service's model, named without loading the room that it is in."""
    return Path(__file__).parents[1] / "operations" / "models"
