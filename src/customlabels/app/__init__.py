"""Puts the parts together: the only place that builds them; and the server process that runs them."""

from pathlib import Path

from customlabels.app.lock import UNKNOWN_PID, AlreadyServed, HomeLock, Served, served
from customlabels.settings import Settings

__all__ = ["UNKNOWN_PID", "AlreadyServed", "HomeLock", "Served", "models_folder", "serve_home", "served"]


def models_folder() -> Path:
    """The folder of our own service's model, named without loading the room that it is in."""
    return Path(__file__).parents[1] / "operations" / "models"


def serve_home(settings: Settings, *, detached: bool) -> None:
    """Run the server of a home; see `app.server`."""
    # The server needs every room; a command that only looks for one must not load them.
    from customlabels.app.server import serve_home as serve

    serve(settings, detached=detached)
