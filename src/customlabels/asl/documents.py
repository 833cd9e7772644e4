"""JSON documents that remember their text.

The service reports an untouched value with the white space its sender gave it and prints compactly
what it builds itself. So a document knows its value, its text, or both, and makes the other when asked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

from customlabels.errors import InvalidInput

__all__ = ["MAX_DEPTH", "MAX_WORK", "Document", "Json", "Scale", "compact", "deeper_than", "read_json"]

Json: TypeAlias = Any  # what json.loads gives; the type system has no finite recursive JSON worth its price

MAX_DEPTH = 200  # levels of nesting; far above real data, far below the interpreter's own recursion limit

MAX_WORK = (
    4_194_304  # characters of the values that one expression may put together: 16 times the payload limit
)


def compact(value: Json) -> str:
    """The value as JSON text without white space, as the service prints what it builds."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: JSON can say it, UTF-8 cannot
        return json.dumps(value, separators=(",", ":"))
    return text


def read_json(text: str, of_pairs: Callable[[list[tuple[str, Json]]], Json] | None = None) -> Json:
    """The value of a JSON text; of_pairs makes an object of its pairs where a dict will not do.

    Raises InvalidInput for text that is not JSON, for NaN and Infinity, and for nesting over MAX_DEPTH.
    """
    try:
        value = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=of_pairs
        )
    except RecursionError:
        raise InvalidInput(f"JSON text: nested too deeply; {MAX_DEPTH} levels are allowed") from None
    except ValueError as error:
        raise InvalidInput(f"not a JSON text: {error}") from None
    if deeper_than(value, MAX_DEPTH):
        raise InvalidInput(f"JSON text: nested too deeply; {MAX_DEPTH} levels are allowed")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large for a number")
    return number


def deeper_than(value: Json, levels: int) -> bool:
    """Whether objects and arrays stand more than so many levels inside each other."""
    level = [value]
    for _ in range(levels + 1):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return True


class Scale:
    """Adds up the sizes of JSON values, the same object each time it comes, without building their sum.

    A short expression can name a large value a thousand times; this tells before memory does.
    """

    def __init__(self) -> None:
        self.total = 0
        self._seen: dict[int, tuple[int, Json]] = {}  # the value too: its id is its own only while it lives

    def add(self, value: Json) -> bool:
        """Add a value; false when the total is over MAX_WORK."""
        if isinstance(value, str):
            self.total += len(value)
        elif isinstance(value, dict | list):
            if id(value) not in self._seen:
                self._seen[id(value)] = (len(compact(value)), value)
            self.total += self._seen[id(value)][0]
        return self.total <= MAX_WORK


class Document:
    """A JSON value with its text; each is made from the other at the first use."""

    __slots__ = ("_text", "_value")

    _ABSENT: Any = object()

    def __init__(self, *, text: str | None = None, value: Json = _ABSENT) -> None:
        self._text = text
        self._value = value

    @property
    def value(self) -> Json:
        """The JSON value; never to be changed in place, others may hold it. Raises InvalidInput."""
        if self._value is Document._ABSENT:
            self._value = read_json(self.text)
        return self._value

    @property
    def text(self) -> str:
        """The JSON text: as it was given, else compact."""
        if self._text is None:
            self._text = compact(self._value)
        return self._text

    @property
    def size(self) -> int:
        """Bytes of the text in UTF-8; what the payload limit counts."""
        return len(self.text.encode("utf-8", "surrogatepass"))
