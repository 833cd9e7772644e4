"""The intrinsic functions of the States Language, as a table by name."""

import base64
import binascii
import hashlib
import json
import math
import re
import uuid
from collections.abc import Callable
from inspect import signature
from random import Random

from customlabels.asl.documents import ABSENT, Json, compact, is_number, read_json, shown
from customlabels.errors import InvalidInput

MAX_RANGE = 1_000  # elements of States.ArrayRange
MAX_TEXT = 10_000  # characters for States.Hash and the two Base64 functions
LARGEST = 2**63 - 1  # of a number in arithmetic


class BadArgument(ValueError):
    """An argument that the function does not take; the text says which and why."""


def _whole(value: Json, name: str) -> int:
    """A number as the service rounds it: halves go up."""
    if not is_number(value):
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


def _filled(value: Json) -> str:
    """A value as States.Format writes it: objects as {a=1, b=[]}."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_filled(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_filled(child) for child in value) + "]"
    return shown(value)


def _format(template: Json, *fillings: Json) -> Json:
    pieces = re.findall(r"\\['{}\\]|\{\}|.", _string(template, "the template"), re.DOTALL)
    places = pieces.count("{}")
    if places != len(fillings):
        raise BadArgument("fewer values than places" if places > len(fillings) else "more values than places")
    values = iter(fillings)
    return "".join(_filled(next(values)) if piece == "{}" else piece[-1] for piece in pieces)


def _string_to_json(value: Json) -> Json:
    text = _string(value, "the argument")
    try:
        return read_json(text) if text.strip() else None
    except InvalidInput as error:
        raise BadArgument(str(error)) from None


def _partition(array: Json, chunk_size: Json) -> Json:
    values, size = _array(array), _whole(chunk_size, "the chunk size")
    if size < 1:
        raise BadArgument("the chunk size must be positive")
    return [values[at : at + size] for at in range(0, len(values), size)]


def _key(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def _unique(array: Json) -> Json:
    first: dict[str, Json] = {}
    for value in _array(array):
        first.setdefault(_key(value), value)
    return list(first.values())


def _range(first: Json, last: Json, step: Json) -> Json:
    start, end, stride = (_whole(value, "each argument") for value in (first, last, step))
    if stride == 0:
        raise BadArgument("the step must not be zero")
    numbers = range(start, end + (1 if stride > 0 else -1), stride)
    if len(numbers[: MAX_RANGE + 1]) > MAX_RANGE:  # len() itself fails on a range of that many
        raise BadArgument(f"a range has at most {MAX_RANGE} elements")
    return list(numbers)


def _get_item(array: Json, index: Json) -> Json:
    values, at = _array(array), _whole(index, "the index")
    if not 0 <= at < len(values):
        raise BadArgument(f"there is no element {at}")
    return values[at]


def _encode(text: Json) -> Json:
    return base64.b64encode(_string(text, "the argument", MAX_TEXT).encode()).decode("ascii")


def _decode(text: Json) -> Json:
    try:
        return base64.b64decode(_string(text, "the argument", MAX_TEXT), validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise BadArgument(f"not Base64 of a text: {error}") from None


HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


def _hash(data: Json, algorithm: Json) -> Json:
    if not isinstance(algorithm, str) or algorithm not in HASHES:
        raise BadArgument(f"the algorithm must be one of {', '.join(HASHES)}")
    text = _string(shown(data), "the data", MAX_TEXT)
    return hashlib.new(HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def _merge(one: Json, other: Json, deep: Json) -> Json:
    if not isinstance(one, dict) or not isinstance(other, dict):
        raise BadArgument("the first two arguments must be objects")
    if deep is not False:
        raise BadArgument("only the shallow merge is supported: the third argument must be false")
    return {**one, **other}


def _split(value: Json, splitter: Json) -> Json:
    """Every character of the second argument separates; empty parts are left out."""
    text, separators = _string(value, "the text"), _string(splitter, "the separators")
    parts = re.split(f"[{re.escape(separators)}]", text) if separators else [text]
    return [part for part in parts if part]


def _random(chance: Random, first: Json, last: Json, seed: Json = ABSENT) -> Json:
    start, end = _whole(first, "the start"), _whole(last, "the end")
    if end <= start:
        raise BadArgument("the end must be greater than the start")
    source = chance if seed is ABSENT else Random(_whole(seed, "the seed"))
    return source.randrange(start, end)


FUNCTIONS: dict[str, Callable[..., Json]] = {
    "Format": _format,
    "StringToJson": _string_to_json,
    "JsonToString": compact,
    "Array": lambda *values: list(values),
    "ArrayPartition": _partition,
    "ArrayContains": lambda array, wanted: _key(wanted) in map(_key, _array(array)),
    "ArrayRange": _range,
    "ArrayGetItem": _get_item,
    "ArrayLength": lambda array: len(_array(array)),
    "ArrayUnique": _unique,
    "Base64Encode": _encode,
    "Base64Decode": _decode,
    "Hash": _hash,
    "JsonMerge": _merge,
    "MathRandom": _random,
    "MathAdd": lambda one, other: _whole(one, "each argument") + _whole(other, "each argument"),
    "StringSplit": _split,
    "UUID": lambda chance: str(uuid.UUID(int=chance.getrandbits(128), version=4)),
}
DRAWING = ("MathRandom", "UUID")  # they get the scope's chance before their arguments


def takes(name: str, count: int) -> bool:
    """Whether the function of that name takes so many arguments."""
    try:
        signature(FUNCTIONS[name]).bind(*[None] * (count + (name in DRAWING)))
    except TypeError:
        return False
    return True
