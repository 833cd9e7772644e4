"""The training process: `python -m customlabels.training`, started by the launcher and by nobody else.

It says at once that it is there, which can be seen and cancelled; then it loads torch, which takes seconds.
"""

import json
import os
import signal
from dataclasses import asdict

from customlabels.training.spec import Progress

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C at the terminal is for the one who watches
    if "TORCHELASTIC_RUN_ID" not in os.environ:  # one of a team: what started the team has said so
        print(json.dumps({"event": "progress", "progress": asdict(Progress("waiting"))}), flush=True)
    from customlabels.training.process import main

    main()
