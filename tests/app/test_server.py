"""The server process: how it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import threading
from customlabels.app import server
from customlabels.operations import comparing
from customlabels.settings import Settings
server.END_SECONDS = 1.0
comparing.IN_TURN.submit(threading.Event().wait)
server.serve_home(Settings.from_environment(), detached=False)
"""


def test_what_holds_a_server_at_its_end_is_written_down_and_left(tmp_path: Path) -> None:
    environment = os.environ | {"CUSTOMLABELS_HOME": str(tmp_path), "CUSTOMLABELS_PORT": "0"}
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        assert any("customlabels serves" in line for line in server.stderr)

        server.send_signal(signal.SIGTERM)

        said = server.stderr.read()
        assert server.wait(30) == 1
    assert "Timeout" in said
    assert "threading.py" in said
