"""What is wrong with a text that should be JSON, in the words of the reader that the service uses."""

import json
import re

__all__ = ["json_fault", "json_problem"]

WORD = re.compile(r"[^\W\d][\w$]*|\$[\w$]*")
VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
EXPECTED = {
    "Expecting value": f"expected a valid value {VALUES}",
    "Expecting property name": "was expecting double-quote to start field name",
    "Expecting ':'": "was expecting a colon to separate field name and value",
    "Expecting ',' delimiter": "was expecting comma to separate Object entries",
}
MOST_SHOWN = 500  # characters of the text


def json_problem(text: str) -> str | None:
    """None for JSON."""
    found = _found(text)
    return None if found is None else found[0]


def json_fault(text: str) -> tuple[str, str] | None:
    """The problem with its place, and the place alone; None for JSON."""
    found = _found(text)
    if found is None:
        return None
    problem, end = found
    line, column = text.count("\n", 0, end) + 1, end - text.rfind("\n", 0, end)
    left = f"[truncated {len(text) - MOST_SHOWN} chars]" if len(text) > MOST_SHOWN else ""
    place = f'[Source: (String)"{text[:MOST_SHOWN]}"{left}; line: {line}, column: {column}]'
    return f"{problem}\n at {place}", place


def _found(text: str) -> tuple[str, int] | None:
    """The problem, and how far the reader has come with it."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        at = error.pos
        if at >= len(text):
            return "Unexpected end-of-input", at
        word = WORD.match(text, at) if error.msg == "Expecting value" else None
        if word:
            return f"Unrecognized token '{word[0]}': was expecting {VALUES}", word.end()
        said = next((said for start, said in EXPECTED.items() if error.msg.startswith(start)), error.msg)
        return f"Unexpected character ('{text[at]}' (code {ord(text[at])})): {said}", at + 1
    except RecursionError:
        return "the text is nested too deeply", 0
    except ValueError:  # more digits than Python reads
        pass
    return None
