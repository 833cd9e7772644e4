"""JSON documents that remember their text, and the points in time that they hold.

The service reports an untouched value with the white space its sender gave it and prints compactly
what it builds itself. So a document knows its value, its text, or both, and makes the other when asked.
Points in time are RFC 3339 with a capital T and an offset.
"""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

from customlabels.errors import InvalidInput

Json: TypeAlias = Any  # what json.loads gives; the type system has no finite recursive JSON worth its price

ABSENT: Any = object()  # stands for no value where None is the JSON null
MAX_DEPTH = 200  # levels of nesting; far above real data, far below the interpreter's own recursion limit
MAX_WORK = 4_194_304  # characters that one expression may put together: 16 times the payload limit

COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def compact(value: Json) -> str:
    """The value as JSON text without white space, as the service prints what it builds."""
    text = COMPACT.encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: JSON can say it, UTF-8 cannot
        return json.dumps(value, separators=(",", ":"))
    return text


def shown(value: Json) -> str:
    """The value as messages show it: a string without quotes, anything else as JSON text."""
    return value if isinstance(value, str) else compact(value)


def size_of(text: str) -> int:
    """Bytes of the text in UTF-8; what the limits of the service count."""
    return len(text.encode("utf-8", "surrogatepass"))


def is_number(value: Json) -> bool:
    """Whether it is a JSON number; Python takes true and false for numbers too."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_json(text: str, of_pairs: Callable[[list[tuple[str, Json]]], Json] | None = None) -> Json:
    """The value of a JSON text; of_pairs makes an object of its pairs where a dict will not do.

    Raises InvalidInput for text that is not JSON, for NaN and Infinity, and for nesting over MAX_DEPTH.
    """
    try:
        value = json.loads(text, parse_constant=_finite, parse_float=_finite, object_pairs_hook=of_pairs)
        too_deep = deeper_than(value, MAX_DEPTH)
    except RecursionError:
        too_deep = True
    except ValueError as error:
        raise InvalidInput(f"not a JSON text: {error}") from None
    if too_deep:
        raise InvalidInput(f"JSON text: nested too deeply; {MAX_DEPTH} levels are allowed")
    return value


def _finite(text: str) -> float:
    """A float, or one of the words NaN, Infinity and -Infinity, which Python reads and JSON does not have."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a JSON value, or too large for a number")
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

    def __init__(self, *, text: str | None = None, value: Json = ABSENT) -> None:
        self._text = text
        self._value = value

    @property
    def value(self) -> Json:
        """The JSON value; never to be changed in place, others may hold it. Raises InvalidInput."""
        if self._value is ABSENT:
            self._value = read_json(self.text)
        return self._value

    @property
    def text(self) -> str:
        """The JSON text: as it was given, else compact."""
        if self._text is None:
            self._text = compact(self._value)
        return self._text


def parse_time(text: object) -> float | None:
    """Epoch seconds of a timestamp; None when it is not one (also with a month 13 or an hour 25)."""
    match = RFC3339.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    moment, fraction, offset = match.groups("0")  # datetime would drop what is finer than microseconds
    try:
        return datetime.fromisoformat(moment + offset).timestamp() + float(fraction)
    except ValueError:
        return None


def format_time(moment: float) -> str:
    """Epoch seconds as the context object shows them: milliseconds, in UTC."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
