"""JSON texts as their author wrote them: what is wrong with one, in the words of the service, and its parts.

A part keeps the white space that a parsed value has lost.
"""

import json
import re
from collections.abc import Iterator, Sequence

WORD = re.compile(r"[^\W\d][\w$]*|\$[\w$]*")
VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
EXPECTED = {
    "Expecting value": f"expected a valid value {VALUES}",
    "Expecting property name": "was expecting double-quote to start field name",
    "Expecting ':'": "was expecting a colon to separate field name and value",
    "Expecting ',' delimiter": "was expecting comma to separate Object entries",
}
MOST_SHOWN = 500  # characters of the text
SPACE = re.compile(r"[ \t\n\r]*")


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


def part_of(text: str, steps: Sequence[str | int]) -> str:
    """The text at the end of these steps, which are there; an index counts from 0."""
    for step in steps:
        text = next(part for key, part in _parts(text) if key == step)
    return text.strip()


def _parts(text: str) -> Iterator[tuple[str | int, str]]:
    decode = json.JSONDecoder().raw_decode
    at = _skip(text, 0)
    is_object = text[at] == "{"
    at, index = _skip(text, at + 1), 0
    while text[at] not in "]}":
        key: str | int = index
        if is_object:
            key, at = decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        _, end = decode(text, at)
        yield key, text[at:end]
        at, index = _skip(text, end), index + 1
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    match = SPACE.match(text, at)
    return match.end() if match else at
