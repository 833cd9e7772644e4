"""The intrinsic functions of the States Language, as a table by name."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from customlabels.asl.documents import Json, compact, read_json
from customlabels.errors import InvalidInput

__all__ = ["FUNCTIONS", "BadArgument", "Function"]

MAX_RANGE = 1_000  # elements of States.ArrayRange
MAX_TEXT = 10_000  # characters for States.Hash and the two Base64 functions
LARGEST = 2**63 - 1  # of a number in arithmetic
MANY = 1_000  # arguments of a function without a fixed number


class BadArgument(ValueError):
    """An argument that the function does not take; the text says which and why."""


@dataclass(frozen=True)
class Function:
    """An intrinsic function; arguments: the least and the greatest number it takes."""

    arguments: tuple[int, int]
    apply: Callable[[list[Json], Random], Json]


def _whole(value: Json, name: str) -> int:
    """A number as the service rounds it: halves go up."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadArgument(f"{name} must be a number")
    if abs(value) > LARGEST:
        raise BadArgument(f"{name} must not be greater than {LARGEST}")
    return value if isinstance(value, int) else math.floor(value + 0.5)


def _array(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise BadArgument("the first argument must be an array")
    return value


def _string(value: Json, name: str, limit: int | None = None) -> str:
    if not isinstance(value, str):
        raise BadArgument(f"{name} must be a string")
    if limit is not None and len(value) > limit:
        raise BadArgument(f"{name} must have at most {limit} characters")
    return value


def _shown(value: Json) -> str:
    """A value as States.Format writes it: objects as {a=1, b=[]}."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_shown(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(child) for child in value) + "]"
    return compact(value)


def _format(values: list[Json]) -> Json:
    template = _string(values[0], "the template")
    fillings = values[1:]
    parts: list[str] = []
    at = used = 0
    while at < len(template):
        if template[at] == "\\" and template[at + 1 : at + 2] in ("'", "{", "}", "\\"):
            parts.append(template[at + 1])
            at += 2
        elif template.startswith("{}", at):
            if used == len(fillings):
                raise BadArgument("fewer values than places")
            parts.append(_shown(fillings[used]))
            used, at = used + 1, at + 2
        else:
            parts.append(template[at])
            at += 1
    if used != len(fillings):
        raise BadArgument("more values than places")
    return "".join(parts)


def _string_to_json(values: list[Json]) -> Json:
    text = _string(values[0], "the argument")
    try:
        return read_json(text) if text.strip() else None
    except InvalidInput as error:
        raise BadArgument(str(error)) from None


def _partition(values: list[Json]) -> Json:
    array, size = _array(values[0]), _whole(values[1], "the chunk size")
    if size < 1:
        raise BadArgument("the chunk size must be positive")
    return [array[at : at + size] for at in range(0, len(array), size)]


def _key(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def _contains(values: list[Json]) -> Json:
    wanted = _key(values[1])
    return any(_key(value) == wanted for value in _array(values[0]))


def _unique(values: list[Json]) -> Json:
    first: dict[str, Json] = {}
    for value in _array(values[0]):
        first.setdefault(_key(value), value)
    return list(first.values())


def _range(values: list[Json]) -> Json:
    start, end, step = (_whole(value, "each argument") for value in values)
    if step == 0:
        raise BadArgument("the step must not be zero")
    numbers = range(start, end + (1 if step > 0 else -1), step)
    if len(numbers) > MAX_RANGE:
        raise BadArgument(f"a range has at most {MAX_RANGE} elements")
    return list(numbers)


def _get_item(values: list[Json]) -> Json:
    array, index = _array(values[0]), _whole(values[1], "the index")
    if not 0 <= index < len(array):
        raise BadArgument(f"there is no element {index}")
    return array[index]


def _encode(values: list[Json]) -> Json:
    return base64.b64encode(_string(values[0], "the argument", MAX_TEXT).encode()).decode("ascii")


def _decode(values: list[Json]) -> Json:
    try:
        return base64.b64decode(_string(values[0], "the argument", MAX_TEXT), validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise BadArgument(f"not Base64 of a text: {error}") from None


HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


def _hash(values: list[Json]) -> Json:
    text = values[0] if isinstance(values[0], str) else compact(values[0])
    algorithm = HASHES.get(values[1]) if isinstance(values[1], str) else None
    if algorithm is None:
        raise BadArgument(f"the algorithm must be one of {', '.join(HASHES)}")
    return hashlib.new(
        algorithm, _string(text, "the data", MAX_TEXT).encode(), usedforsecurity=False
    ).hexdigest()


def _merge(values: list[Json]) -> Json:
    one, other, deep = values
    if not isinstance(one, dict) or not isinstance(other, dict):
        raise BadArgument("the first two arguments must be objects")
    if deep is not False:
        raise BadArgument("only the shallow merge is supported: the third argument must be false")
    return {**one, **other}


def _random(values: list[Json], chance: Random) -> Json:
    start, end = _whole(values[0], "the start"), _whole(values[1], "the end")
    if end <= start:
        raise BadArgument("the end must be greater than the start")
    source = Random(_whole(values[2], "the seed")) if len(values) == 3 else chance
    return source.randrange(start, end)


def _add(values: list[Json]) -> Json:
    return _whole(values[0], "each argument") + _whole(values[1], "each argument")


def _split(values: list[Json]) -> Json:
    """Every character of the second argument separates; empty parts are left out."""
    text, separators = _string(values[0], "the text"), _string(values[1], "the separators")
    for separator in separators[1:]:
        text = text.replace(separator, separators[0])
    return [part for part in (text.split(separators[0]) if separators else [text]) if part]


def _uuid(_values: list[Json], chance: Random) -> Json:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _plain(least: int, most: int, apply: Callable[[list[Json]], Json]) -> Function:
    return Function((least, most), lambda values, _chance: apply(values))


FUNCTIONS: dict[str, Function] = {
    "Format": _plain(1, MANY, _format),
    "StringToJson": _plain(1, 1, _string_to_json),
    "JsonToString": _plain(1, 1, lambda values: compact(values[0])),
    "Array": _plain(0, MANY, list),
    "ArrayPartition": _plain(2, 2, _partition),
    "ArrayContains": _plain(2, 2, _contains),
    "ArrayRange": _plain(3, 3, _range),
    "ArrayGetItem": _plain(2, 2, _get_item),
    "ArrayLength": _plain(1, 1, lambda values: len(_array(values[0]))),
    "ArrayUnique": _plain(1, 1, _unique),
    "Base64Encode": _plain(1, 1, _encode),
    "Base64Decode": _plain(1, 1, _decode),
    "Hash": _plain(2, 2, _hash),
    "JsonMerge": _plain(3, 3, _merge),
    "MathRandom": Function((2, 3), _random),
    "MathAdd": _plain(2, 2, _add),
    "StringSplit": _plain(2, 2, _split),
    "UUID": Function((0, 0), _uuid),
}
