"""`python -m customlabels.app`: the server that a command starts and leaves."""

import sys

from customlabels.app import serve_home
from customlabels.errors import CustomLabelsError
from customlabels.settings import Settings

if __name__ == "__main__":
    try:
        serve_home(Settings.from_environment(), detached=True)
    except CustomLabelsError as error:
        sys.exit(f"customlabels: {error}")
