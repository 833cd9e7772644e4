"""Choice rules: the comparison operators as a table, and their combinations.

An operator is a kind (String, Numeric, Boolean, Timestamp) and an order (Equals, LessThan, ...), with
`Path` at its end where the other value is read from the input. A value of another kind compares as false.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from customlabels.asl.dataflow import JSON_PATH, DataFlow, JsonPathFlow
from customlabels.asl.documents import Json
from customlabels.asl.expressions import Scope, Template
from customlabels.asl.failures import runtime
from customlabels.asl.paths import Path, PathMissing
from customlabels.asl.timestamps import parse_time

__all__ = [
    "COMPARISONS",
    "TESTS",
    "All",
    "Comparison",
    "Condition",
    "Not",
    "OneOf",
    "Presence",
    "Rule",
    "matches_pattern",
]

NO_VALUE: Any = object()


def _text(value: Json) -> Any:
    return value if isinstance(value, str) else NO_VALUE


def _number(value: Json) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else NO_VALUE


def _boolean(value: Json) -> Any:
    return value if isinstance(value, bool) else NO_VALUE


def _moment(value: Json) -> Any:
    moment = parse_time(value)
    return NO_VALUE if moment is None else moment


ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}
KINDS: dict[str, Callable[[Json], Any]] = {"String": _text, "Numeric": _number, "Timestamp": _moment}


def matches_pattern(value: str, pattern: str) -> bool:
    """Whether the text fits a pattern in which `*` stands for any characters and a backslash quotes it.

    Takes time in proportion to the product of the lengths at worst; no regular expression is made.
    """
    parts: list[str | None] = []  # None is the star
    at = 0
    while at < len(pattern):
        if pattern[at] == "\\" and at + 1 < len(pattern):
            at += 1
            parts.append(pattern[at])
        else:
            parts.append(None if pattern[at] == "*" else pattern[at])
        at += 1
    here = there = 0
    star, resume = -1, 0
    while here < len(value):
        if there < len(parts) and parts[there] is None:
            star, resume = there, here
            there += 1
        elif there < len(parts) and parts[there] == value[here]:
            here, there = here + 1, there + 1
        elif star >= 0:
            resume += 1
            here, there = resume, star + 1
        else:
            return False
    return all(part is None for part in parts[there:])


def _comparison(
    kind: Callable[[Json], Any], order: Callable[[Any, Any], bool]
) -> Callable[[Json, Json], bool]:
    def compare(value: Json, other: Json) -> bool:
        one, two = kind(value), kind(other)
        return one is not NO_VALUE and two is not NO_VALUE and order(one, two)

    return compare


def _fits(value: Json, pattern: Json) -> bool:
    return isinstance(value, str) and isinstance(pattern, str) and matches_pattern(value, pattern)


@dataclass(frozen=True)
class Operator:
    """accepts: what a constant at its right hand must be; by_path: whether it may end in `Path`."""

    compare: Callable[[Json, Json], bool]
    accepts: Callable[[Json], Any]
    by_path: bool = True


COMPARISONS: dict[str, Operator] = {
    kind + order: Operator(_comparison(convert, compare), convert)
    for kind, convert in KINDS.items()
    for order, compare in ORDERS.items()
}
COMPARISONS["BooleanEquals"] = Operator(_comparison(_boolean, operator.eq), _boolean)
COMPARISONS["StringMatches"] = Operator(_fits, _text, by_path=False)

TESTS: dict[str, Callable[[Json], bool]] = {
    "IsNull": lambda value: value is None,
    "IsString": lambda value: isinstance(value, str),
    "IsNumeric": lambda value: _number(value) is not NO_VALUE,
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsTimestamp": lambda value: parse_time(value) is not None,
}


def _read(path: Path, scope: Scope) -> Json:
    try:
        return scope.read(path)
    except PathMissing:
        raise runtime(
            f"Invalid path '{path.text}': The choice state's condition path references an invalid value."
        ) from None


@dataclass(frozen=True)
class Comparison:
    """`variable` compared with a constant, or with what a path finds."""

    variable: Path
    compare: Callable[[Json, Json], bool]
    other: Json

    def holds(self, scope: Scope) -> bool:
        """Raises Failure where a path finds nothing."""
        value = _read(self.variable, scope)
        other = _read(self.other, scope) if isinstance(self.other, Path) else self.other
        return self.compare(value, other)


@dataclass(frozen=True)
class Presence:
    """IsPresent: the one test that may look at a missing value."""

    variable: Path
    expected: bool

    def holds(self, scope: Scope) -> bool:
        """Never fails."""
        try:
            scope.read(self.variable)
        except PathMissing:
            return not self.expected
        return self.expected


@dataclass(frozen=True)
class All:
    """And."""

    conditions: tuple[Condition, ...]

    def holds(self, scope: Scope) -> bool:
        """Stops at the first that does not hold."""
        return all(condition.holds(scope) for condition in self.conditions)


@dataclass(frozen=True)
class OneOf:
    """Or."""

    conditions: tuple[Condition, ...]

    def holds(self, scope: Scope) -> bool:
        """Stops at the first that holds."""
        return any(condition.holds(scope) for condition in self.conditions)


@dataclass(frozen=True)
class Not:
    """Not."""

    condition: Condition

    def holds(self, scope: Scope) -> bool:
        """The opposite."""
        return not self.condition.holds(scope)


Condition = Comparison | Presence | All | OneOf | Not


@dataclass(frozen=True)
class Rule:
    """A top-level rule: where to go, and what to assign, when its condition holds."""

    condition: Condition
    next: str
    assign: Template | None
    flow: DataFlow = JSON_PATH

    def leaving_by(self, flow: JsonPathFlow) -> Rule:
        """The rule with the state's data flow, in which its own Assign takes the place of the state's."""
        return replace(self, flow=replace(flow, assign=self.assign))
