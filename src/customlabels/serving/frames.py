"""Messages between the supervisor and a unit: two lengths, a JSON object, raw bytes.

Layer: serving. Data only: nothing that is read can become code. Lengths are bounded before they are believed.
"""

import json
import struct
from collections.abc import Mapping
from io import BufferedReader
from typing import Any

__all__ = ["HEAD_SIZE", "BrokenFrame", "frame_start", "lengths", "read_frame"]

HEAD = struct.Struct(">II")  # bytes of the JSON object, bytes that follow it
HEAD_SIZE = HEAD.size
MAX_OBJECT = 1 << 20
MAX_BYTES = 64 << 20

Frame = tuple[dict[str, Any], bytes]


class BrokenFrame(Exception):
    """The other side is not speaking this protocol; the connection is of no more use."""


def frame_start(message: Mapping[str, Any], following: int = 0) -> bytes:
    """All of a frame but its raw bytes, `following` of which come next: large images are not copied."""
    text = json.dumps(message).encode()
    return HEAD.pack(len(text), following) + text


def lengths(head: bytes) -> tuple[int, int]:
    """Bytes of the JSON object and of what follows it; raises BrokenFrame beyond the bounds."""
    text, following = HEAD.unpack(head)
    if text > MAX_OBJECT or following > MAX_BYTES:
        raise BrokenFrame(f"a message of {text} + {following} bytes; at most {MAX_OBJECT} + {MAX_BYTES}")
    return text, following


def read_frame(stream: BufferedReader) -> Frame | None:
    """The next frame of a blocking stream; None when the other side is gone, also amid a frame."""
    head = stream.read(HEAD_SIZE)
    if len(head) < HEAD_SIZE:
        return None
    text, following = lengths(head)
    body = stream.read(text + following)
    if len(body) < text + following:
        return None
    return json.loads(body[:text]), body[text:]
