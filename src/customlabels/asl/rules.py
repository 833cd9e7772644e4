"""Reading the rules of a Choice state."""

from __future__ import annotations

from customlabels.asl.choices import (
    COMPARISONS,
    NO_VALUE,
    TESTS,
    All,
    Comparison,
    Condition,
    Not,
    OneOf,
    Presence,
    Rule,
)
from customlabels.asl.documents import Json
from customlabels.asl.fields import Reader
from customlabels.asl.paths import compile_path

__all__ = ["read_rules"]

MAX_NESTING = 30  # And, Or and Not inside each other
NEVER = Presence(compile_path("$"), False)  # stands for a condition that was refused


def read_rules(sources: list[Json], state: Reader, targets: list[tuple[str, str]]) -> tuple[Rule, ...]:
    """The rules of `Choices`; problems go to the state's reader, the targets of Next to `targets`."""
    rules = []
    for index, source in enumerate(sources):
        reader = Reader(source, f"{state.place}/Choices[{index}]", state.problems)
        reader.require("Next")
        following = reader.text("Next") or ""
        if following:
            targets.append((following, f"{reader.place}/Next"))
        assign = reader.assignments()
        rules.append(Rule(_condition(reader, 0), following, assign))
        reader.done()
    return tuple(rules)


def _condition(reader: Reader, depth: int) -> Condition:
    names = [name for name in reader.source if name in ("And", "Or", "Not", "IsPresent") or _operator(name)]
    if len(names) != 1:
        reader.problem("Exactly one comparison operator is required")
        for name in names:
            reader.take(name)
        reader.take("Variable")
        return NEVER
    name = names[0]
    if depth > MAX_NESTING:
        reader.problem(f"More than {MAX_NESTING} And, Or and Not inside each other")
        return NEVER
    if name in ("And", "Or"):
        inner = tuple(
            _inner(source, f"{reader.place}/{name}[{index}]", reader, depth)
            for index, source in enumerate(reader.array(name))
        )
        if not inner:
            reader.problem("Expected a non-empty array", name)
        return All(inner) if name == "And" else OneOf(inner)
    if name == "Not":
        return Not(_inner(reader.take(name), f"{reader.place}/Not", reader, depth))
    return _comparison(reader, name)


def _inner(source: Json, place: str, outer: Reader, depth: int) -> Condition:
    reader = Reader(source, place, outer.problems)
    condition = _condition(reader, depth + 1)
    reader.done()
    return condition


def _operator(name: str) -> bool:
    plain = name.removesuffix("Path")
    by_path = name.endswith("Path")
    return name in TESTS or (plain in COMPARISONS and (not by_path or COMPARISONS[plain].by_path))


def _comparison(reader: Reader, name: str) -> Condition:
    reader.require("Variable")
    variable = reader.path("Variable")
    if variable is None:
        reader.take(name)
        return NEVER
    if name == "IsPresent":
        return Presence(variable, reader.boolean(name))
    if name in TESTS:
        test = TESTS[name]
        return Comparison(variable, lambda value, expected: test(value) is expected, reader.boolean(name))
    if name.endswith("Path"):
        return Comparison(variable, COMPARISONS[name.removesuffix("Path")].compare, reader.path(name))
    operator = COMPARISONS[name]
    constant = reader.take(name)
    if operator.accepts(constant) is NO_VALUE:
        reader.problem("The value does not fit the operator", name)
    return Comparison(variable, operator.compare, constant)
