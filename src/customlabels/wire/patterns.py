"""The regular expressions of service models, which are Java's, as Python's.

Layer: wire. Only what the models use and Python writes differently is rewritten: Unicode classes,
and the dot. What neither knows fails to compile and says so; nothing is silently let through.
"""

import re
import unicodedata
from functools import cache
from itertools import groupby

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
            letters = _classes().get(token["name"])
            if letters is None:
                raise re.error(f"no class {text}", pattern)
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
def _classes() -> dict[str, str]:
    r"""By name, the classes that models write as \p{...}, each as the inside of a Python class.

    Those are the first letters of Unicode's categories (L: letters), and ASCII.
    """
    classes = {"ASCII": r"\x00-\x7f"}
    start = 0
    for letter, points in groupby(unicodedata.category(chr(point))[0] for point in range(PLANES_IN_USE)):
        end = start + sum(1 for _ in points)
        classes[letter] = classes.get(letter, "") + f"\\U{start:08x}-\\U{end - 1:08x}"
        start = end
    return classes


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
