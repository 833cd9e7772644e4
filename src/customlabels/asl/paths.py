"""JSONPath as the States Language means it.

A path is definite when it names one place (`$.a['b'][0]`): it gives one value, and a missing one is an
error. Any other path gives the list of its matches, which may be empty. Definite paths are walked here;
the others are left to python-jsonpath. A path begins at the input (`$`), at the context object (`$$`) or
at a variable (`$name`).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import fsum

from customlabels.asl.documents import Json, Scale, compact, is_number

MAX_LENGTH = 4_096  # characters of one path
MAX_DESCENTS = 1  # `..` in one path: each multiplies the work by the size of the document
MAX_MATCHES = 100_000  # values of one indefinite path

ROOT = re.compile(r"\$\$|\$[A-Za-z_]\w*|\$")
STEP = re.compile(
    r"\.(?P<name>[^\s.\[\](){}'\"*,:;?@=<>!&|/$]+)"
    r"|\.?\[\s*(?:'(?P<single>(?:[^'\\]|\\.)*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\"|(?P<index>-?\d{1,9}))\s*\]"
)
FUNCTION = re.compile(r"(?<=[\w\])])\.(length|min|max|avg|sum)\(\)$")
QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
REGULAR_EXPRESSION = re.compile(r"=~|\b(?:match|search)\s*\(")

Step = str | int


class InvalidExpression(ValueError):
    """A text that is no path (or, where one may stand, no intrinsic call), or one that asks for too much."""


class PathMissing(LookupError):
    """A definite path without a value; the text is the reason in the service's words."""


@dataclass(frozen=True)
class Path:
    """A compiled path.

    root: "$", "$$" or a variable's name    steps: of a definite path    query: of any other
    """

    text: str
    root: str
    steps: tuple[Step, ...] | None
    query: Callable[[Json], Iterator[Json]] | None = None
    function: str | None = None

    def read(self, document: Json) -> Json:
        """The value in `document`, which stands at the path's root; PathMissing without one."""
        found = _walk(document, self.steps) if self.steps is not None else self._matches(document)
        return _apply(self.function, found) if self.function else found

    def _matches(self, document: Json) -> list[Json]:
        assert self.query is not None
        found: list[Json] = []
        if not isinstance(document, dict | list):
            return found  # nothing is below it; and the library would take a text for a JSON document
        scale = Scale()
        for value in self.query(document):
            found.append(value)
            if len(found) > MAX_MATCHES or not scale.add(value):
                raise PathMissing(f"Too many results for path: {self.text}")
        return found


def _place(steps: tuple[Step, ...]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f"['{step}']" for step in steps)


def _walk(value: Json, steps: tuple[Step, ...]) -> Json:
    for depth, step in enumerate(steps):
        if isinstance(step, str):
            if not isinstance(value, dict):
                raise PathMissing(
                    f"Expected to find an object with property ['{step}'] in path {_place(steps[:depth])}"
                )
            present = step in value
        else:
            if not isinstance(value, list):
                raise PathMissing(f"Filter: [{step}] can only be applied to arrays")
            present = -len(value) <= step < len(value)
        if not present:
            last = depth == len(steps) - 1
            problem = "No results for path:" if last or isinstance(step, int) else "Missing property in path"
            raise PathMissing(f"{problem} {_place(steps[: depth + 1])}")
        value = value[step]
    return value


def _apply(function: str, value: Json) -> Json:
    if function == "length":
        if isinstance(value, list | dict | str):
            return len(value)
        raise PathMissing("Function length() needs an array, an object or a string")
    if not isinstance(value, list) or not value or not all(map(is_number, value)):
        raise PathMissing(f"Function {function}() needs an array of numbers")
    try:
        return REDUCTIONS[function](value)
    except OverflowError:
        raise PathMissing(f"Function {function}() cannot tell the result of such large numbers") from None


def mean(values: list[float]) -> float:
    return fsum(values) / len(values)


REDUCTIONS: dict[str, Callable[[list[float]], float]] = {"min": min, "max": max, "avg": mean, "sum": sum}


@lru_cache(maxsize=4_096)
def compile_path(text: str) -> Path:
    """The path of a text; raises InvalidExpression."""
    if len(text) > MAX_LENGTH:
        raise InvalidExpression(f"longer than {MAX_LENGTH} characters")
    start = ROOT.match(text)
    if start is None:
        raise InvalidExpression("it does not begin with '$'")
    root = start.group() if start.group() in ("$", "$$") else start.group()[1:]
    rest = text[start.end() :]
    function = FUNCTION.search(rest)
    if function:
        rest = rest[: function.start()]
    steps = _definite(rest)
    query = _general(rest) if steps is None else None
    return Path(text, root, steps, query, function and function.group(1))


def _definite(rest: str) -> tuple[Step, ...] | None:
    steps: list[Step] = []
    at = 0
    while at < len(rest):
        match = STEP.match(rest, at)
        if match is None:
            return None
        if match["index"] is not None:
            steps.append(int(match["index"]))
        elif match["name"] is not None:
            steps.append(match["name"])
        else:
            # The service takes back only the escape of the quote itself: `\"` inside '...' is two characters.
            quote = "'" if match["single"] is not None else '"'
            steps.append((match["single"] or match["double"] or "").replace("\\" + quote, quote))
        at = match.end()
    return tuple(steps)


def _general(rest: str) -> Callable[[Json], Iterator[Json]]:
    import jsonpath  # late: it is large, and most paths are definite

    bare = QUOTED.sub("''", rest)
    if bare.count("..") > MAX_DESCENTS:
        raise InvalidExpression(f"more than {MAX_DESCENTS} '..'")
    condition = bare.partition("?")[2]
    if "$" in condition or ".." in condition:
        raise InvalidExpression(
            "'$' and '..' inside a filter are not supported: they search everything for each value"
        )
    if REGULAR_EXPRESSION.search(bare):
        raise InvalidExpression("regular expressions in filters are not supported: their time has no bound")
    try:
        query = jsonpath.compile("$" + re.sub(r"(?<!\.)\.\[", "[", rest))
    except (jsonpath.JSONPathError, ValueError, RecursionError) as error:
        raise InvalidExpression(str(error).splitlines()[0]) from None
    if not isinstance(query, jsonpath.JSONPath):
        raise InvalidExpression("it joins several paths")

    def found(document: Json) -> Iterator[Json]:
        try:
            for match in query.finditer(document):
                yield match.obj
        except jsonpath.JSONPathError as error:
            raise PathMissing(str(error).splitlines()[0]) from None

    return found


def write_path(document: Json, steps: tuple[Step, ...], value: Json) -> Json:
    """A copy of `document` with `value` at the place; objects on the way are made.

    Raises PathMissing where the way leads through something that is no object, or to an index that an
    array does not have.
    """
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        if not isinstance(document, list) or not -len(document) <= step < len(document):
            raise PathMissing(f"no element {step} in {compact(document)[:80]}")
        changed = list(document)
        changed[step] = write_path(document[step], rest, value)
        return changed
    if not isinstance(document, dict):
        raise PathMissing(f"no place for '{step}' in {compact(document)[:80]}")
    return {**document, step: write_path(document.get(step, {}), rest, value)}


WHOLE = compile_path("$")
