"""`python -m customlabels.app`: the server that a command starts and leaves."""

import gc
import sys

from customlabels.errors import CustomLabelsError
from customlabels.settings import Settings

if __name__ == "__main__":
    gc.disable()  # what is loaded now stays; the server collects once it listens
    from customlabels.app import serve_home

    try:
        serve_home(Settings.from_environment(), detached=True)
    except CustomLabelsError as error:
        sys.exit(f"customlabels: {error}")
