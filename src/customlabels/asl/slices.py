"""Parts of a JSON text as their author wrote them, with the white space that a parsed value has lost."""

import json
import re
from collections.abc import Iterator, Sequence

SPACE = re.compile(r"[ \t\n\r]*")


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
