"""One inference unit: `python -m customlabels.serving.unit SOCKET MEMORY FOLDER`, started by the supervisor.

Layer: serving. It loads the model, answers an image of its own drawing, says that it is ready, then answers
one request at a time, in order, until the socket closes. An image that cannot be used is answered with its
error; anything unforeseen ends the process with a traceback, and the supervisor starts another.

Messages, a JSON object a line, so that nothing that is read can become code:
    to us    {"min_confidence": number | null, "max_results": number | null, "bytes": of the image in MEMORY}
    from us  {"ready": true} | {"failed": text}, once; then {"found": [[name, confidence, box or null], ...]}
             or {"error": [name of the error, text]}
"""

import gc
import json
import os
import signal
import socket
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from customlabels.errors import CustomLabelsError
from customlabels.inference import Predictor, detect


def main(connection: str, memory: str, folder: str) -> int:
    """Serve until the other side is gone; 1 if the model could not be loaded."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the server
    with socket.socket(fileno=int(connection)) as link, link.makefile("rb") as requests:
        try:
            predictor = Predictor.load(Path(folder), threads=1, fastest=True)
            detect(predictor, _drawn_image())
        except CustomLabelsError as error:
            _send(link, {"failed": str(error)})
            return 1
        gc.freeze()  # what is there by now stays; to look through it again would hold up an answer
        _send(link, {"ready": True})
        while (line := requests.readline()).endswith(b"\n"):
            request = json.loads(line)
            _send(link, _answer(predictor, request, os.pread(int(memory), request["bytes"], 0)))
    return 0


def _answer(predictor: Predictor, request: dict[str, Any], image: bytes) -> dict[str, Any]:
    try:
        found = detect(predictor, image, request["min_confidence"], request["max_results"])
    except CustomLabelsError as error:
        return {"error": [type(error).__name__, str(error)]}
    return {"found": [[one.name, one.confidence, one.box] for one in found]}


def _drawn_image() -> bytes:
    """A gray JPEG: decoding, preparing and the graph have all run once before the first request comes."""
    out = BytesIO()
    Image.linear_gradient("L").convert("RGB").save(out, "JPEG")
    return out.getvalue()


def _send(link: socket.socket, message: dict[str, Any]) -> None:
    link.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except (BrokenPipeError, ConnectionResetError):  # the server died while we answered
        sys.exit(0)
