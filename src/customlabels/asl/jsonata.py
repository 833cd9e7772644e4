"""Expressions of the JSONata query language: `{% ... %}` texts, and templates that hold them.

An expression sees `$states` (input, context, and result or errorOutput where there is one) and the
variables. The evaluator is a library's (jsonatapy); what reaches it is bounded by length and depth, what it
does by depth, size, and time last. Clock and chance are the decision's own, so that a redo gives the same.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

import jsonatapy

from customlabels.asl.documents import (
    MAX_WORK,
    Document,
    Json,
    compact,
    format_time,
    is_number,
    read_json,
)
from customlabels.asl.expressions import Scope, Template, evaluate_node
from customlabels.asl.failures import Failure, query_failure
from customlabels.asl.intrinsics import FUNCTIONS, BadArgument
from customlabels.asl.paths import InvalidExpression
from customlabels.errors import InvalidInput

MAX_LENGTH = 32_768  # characters of one expression
BOUNDS = {
    "max_stack_depth": 250,  # calls inside calls
    "max_sequence_length": 100_000,
    "timeout": 1_000,  # milliseconds, for what the other bounds let through: a text that doubles and doubles
}

QUERY = re.compile(r"\{%(.*)%\}", re.DOTALL)
# `code: text`, with the name that the library adds to a call of what is no function
PROBLEM = re.compile(r"(?:Parse error: )?(?:host function raised \w+: )?(?P<text>.*)", re.DOTALL)
TYPES: dict[type, str] = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


def is_query(value: Json) -> bool:
    """Whether the value is a text that holds an expression; with a blank outside of the signs it is none."""
    return isinstance(value, str) and QUERY.fullmatch(value) is not None


@dataclass(frozen=True)
class Query:
    """A checked expression. field: where it stands in its state, such as `Output/name`."""

    text: str
    field: str

    @classmethod
    def compile(cls, source: str, field: str) -> "Query":
        """The expression of a `{% ... %}` text; raises InvalidExpression."""
        match = QUERY.fullmatch(source)
        if match is None:
            raise InvalidExpression("a JSONata expression stands between '{%' and '%}'")
        text = match[1].strip()
        if len(text) > MAX_LENGTH:
            raise InvalidExpression(f"longer than {MAX_LENGTH} characters")
        try:
            jsonatapy.compile(text)
        except ValueError as error:
            raise InvalidExpression(_told(error)) from None
        return cls(text, field)

    def __call__(self, scope: Scope) -> Json:
        """The value; raises Failure, also where there is none."""
        found = self._evaluate(self.text, scope)
        if found is None:
            raise self._failure("returned nothing (undefined).")
        if found == '""' and self._evaluate(f"$type(({self.text}))", scope) == '"function"':
            raise self._failure("returned an unsupported result type.")
        if len(found) > MAX_WORK:
            text = f"The JSONata expression gives over {MAX_WORK} characters."
            raise Failure("States.DataLimitExceeded", text)
        return read_json(found)

    def typed(self, scope: Scope, expected: str) -> Json:
        """The value, which must be of this JSON type; raises Failure."""
        value = self(scope)
        found = TYPES[type(value)]
        if found != expected:
            types = f"Expected '{expected}', but was '{found}'"
            raise self._failure(f"returned an unexpected result type. {types} for value: {compact(value)}")
        return value

    def _failure(self, problem: str) -> Failure:
        return query_failure(
            f"The JSONata expression '{self.text}' specified for the field '{self.field}' {problem}",
            self.field,
        )

    def _evaluate(self, text: str, scope: Scope) -> str | None:
        bindings = {name: value for name, value in scope.variables.items() if name in text}
        if "states" in text:
            context = {"context": scope.context()} if "context" in text or "$states." not in text else {}
            bindings["states"] = {"input": scope.input.value, **context, **scope.outcome}
        compiled = None
        try:
            # Compiled anew: functions belong to the compiled expression, and ours belong to this scope.
            compiled = jsonatapy.compile(text)
            for name, function in OURS.items():
                compiled.register(name, partial(function, scope))
            for name, function in REPLACED.items():
                compiled.register_override(name, partial(function, scope))
            try:
                found: str | None = compiled.evaluate_json_or_none(None, bindings, **BOUNDS)
            except OverflowError:  # whole numbers beyond 64 bits: a JSONata number is a float anyway
                floats = json.loads(json.dumps(bindings), parse_int=_number)
                found = compiled.evaluate_json_or_none(None, floats, **BOUNDS)
        except (ValueError, OverflowError) as error:
            # No other thread may drop it, and whoever keeps a failure keeps the frames that it came through.
            compiled = error.__traceback__ = error.__context__ = None
            raise self._failure(f"threw an error during evaluation. {_told(error)}") from None
        return found


def _number(text: str) -> float:
    number = int(text)
    return number if -(2**63) <= number < 2**63 else float(text)


def _told(error: Exception) -> str:
    match = PROBLEM.fullmatch(str(error))
    text = match["text"] if match else str(error)
    return re.sub(r"(T1006: Attempted to invoke a non-function).*", r"\1", text, flags=re.DOTALL)


def _shuffle(scope: Scope, values: Json) -> Json:
    shuffled = list(values) if isinstance(values, list) else [values]
    scope.chance.shuffle(shuffled)
    return shuffled


def _parse(_scope: Scope, text: Json) -> Json:
    try:
        return read_json(text if isinstance(text, str) else "")
    except InvalidInput as error:
        raise BadArgument(str(error)) from None


def _bounded(name: str, most: int) -> Callable[..., Json]:
    """The library's own function for numbers up to `most`; it makes texts as long as these are large."""

    def call(_scope: Scope, *arguments: Json) -> Json:
        if any(is_number(argument) and abs(argument) > most for argument in arguments):
            raise BadArgument(f"${name}: numbers up to {most} are allowed here")
        bindings = {f"a{at}": argument for at, argument in enumerate(arguments)}
        text = f"${name}({', '.join(f'${binding}' for binding in bindings)})"
        found = jsonatapy.compile(text).evaluate_json_or_none(None, bindings, **BOUNDS)
        return None if found is None else read_json(found)

    return call


def _no_eval(_scope: Scope, *_arguments: Json) -> Json:
    raise BadArgument("$eval is not allowed in a state machine")


def _intrinsic(name: str) -> Callable[..., Json]:
    return lambda _scope, *arguments: FUNCTIONS[name](*arguments)


def _now(scope: Scope, *picture: Json) -> Json:
    if picture:
        raise BadArgument("$now takes no picture here; use $fromMillis($millis(), picture)")
    return format_time(scope.now)


# What the service adds to JSONata, and what of JSONata would reach clock, chance or memory without bound.
OURS: dict[str, Callable[..., Json]] = {
    "partition": _intrinsic("ArrayPartition"),
    "range": _intrinsic("ArrayRange"),
    "hash": _intrinsic("Hash"),
    "uuid": lambda scope: FUNCTIONS["UUID"](scope.chance),
    "parse": _parse,
}
REPLACED: dict[str, Callable[..., Json]] = {
    "random": lambda scope, seed=None: (scope.chance if seed is None else Random(seed)).random(),
    "shuffle": _shuffle,
    "now": _now,
    "millis": lambda scope: int(scope.now * 1000),
    "pad": _bounded("pad", MAX_WORK),
    "formatInteger": _bounded("formatInteger", 10**9),
    "eval": _no_eval,
}


def compile_queries(source: Json, field: str, problem: Callable[[str, str], None]) -> Template:
    """A template: constants, with expressions in texts at any depth.

    `problem(place, text)` is told each expression that is none.
    """
    node = _compile_node(source, field, problem)
    return lambda scope: evaluate_node(node, scope)


def _compile_node(node: Json, place: str, problem: Callable[[str, str], None]) -> Json:
    if isinstance(node, list):
        return [_compile_node(child, f"{place}[{index}]", problem) for index, child in enumerate(node)]
    if isinstance(node, dict):
        return {key: _compile_node(child, f"{place}/{key}", problem) for key, child in node.items()}
    if not is_query(node):
        return node
    try:
        return Query.compile(node, place)
    except InvalidExpression as error:
        problem(place, str(error))
        return None


@dataclass(frozen=True)
class QueryFlow:
    """How data enters and leaves a state of this language: Arguments -> (the state's work) -> Output, Assign.

    told: the name under which `$states` has what the work gave, None where it gives nothing of its own.
    It is to the interpreter what machines.DataFlow is.
    """

    template: Template | None = None
    output: Template | None = None
    assign: Template | None = None
    told: str | None = None

    def enter(self, scope: Scope) -> Scope:
        """The scope over the effective input, which is the input."""
        return scope

    def arguments(self, scope: Scope) -> Document:
        """What goes to the state's work."""
        return scope.input if self.template is None else Document(value=self.template(scope))

    def outcome(self, raw: Document, result: Document, scope: Scope) -> tuple[Document, dict[str, Json]]:
        """Output and assigned variables; raw is the state's whole input, result what its work gave."""
        seen = scope.over(raw, **({self.told: result.value} if self.told else {}))
        output = result if self.output is None else Document(value=self.output(seen))
        return output, self.assign(seen) if self.assign is not None else {}
