"""Values against shapes: every constraint of a model, and all violations in one pass.

Layer: wire. botocore's own validator leaves out max, pattern and enum; this one leaves out nothing.
A shape is compiled once into a function `check(value, path, problems)` that returns the parsed value and
notes what is wrong with it. Answers are checked as the JSON that they become, by the same functions.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
import pybase64
from botocore.model import OperationModel, Shape

from customlabels.errors import ServiceError
from customlabels.wire.patterns import compiled, enum_order
from customlabels.wire.serialising import OutputError, serialise

MOST_SHOWN = 100  # problems that one refusal spells out; a body of a million bad entries makes no longer text
LONGEST_SHOWN = 4096  # characters of a value; AWS repeats a bad token of 3,097 in full
NOT_NULL = "Member must not be null"

TOKENS: Mapping[type, str] = {
    str: "STRING_VALUE",
    int: "NUMBER_VALUE",
    float: "NUMBER_VALUE",
    list: "START_ARRAY",
    dict: "START_OBJECT",
    type(None): "NULL_VALUE",
}


@dataclass
class Problems:
    """What is wrong with a value: types that cannot be read, and constraints that are broken."""

    mistyped: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    count: int = 0

    def mistype(self, value: object, wanted: str, path: str) -> None:
        """Note a value that is no `wanted` at all, in the words of the JSON reader that AWS uses."""
        token = f"{value}_VALUE".upper() if isinstance(value, bool) else TOKENS.get(type(value), "VALUE")
        where = f" at {path!r}" if path else ""
        self._note(self.mistyped, f"{token} can not be converted to {wanted}{where}")

    def breach(self, shown: str, path: str, rule: str) -> None:
        """Note that the value at `path`, whose text is `shown` (see `_shown`), breaks `rule`."""
        self._note(self.broken, f"Value{shown} at '{path}' failed to satisfy constraint: {rule}")

    def _note(self, kind: list[str], text: str) -> None:
        self.count += 1
        if self.count <= MOST_SHOWN:
            kind.append(text)

    def __str__(self) -> str:
        kept = [*self.mistyped, *self.broken]
        unsaid = self.count - len(kept)
        return "; ".join([*kept, f"and {unsaid} more"] if unsaid else kept)


Check = Callable[[Any, str, Problems], Any]


def validate(operation: OperationModel, params: object) -> dict[str, Any]:
    """The parsed parameters: blobs as bytes, timestamps as epoch seconds, unknown and null members left out.

    params: the JSON value of a request; bytes and datetimes are taken as they are, for callers in Python.
    Raises ServiceError: SerializationException where values have the wrong type (as AWS does, before it looks
    at constraints), else ValidationException with every broken constraint.
    """
    problems = Problems()
    if not isinstance(params, dict):
        problems.mistype(params, "a Structure", "")
        raise ServiceError("SerializationException", str(problems))
    if operation.input_shape is None:
        return {}
    try:
        parsed = _check_of(operation.input_shape)(params, "", problems)
    except RecursionError as error:  # only a shape that contains itself can get this deep
        raise ServiceError("SerializationException", "the request is nested too deeply") from error
    if problems.mistyped:
        raise ServiceError("SerializationException", "; ".join(problems.mistyped))
    if problems.count:
        detected = f"{problems.count} validation error{'s' * (problems.count > 1)} detected"
        raise ServiceError("ValidationException", f"{detected}: {problems}")
    return dict(parsed)


def check_output(operation: OperationModel, result: Mapping[str, Any] | None) -> None:
    """Hold an answer to its output shape; raises OutputError that lists every broken constraint."""
    problems = Problems()
    written = orjson.loads(serialise(operation, result))
    if operation.output_shape is not None:
        _check_of(operation.output_shape)(written, "", problems)
    if problems.count:
        raise OutputError(f"{operation.name} answers against its model: {problems}")


@lru_cache(maxsize=4096)
def _check_of(shape: Shape) -> Check:
    container = CONTAINERS.get(shape.type_name)
    return container(shape) if container else _scalar(shape)


def _structure(shape: Shape) -> Check:
    camels = {name: name[0].lower() + name[1:] for name in shape.members}
    members: dict[str, Check] = {}  # filled as they are met, for a shape may contain itself
    required = frozenset(shape.required_members)
    one_of = f"Member must have exactly one member of [{', '.join(camels)}]" if shape.is_tagged_union else ""

    def check(value: Any, path: str, problems: Problems) -> Any:
        if not isinstance(value, dict):
            return problems.mistype(value, "a Structure", path)
        prefix = f"{path}." if path else ""
        parsed = {}
        for name, item in value.items():
            if item is not None and name in camels:
                if name not in members:
                    members[name] = _check_of(shape.members[name])
                parsed[name] = members[name](item, prefix + camels[name], problems)
        if not required <= parsed.keys():
            for name in shape.required_members:
                if name not in parsed:
                    problems.breach(" null", prefix + camels[name], NOT_NULL)
        if one_of and len(parsed) != 1:
            problems.breach(_shown(value), path, one_of)
        return parsed

    return (lambda value, _path, _problems: value) if shape.is_document_type else check


def _list(shape: Shape) -> Check:
    member, bounded = _member(shape.member), _bounds(shape, "length")

    def check(value: Any, path: str, problems: Problems) -> Any:
        if not isinstance(value, list):
            return problems.mistype(value, "a List", path)
        bounded(value, len(value), path, problems)
        return [member(item, f"{path}.{place}.member", problems) for place, item in enumerate(value, start=1)]

    return check


def _map(shape: Shape) -> Check:
    key_check, member = _check_of(shape.key), _member(shape.value)
    bounded = _bounds(shape, "length")

    def check(value: Any, path: str, problems: Problems) -> Any:
        if not isinstance(value, dict):
            return problems.mistype(value, "a Map", path)
        bounded(value, len(value), path, problems)
        return {
            key_check(key, f"{path}.key", problems): member(item, f"{path}.{_cut(str(key))}.member", problems)
            for key, item in value.items()
        }

    return check


def _member(shape: Shape) -> Check:
    """The check of what stands in a list or map, where null is no way to leave it out."""
    inner = _check_of(shape)

    def check(value: Any, path: str, problems: Problems) -> Any:
        return problems.breach(" null", path, NOT_NULL) if value is None else inner(value, path, problems)

    return check


CONTAINERS: Mapping[str, Callable[[Shape], Check]] = {"structure": _structure, "list": _list, "map": _map}


def _scalar(shape: Shape) -> Check:
    """Read the value by its type, then hold it to bounds, pattern and enum."""
    wanted, read, measured = SCALARS[shape.type_name]
    noun = "length" if measured else "value"
    bounded = _bounds(shape, noun) if {"min", "max"} & shape.metadata.keys() else None
    pattern, enum = shape.metadata.get("pattern"), tuple(shape.metadata.get("enum", ()))
    sensitive = shape.metadata.get("sensitive", False)

    def check(value: Any, path: str, problems: Problems) -> Any:
        parsed = read(value)
        if parsed is None:
            return problems.mistype(value, wanted, path)
        if bounded:
            bounded(parsed, len(parsed) if measured else parsed, path, problems)
        if pattern and not compiled(pattern).fullmatch(parsed):
            rule = f"Member must satisfy regular expression pattern: {pattern}"
            problems.breach(_shown(parsed, sensitive), path, rule)
        if enum and parsed not in enum:
            rule = f"Member must satisfy enum value set: {enum_order(enum)}"
            problems.breach(_shown(parsed, sensitive), path, rule)
        return parsed

    return check


def _read_blob(value: Any) -> bytes | None:
    if isinstance(value, str):
        try:
            return pybase64.b64decode(value, validate=True)  # 60 times as fast as the standard library's
        except ValueError:
            return None
    return value if isinstance(value, bytes) else None


def _read_number(value: Any) -> float | None:
    # bool is an int to Python, and no number to JSON; NaN reaches us from callers in Python only.
    return value if type(value) is int or (type(value) is float and math.isfinite(value)) else None


def _read_whole(value: Any, bits: int) -> int | None:
    number = _read_number(value)
    if number is None or number != int(number):  # JavaScript clients may write 10.0
        return None
    return int(number) if -(1 << bits - 1) <= number < 1 << bits - 1 else None


def _read_timestamp(value: Any) -> float | None:
    """Epoch seconds of a number, or of ISO text, which is what state machines pass."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return _read_number(moment)


# Type: its name in a refusal, how it is read (None: it cannot be), and whether bounds are on its length.
SCALARS: Mapping[str, tuple[str, Callable[[Any], Any], bool]] = {
    "string": ("a String", lambda value: value if isinstance(value, str) else None, True),
    "blob": ("a Blob (base64)", _read_blob, True),
    "integer": ("an Integer", lambda value: _read_whole(value, 32), False),
    "long": ("a Long", lambda value: _read_whole(value, 64), False),
    "float": ("a Float", _read_number, False),
    "double": ("a Double", _read_number, False),
    "boolean": ("a Boolean", lambda value: value if isinstance(value, bool) else None, False),
    "timestamp": ("a Timestamp", _read_timestamp, False),
}


def _bounds(shape: Shape, noun: str) -> Callable[[object, float, str, Problems], None]:
    """The check of `min` and `max` on a length or a value."""
    least, most = shape.metadata.get("min", -math.inf), shape.metadata.get("max", math.inf)
    sensitive = shape.metadata.get("sensitive", False)

    def check(value: object, measure: float, path: str, problems: Problems) -> None:
        if not least <= measure <= most:
            side, bound = ("greater", least) if measure < least else ("less", most)
            rule = f"Member must have {noun} {side} than or equal to {bound}"
            problems.breach(_shown(value, sensitive), path, rule)

    return check


def _shown(value: object, sensitive: bool = False) -> str:
    """` 'value'` for a refusal; nothing for a sensitive one, as AWS does it."""
    if sensitive:
        return ""
    if isinstance(value, list):
        # One level only: a value may be nested a thousandfold.
        items = ("..." if isinstance(item, dict | list) else str(item) for item in value[:MOST_SHOWN])
        value = f"[{', '.join(items)}]"
    elif isinstance(value, dict):
        value = f"{{{', '.join(list(value)[:MOST_SHOWN])}}}"
    elif isinstance(value, bytes):
        value = f"{len(value)} bytes"
    return f" '{_cut(str(value))}'"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
