"""The regular expressions of service models, which are Java's, as Python's.

Layer: wire. Only what the models use and Python writes differently is rewritten: Unicode and POSIX
classes, and the dot. What neither knows fails to compile and says so; nothing is silently let through.
"""

import re
import unicodedata
from functools import cache
from itertools import groupby

__all__ = ["compiled", "enum_order"]

# The classes that are not Unicode categories, as the inside of a Python character class.
POSIX_CLASSES = {
    "ASCII": r"\x00-\x7f",
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "Digit": "0-9",
    "Graph": r"\x21-\x7e",
    "Lower": "a-z",
    "Print": r"\x20-\x7e",
    "Punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "Space": r"\s",
    "Upper": "A-Z",
}
ANY_BUT_LINE_ENDS = "[^\\n\\r\\x85\\u2028\\u2029]"
PLANES_IN_USE = 0x40000  # letters, digits and blanks all lie below; scanning the rest takes 0.2 s
TOKEN = re.compile(r"\\p\{(?P<name>\w+)\}|\\.|\[\^?|[\].]", re.DOTALL)


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A model's pattern for `fullmatch`; raises re.error for what cannot be translated."""
    inside = False

    def translated(token: re.Match[str]) -> str:
        nonlocal inside
        text = token.group()
        if token["name"]:
            letters = POSIX_CLASSES.get(token["name"]) or _category(token["name"])
            return letters if inside else f"[{letters}]"
        if text[0] == "[":
            # An opening bracket inside a class stays one of its characters, as the models mean it.
            opens, inside = not inside, True
            return text if opens else f"\\{text}"
        if text == "]":
            inside = False
        return ANY_BUT_LINE_ENDS if text == "." and not inside else text

    # ASCII, for Java's \d, \w and \s mean ASCII unless told otherwise.
    return re.compile(TOKEN.sub(translated, pattern), re.ASCII)


@cache
def _category(prefix: str) -> str:
    """The characters whose Unicode category starts with `prefix`, as the inside of a class."""
    runs = [run for category, run in _runs() if category.startswith(prefix)]
    if not runs:
        raise re.error(f"no Unicode category {prefix} of visible characters")
    return "".join(f"\\U{run[0]:08x}-\\U{run[-1]:08x}" for run in runs)


@cache
def _runs() -> list[tuple[str, range]]:
    """Category and code points of each run of visible characters; made when the first tag is checked."""
    runs, start = [], 0
    for category, points in groupby(unicodedata.category(chr(point)) for point in range(PLANES_IN_USE)):
        end = start + sum(1 for _ in points)
        runs.append((category, range(start, end)))
        start = end
    return [(category, run) for category, run in runs if category[0] != "C"]


@cache
def enum_order(values: tuple[str, ...]) -> str:
    """`[A, B]` in the order in which AWS lists an enum's values in its refusals.

    Recorded answers have the order of a hash table of 32 buckets keyed by Java's string hash, newest first
    within a bucket; programs compare these texts.
    """
    buckets = 32
    while len(values) > buckets * 3 // 4:
        buckets *= 2

    def place(value: str) -> tuple[int, int]:
        code = 0
        for character in value:
            code = (31 * code + ord(character)) & 0xFFFFFFFF
        return code % buckets, -values.index(value)

    return f"[{', '.join(sorted(values, key=place))}]"
