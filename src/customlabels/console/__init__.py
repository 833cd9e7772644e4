"""Web pages for people: runs, models, and each run's graph; sees only what the API gives."""

from customlabels.console.pages import Ask, console_app

__all__ = ["Ask", "console_app"]
