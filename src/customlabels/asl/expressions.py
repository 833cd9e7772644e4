"""Expressions of the JSONPath query language: paths, intrinsic calls and payload templates.

A text is compiled once, when the definition is parsed, into a function of the Scope, which is all that an
expression can see; the function raises Failure. Depth and size are bounded when it is compiled.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Self, TypeAlias

from customlabels.asl.documents import MAX_WORK, Document, Json, Scale, read_json
from customlabels.asl.failures import Failure, intrinsic_failure, runtime
from customlabels.asl.intrinsics import DRAWING, FUNCTIONS, BadArgument, takes
from customlabels.asl.paths import InvalidExpression, Path, PathMissing, compile_path
from customlabels.errors import InvalidInput

MAX_NESTING = 10  # calls inside calls, the service's own bound
MAX_LENGTH = 10_000  # characters of one expression

CALL = re.compile(r"States\.([A-Za-z0-9]+)\s*\((.*)\)", re.DOTALL)
STRING = re.compile(r"'((?:[^'\\]|\\['{}\\])*)'")
CONSTANT = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null", re.ASCII)
# What the arguments of a call are made of when one looks for the commas: quoted texts and single characters.
PIECE = re.compile(r"'(?:[^'\\]|\\.)*(?:'|$)|\"(?:[^\"\\]|\\.)*(?:\"|$)|.", re.DOTALL)

INVALID = "Invalid path '{path}' : {reason}"
NOT_FOUND = (
    "The JSONPath '{path}' specified for the field '{field}' could not be found in the input '{input}'"
)


@dataclass(frozen=True)
class Scope:
    """What an expression sees: the input, the context object, the variables, time and chance.

    chance is made by the interpreter from the seed, so that the same call gives the same numbers.
    now: epoch seconds    outcome: what JSONata has in `$states` besides input and context
    """

    input: Document
    context: Callable[[], Json]
    variables: Mapping[str, Json]
    chance: Random
    now: float = 0.0
    outcome: Mapping[str, Json] = field(default_factory=dict)

    def over(self, document: Document, **outcome: Json) -> Self:
        """The same scope with another document as `$`, and what is to be seen besides."""
        return type(self)(document, self.context, self.variables, self.chance, self.now, outcome)

    def read(self, path: Path) -> Json:
        """The value of a path; raises PathMissing."""
        if path.root == "$":
            return path.read(self.input.value)
        if path.root == "$$":
            return path.read(self.context())
        if path.root not in self.variables:
            raise PathMissing(f"No variable: {path.root}")
        return path.read(self.variables[path.root])


Expression: TypeAlias = Callable[[Scope], Json]
Template: TypeAlias = Callable[[Scope], Json]


@lru_cache(maxsize=4_096)
def compile_expression(text: str, field: str) -> Expression:
    """A path or an intrinsic call; `field` names its place for errors. Raises InvalidExpression."""
    if len(text) > MAX_LENGTH:
        raise InvalidExpression(f"longer than {MAX_LENGTH} characters")
    if not text.startswith(("$", "States.")):
        raise InvalidExpression("it begins neither with '$' nor with 'States.'")
    return _compile(text, field, 0)


def _compile(text: str, field: str, depth: int, *, raw: bool = False) -> Expression:
    """An expression or an argument of a call; raw: a string keeps its escapes."""
    if text.startswith("$"):
        path = compile_path(text)
        return lambda scope: read_field(path, scope, NOT_FOUND, field=field)
    if match := CALL.fullmatch(text):
        return _call(match, field, depth + 1)
    if match := STRING.fullmatch(text):
        string = match[1] if raw else re.sub(r"\\(.)", r"\1", match[1])
        return lambda _scope: string
    if CONSTANT.fullmatch(text) is None:
        raise InvalidExpression(f"'{text[:20]}' is no path, no call and no constant")
    try:
        constant = read_json(re.sub(r"^(-?)0+(?=\d)", r"\1", text))  # zeros may lead here, not in JSON
    except InvalidInput as error:
        raise InvalidExpression(str(error)) from None
    return lambda _scope: constant


def _call(match: re.Match[str], field: str, depth: int) -> Expression:
    name, inside = match[1], match[2]
    if name not in FUNCTIONS:
        raise InvalidExpression(f"there is no function States.{name}")
    if depth > MAX_NESTING:
        raise InvalidExpression(f"more than {MAX_NESTING} calls inside each other")
    texts = _split(inside) if inside.strip() else []
    if not takes(name, len(texts)):
        raise InvalidExpression(f"States.{name} does not take {len(texts)} arguments")
    arguments = [
        _compile(text, field, depth, raw=name == "Format" and index == 0)  # only raw it tells `\{` from `{`
        for index, text in enumerate(texts)
    ]
    return _calling(name, arguments, match[0])


def _split(inside: str) -> list[str]:
    """The arguments of a call: its inside, cut at the commas that stand outside of brackets and quotes."""
    parts, depth = [""], 0
    for piece in PIECE.findall(inside):
        depth += (piece in ("[", "(")) - (piece in ("]", ")"))
        if depth < 0:
            raise InvalidExpression(f"a bracket too many after '{parts[-1]}'")
        if piece == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
    return [part.strip() for part in parts]


def _calling(name: str, arguments: list[Expression], text: str) -> Expression:
    def evaluate(scope: Scope) -> Json:
        values = []
        scale = Scale()
        for argument in arguments:
            values.append(argument(scope))
            if not scale.add(values[-1]):
                raise intrinsic_failure(text[:200], f"its arguments have over {MAX_WORK} characters")
        chance = [scope.chance] if name in DRAWING else []
        try:
            return FUNCTIONS[name](*chance, *values)
        except (BadArgument, UnicodeError) as error:
            raise intrinsic_failure(text, str(error)) from None

    return evaluate


def read_field(path: Path, scope: Scope, problem: str = INVALID, *, field: str = "") -> Json:
    """The value of a path that stands in a field of its own (InputPath, ItemsPath, ...).

    Raises Failure with the text of `problem`, in which {path}, {reason}, {field} and {input} are filled in.
    """
    try:
        return scope.read(path)
    except PathMissing as missing:
        text = problem.format(path=path.text, reason=missing, field=field, input=scope.input.text)
        raise runtime(text) from None


def compile_template(source: Json, problem: Callable[[str, str], None]) -> Template:
    """A payload template: constants, with fields `name.$` that hold an expression.

    `problem(pointer, field)` is told each one that is none.
    """
    node = _compile_node(source, "", problem)
    return lambda scope: evaluate_node(node, scope, Scale())


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
            text = child if isinstance(child, str) else ""
            compiled[key.removesuffix(".$")] = compile_expression(text, key)
        except InvalidExpression:
            problem(pointer, key)
    return compiled


def evaluate_node(node: Json, scope: Scope, scale: Scale | None = None) -> Json:
    """The value of a compiled template, expressions at any depth; scale: of what they may give together."""
    if callable(node):
        value = node(scope)
        if scale is not None and not scale.add(value):
            text = f"The payload template gives over {MAX_WORK} characters."
            raise Failure("States.DataLimitExceeded", text)
        return value
    if isinstance(node, dict):
        return {key: evaluate_node(child, scope, scale) for key, child in node.items()}
    if isinstance(node, list):
        return [evaluate_node(child, scope, scale) for child in node]
    return node
