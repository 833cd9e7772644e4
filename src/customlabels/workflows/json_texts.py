"""What is wrong with a text that should be JSON, in the words of the reader that the service uses.

Layer: workflows. Pure.
"""

from __future__ import annotations

import json
import re

__all__ = ["json_problem"]

WORD = re.compile(r"[\w$]+")
EXPECTED = {
    "Expecting property name": "double-quote to start field name",
    "Expecting ':'": "a colon to separate field name and value",
    "Expecting ',' delimiter": "comma to separate Object entries",
}
VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


def json_problem(text: str) -> str | None:
    """None for JSON."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return _told(text, error)
    except RecursionError:
        return "the text is nested too deeply"
    return None


def _told(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text):
        return "Unexpected end-of-input"
    word = WORD.match(text, error.pos)
    expected = next((said for start, said in EXPECTED.items() if error.msg.startswith(start)), None)
    if word and (expected is None or not word[0].isdigit()):
        wanted = VALUES if expected is None else EXPECTED["Expecting property name"]
        return f"Unrecognized token '{word[0]}': was expecting {wanted}"
    character = text[error.pos]
    return (
        f"Unexpected character ('{character}' (code {ord(character)})): was expecting "
        f"{expected or 'a valid value ' + VALUES}"
    )
