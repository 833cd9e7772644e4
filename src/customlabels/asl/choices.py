"""Choice rules: the comparison operators as a table, their combinations, and how they are read.

An operator is a kind (String, Numeric, Boolean, Timestamp) and an order (Equals, LessThan, ...), with
`Path` at its end where the other value is read from the input. A value of another kind compares as false.
A condition is read into a function of the scope; where a path finds nothing, it raises Failure.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from customlabels.asl.documents import Json, is_number, parse_time
from customlabels.asl.expressions import Scope, read_field
from customlabels.asl.fields import Reader
from customlabels.asl.paths import WHOLE, Path, PathMissing

Condition: TypeAlias = Callable[[Scope], bool]
Order: TypeAlias = Callable[[Any, Any], bool]

# Each kind gives the value to compare, None for a value of another kind.
KINDS: dict[str, Callable[[Json], Any]] = {
    "String": lambda value: value if isinstance(value, str) else None,
    "Numeric": lambda value: value if is_number(value) else None,
    "Boolean": lambda value: value if isinstance(value, bool) else None,
    "Timestamp": parse_time,
}
ORDERS: dict[str, Order] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}


def matches_pattern(value: str, pattern: str) -> bool:
    """Whether the text fits a pattern in which `*` stands for any characters and a backslash quotes it.

    Each part between two stars is looked for once, as near as it comes; no regular expression is made.
    """
    parts = [""]
    for piece in re.findall(r"\\.|.", pattern, re.DOTALL):
        if piece == "*":
            parts.append("")
        else:
            parts[-1] += piece[-1]
    if len(parts) == 1:
        return value == parts[0]
    first, *middle, last = parts
    if not value.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = value.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return value.endswith(last, at)


@dataclass(frozen=True)
class Operator:
    """A kind of values and an order of two of them."""

    kind: Callable[[Json], Any]
    order: Order

    def compare(self, value: Json, other: Json) -> bool:
        """Whether both are of the kind, and in the order."""
        one, two = self.kind(value), self.kind(other)
        return one is not None and two is not None and self.order(one, two)


COMPARISONS = {
    kind + order: Operator(KINDS[kind], ORDERS[order])
    for kind in KINDS
    for order in ORDERS
    if kind != "Boolean" or order == "Equals"
}
BY_PATH = {f"{name}Path": one for name, one in COMPARISONS.items()}
COMPARISONS["StringMatches"] = Operator(KINDS["String"], matches_pattern)  # the one without a Path


def _is_of(kind: Callable[[Json], Any]) -> Callable[[Json], bool]:
    return lambda value: kind(value) is not None


TESTS: dict[str, Callable[[Json], bool]] = {
    "IsNull": lambda value: value is None,
    **{f"Is{name}": _is_of(kind) for name, kind in KINDS.items()},
}
OPERATORS = {"And", "Or", "Not", "IsPresent", *TESTS, *COMPARISONS, *BY_PATH}


def read_condition(reader: Reader) -> Condition:
    """The condition of a rule, or of a part of one; problems go to the reader."""
    names = [name for name in reader.source if name in OPERATORS]
    if len(names) != 1:
        reader.problem("Exactly one comparison operator is required")
        for name in (*names, "Variable"):
            reader.take(name)
        return lambda _scope: False  # stands for a condition that was refused
    name = names[0]
    if name in ("And", "Or"):
        parts = [read_condition(part) for part in reader.each(name, required=True)]
        combined = all if name == "And" else any
        return lambda scope: combined(part(scope) for part in parts)
    if name == "Not":
        inner = reader.inner(name)
        condition = read_condition(inner)
        inner.done()
        return lambda scope: not condition(scope)
    return _comparison(reader, name)


def _comparison(reader: Reader, name: str) -> Condition:
    reader.require("Variable")
    variable = reader.path("Variable") or WHOLE  # which stands for one that was refused
    if name == "IsPresent":
        present = reader.boolean(name)
        return lambda scope: _is_present(variable, scope) is present
    if name in TESTS:
        test, expected = TESTS[name], reader.boolean(name)
        return lambda scope: test(_read(variable, scope)) is expected
    if name in BY_PATH:
        by_path, other = BY_PATH[name], reader.path(name) or WHOLE
        return lambda scope: by_path.compare(_read(variable, scope), _read(other, scope))
    comparison, constant = COMPARISONS[name], reader.take(name)
    if comparison.kind(constant) is None:
        reader.problem("The value does not fit the operator", name)
    return lambda scope: comparison.compare(_read(variable, scope), constant)


def _is_present(path: Path, scope: Scope) -> bool:
    try:
        scope.read(path)
    except PathMissing:
        return False
    return True


def _read(path: Path, scope: Scope) -> Json:
    problem = "Invalid path '{path}': The choice state's condition path references an invalid value."
    return read_field(path, scope, problem)
