"""Web pages for people: runs, models, data sets; they see and do only what the API gives."""

from typing import TYPE_CHECKING

from customlabels.doors import later

if TYPE_CHECKING:
    from customlabels.console.pages import console_app
    from customlabels.console.site import AskAs
else:
    __getattr__ = later(__name__)

__all__ = ["AskAs", "console_app"]
