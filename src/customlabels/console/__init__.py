"""Web pages for people: runs, models, data sets; they see and do only what the API gives."""

from customlabels.console.pages import console_app
from customlabels.console.site import AskAs

__all__ = ["AskAs", "console_app"]
