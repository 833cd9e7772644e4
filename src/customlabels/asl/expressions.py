"""Expressions of the JSONPath query language: paths, intrinsic calls and payload templates.

A text is compiled once, when the definition is parsed; `evaluate` works on a Scope, which is all that an
expression can see. Depth and size are bounded when it is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random

from customlabels.asl.documents import MAX_WORK, Document, Json, Scale
from customlabels.asl.failures import Failure, intrinsic_failure, runtime
from customlabels.asl.intrinsics import FUNCTIONS, BadArgument
from customlabels.asl.paths import InvalidPath, Path, PathMissing, compile_path

__all__ = [
    "Call",
    "Expression",
    "InvalidExpression",
    "Literal",
    "Scope",
    "Template",
    "compile_expression",
    "evaluate",
    "read_field",
]

MAX_NESTING = 10  # calls inside calls, the service's own bound
MAX_LENGTH = 10_000  # characters of one expression

TOKEN = re.compile(
    r"\s*(?:(?P<call>States\.[A-Za-z0-9]+)\s*\(|'(?P<text>(?:[^'\\]|\\['{}\\])*)'"
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=\s*[,)])|(?P<word>true|false|null)(?=\s*[,)])|(?P<path>\$))"
)
NAMED = {"true": True, "false": False, "null": None}


class InvalidExpression(ValueError):
    """A text that is neither a path nor an intrinsic call."""


@dataclass(frozen=True)
class Scope:
    """What an expression sees: the input, the context object, the variables, and chance.

    chance is made by the interpreter from the seed, so that the same call gives the same numbers.
    """

    input: Document
    context: Callable[[], Json]
    variables: Mapping[str, Json]
    chance: Random

    def over(self, document: Document) -> Scope:
        """The same scope with another document as `$`."""
        return replace(self, input=document)

    def read(self, path: Path) -> Json:
        """The value of a path; raises PathMissing."""
        if path.root == "$":
            return path.read(self.input.value)
        if path.root == "$$":
            return path.read(self.context())
        if path.root not in self.variables:
            raise PathMissing(f"No variable: {path.root}")
        return path.read(self.variables[path.root])


@dataclass(frozen=True)
class Literal:
    """A constant argument; `raw` is a string as written, escapes included."""

    value: Json
    raw: str | None = None


@dataclass(frozen=True)
class Call:
    """An intrinsic function with its arguments."""

    name: str
    arguments: tuple[Expression, ...]
    text: str


Expression = Literal | Path | Call


@lru_cache(maxsize=4_096)
def compile_expression(text: str) -> Expression:
    """A path or an intrinsic call; raises InvalidExpression."""
    if len(text) > MAX_LENGTH:
        raise InvalidExpression(f"longer than {MAX_LENGTH} characters")
    if text.startswith("$"):
        try:
            return compile_path(text)
        except InvalidPath as error:
            raise InvalidExpression(str(error)) from None
    if not text.startswith("States."):
        raise InvalidExpression("it begins neither with '$' nor with 'States.'")
    expression, at = _argument(text, 0, 0)
    if text[at:].strip():
        raise InvalidExpression(f"'{text[at:].strip()}' is left over")
    return expression


def _argument(text: str, at: int, depth: int) -> tuple[Expression, int]:
    match = TOKEN.match(text, at)
    if match is None:
        raise InvalidExpression(f"no argument at '{text[at : at + 20]}'")
    if match["call"]:
        return _call(text, match, depth + 1)
    if match["path"]:
        return _path_argument(text, match.start("path"))
    if match["text"] is not None:
        raw = match["text"]
        return Literal(re.sub(r"\\(.)", r"\1", raw), raw), match.end()
    if match["number"]:
        number = match["number"]
        return Literal(float(number) if set(number) & set(".eE") else int(number)), match.end()
    return Literal(NAMED[match["word"]]), match.end()


def _call(text: str, match: re.Match[str], depth: int) -> tuple[Expression, int]:
    name = match["call"].removeprefix("States.")
    if name not in FUNCTIONS:
        raise InvalidExpression(f"there is no function States.{name}")
    if depth > MAX_NESTING:
        raise InvalidExpression(f"more than {MAX_NESTING} calls inside each other")
    arguments: list[Expression] = []
    at = match.end()
    while not (closing := re.compile(r"\s*\)").match(text, at)):
        if arguments:
            comma = re.compile(r"\s*,").match(text, at)
            if comma is None:
                raise InvalidExpression(f"a comma or bracket is missing at '{text[at : at + 20]}'")
            at = comma.end()
        argument, at = _argument(text, at, depth)
        arguments.append(argument)
    least, most = FUNCTIONS[name].arguments
    if not least <= len(arguments) <= most:
        raise InvalidExpression(f"States.{name} does not take {len(arguments)} arguments")
    return Call(name, tuple(arguments), text[match.start("call") : closing.end()]), closing.end()


def _path_argument(text: str, start: int) -> tuple[Path, int]:
    """A path ends at a comma or bracket that stands outside its own brackets and quotes."""
    quote, depth, at = "", 0, start
    while at < len(text):
        char = text[at]
        if quote:
            at += char == "\\"
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "[(":
            depth += 1
        elif char in "])":
            if depth == 0:
                break
            depth -= 1
        elif char == "," and depth == 0:
            break
        at += 1
    try:
        return compile_path(text[start:at].rstrip()), at
    except InvalidPath as error:
        raise InvalidExpression(str(error)) from None


def evaluate(expression: Expression, scope: Scope, field: str) -> Json:
    """The value; `field` names the place in the definition for the error. Raises Failure."""
    if isinstance(expression, Literal):
        return expression.value
    if isinstance(expression, Path):
        try:
            return scope.read(expression)
        except PathMissing:
            raise runtime(
                f"The JSONPath '{expression.text}' specified for the field '{field}' could not be found in "
                f"the input '{scope.input.text}'"
            ) from None
    values = []
    scale = Scale()
    for argument in expression.arguments:
        values.append(evaluate(argument, scope, field))
        if not scale.add(values[-1]):
            raise intrinsic_failure(expression.text[:200], f"its arguments have over {MAX_WORK} characters")
    function = FUNCTIONS[expression.name]
    first = expression.arguments[0] if expression.arguments else None
    if expression.name == "Format" and isinstance(first, Literal) and first.raw is not None:
        values[0] = first.raw  # only the raw text tells `\{` from `{`
    try:
        return function.apply(values, scope.chance)
    except (BadArgument, UnicodeError) as error:
        raise intrinsic_failure(expression.text, str(error)) from None


@dataclass(frozen=True)
class Template:
    """A payload template: constants, with fields `name.$` that hold an expression.

    node is the template as data, in which each such expression stands compiled.
    """

    node: Json

    @classmethod
    def compile(cls, source: Json, problem: Callable[[str, str], None]) -> Template:
        """Compile all expressions; `problem(pointer, field)` is told each one that is none."""
        return cls(_compile_node(source, "", problem))

    def evaluate(self, scope: Scope) -> Json:
        """The payload; raises Failure."""
        return _evaluate_node(self.node, scope, Scale())


@dataclass(frozen=True)
class _Computed:
    field: str
    expression: Expression


def _compile_node(node: Json, pointer: str, problem: Callable[[str, str], None]) -> Json:
    if isinstance(node, list):
        return [_compile_node(child, f"{pointer}/{index}", problem) for index, child in enumerate(node)]
    if not isinstance(node, dict):
        return node
    compiled: dict[str, Json] = {}
    for key, child in node.items():
        if not key.endswith(".$"):
            compiled[key] = _compile_node(child, f"{pointer}/{key}", problem)
            continue
        try:
            expression = compile_expression(child if isinstance(child, str) else "")
        except InvalidExpression:
            problem(pointer, key)
            continue
        compiled[key.removesuffix(".$")] = _Computed(key, expression)
    return compiled


def _evaluate_node(node: Json, scope: Scope, scale: Scale) -> Json:
    if isinstance(node, _Computed):
        value = evaluate(node.expression, scope, node.field)
        if not scale.add(value):
            raise Failure(
                "States.DataLimitExceeded", f"The payload template gives over {MAX_WORK} characters."
            )
        return value
    if isinstance(node, dict):
        return {key: _evaluate_node(child, scope, scale) for key, child in node.items()}
    if isinstance(node, list):
        return [_evaluate_node(child, scope, scale) for child in node]
    return node


def read_field(path: Path, scope: Scope) -> Json:
    """The value of a path that stands in a field of its own (InputPath, ItemsPath, ...); raises Failure."""
    try:
        return scope.read(path)
    except PathMissing as missing:
        raise _invalid_path(path, str(missing)) from None


def _invalid_path(path: Path, reason: str) -> Failure:
    return runtime(f"Invalid path '{path.text}' : {reason}")
