"""Reading the fields of one object of a definition, and the problems found on the way.

A reader hands out each field once, checked; what nobody asked for is a problem in the end, so that no
field is ever ignored. Problems are collected, not raised: a definition gets all of them in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from customlabels.asl.documents import Json
from customlabels.asl.expressions import Expression, InvalidExpression, Literal, Template, compile_expression
from customlabels.asl.paths import InvalidPath, Path, compile_path
from customlabels.errors import InvalidInput

__all__ = ["InvalidDefinition", "Problem", "Reader"]

T = TypeVar("T")
VARIABLE = re.compile(r"[^\W\d]\w{0,79}")

JSONATA = "it belongs to the JSONata query language, which this engine does not run yet"
DISTRIBUTED = "it belongs to the distributed Map, which this engine does not run yet"
NOT_YET = {
    "Arguments": JSONATA,
    "Output": JSONATA,
    "Items": JSONATA,
    "Condition": JSONATA,
    "ItemReader": DISTRIBUTED,
    "ItemBatcher": DISTRIBUTED,
    "ResultWriter": DISTRIBUTED,
    "Label": DISTRIBUTED,
    "ExecutionType": DISTRIBUTED,
    "ToleratedFailureCount": DISTRIBUTED,
    "ToleratedFailureCountPath": DISTRIBUTED,
    "ToleratedFailurePercentage": DISTRIBUTED,
    "ToleratedFailurePercentagePath": DISTRIBUTED,
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, in the terms of ValidateStateMachineDefinition. location: None is nowhere."""

    message: str
    location: str | None
    code: str = "SCHEMA_VALIDATION_FAILED"

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f" at {self.location}" if self.location else "")


class InvalidDefinition(InvalidInput):
    """A definition that cannot be run; `problems` are all that were found, `code` that of the first."""

    def __init__(self, problems: list[Problem]) -> None:
        text = ", ".join(str(problem) for problem in problems)
        super().__init__(f"Invalid State Machine Definition: '{text}'")
        self.problems = tuple(problems)
        self.code = problems[0].code


class Reader:
    """The fields of one object, at `place`, still to be asked for."""

    def __init__(self, source: Json, place: str, problems: list[Problem]) -> None:
        self.place, self.problems = place, problems
        self.source: dict[str, Json] = source if isinstance(source, dict) else {}
        self._unread = set(self.source) - {"Comment"}
        if not isinstance(source, dict):
            self.problem("Expected value of type Object")
        elif not isinstance(source.get("Comment", ""), str):
            self.problem("Expected value of type String", "Comment")

    def problem(self, message: str, field: str | None = None) -> None:
        """Note what is wrong with the object or one of its fields."""
        self.problems.append(Problem(message, f"{self.place}/{field}" if field else self.place or "/"))

    def done(self) -> None:
        """Every field that nobody asked for is a problem."""
        for field in self.source:
            if field in self._unread:
                reason = f": {NOT_YET[field]}" if field in NOT_YET else ""
                self.problem(f"Field '{field}' is not supported{reason}", field)

    def has(self, field: str) -> bool:
        """Whether the field stands there, be it null."""
        return field in self.source

    def take(self, field: str) -> Json:
        """The field as it is; None when absent."""
        self._unread.discard(field)
        return self.source.get(field)

    def require(self, *fields: str) -> None:
        """These fields must be there."""
        missing = [field for field in fields if field not in self.source]
        if missing:
            self.problem(f"These fields are required: [{', '.join(missing)}]")

    def at_most_one(self, *fields: str) -> None:
        """Of these fields, one at most may be there."""
        present = [field for field in fields if field in self.source]
        if len(present) > 1:
            self.problem(f"Only one of these fields is allowed: [{', '.join(present)}]")

    def _typed(self, field: str, kind: type[T], shown: str) -> T | None:
        value = self.take(field)
        if field not in self.source:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.problem(f"Expected value of type {shown}", field)
            return None
        return value

    def text(self, field: str) -> str | None:
        """A string."""
        return self._typed(field, str, "String")

    def array(self, field: str) -> list[Json]:
        """An array; empty when absent."""
        return self._typed(field, list, "Array") or []

    def boolean(self, field: str) -> bool:
        """A boolean; false when absent."""
        return bool(self._typed(field, bool, "Boolean"))

    def whole(self, field: str, default: int | None, least: int, most: int) -> int | None:
        """A whole number between two bounds; `default` when absent."""
        value = self._typed(field, int, "Integer")
        if value is None:
            return default
        if not least <= value <= most:
            self.problem(f"Expected value between {least} and {most} (inclusive)", field)
        return value

    def number(self, field: str, default: float, least: float) -> float:
        """A number with a lower bound; `default` when absent."""
        value = self.take(field)
        if field not in self.source:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
            self.problem(f"Expected a number greater than or equal to {least}", field)
            return default
        return float(value)

    def texts(self, field: str) -> tuple[str, ...]:
        """A non-empty array of strings."""
        values = self.array(field)
        if self.has(field) and (not values or not all(isinstance(value, str) for value in values)):
            self.problem("Expected a non-empty array of strings", field)
            return ()
        return tuple(values)

    def path(self, field: str) -> Path | None:
        """A path; None when absent or wrong."""
        value = self.take(field)
        if field not in self.source:
            return None
        try:
            return compile_path(value if isinstance(value, str) else "")
        except InvalidPath as error:
            self.problem(f"Value is not a Path: {error}", field)
            return None

    def nullable_path(self, field: str, default: Path) -> Path | None:
        """A path; null gives None, absence the default."""
        if self.has(field) and self.take(field) is None:
            return None
        return self.path(field) or default

    def reference(self, field: str) -> tuple[str | int, ...] | None:
        """Where a result is written: the steps of a definite path of the input; null gives None."""
        if self.has(field) and self.take(field) is None:
            return None
        path = self.path(field)
        if path is None:
            return ()
        if path.root != "$" or path.steps is None or path.function:
            self.problem("Value is not a Reference Path", field)
            return ()
        return path.steps

    def expression(self, field: str) -> Expression | None:
        """A path or an intrinsic call; None when absent or wrong."""
        value = self.take(field)
        if field not in self.source:
            return None
        try:
            return compile_expression(value if isinstance(value, str) else "")
        except InvalidExpression:
            self.problem(_NOT_COMPUTABLE.format(field))
            return None

    def constant_or_expression(self, field: str) -> Literal | Expression | None:
        """`Field` with a string, or `FieldPath` with an expression."""
        self.at_most_one(field, f"{field}Path")
        text = self.text(field)
        return Literal(text) if text is not None else self.expression(f"{field}Path")

    def template(self, field: str, *, objects_only: bool = False) -> Template | None:
        """A payload template; None when absent."""
        value = self.take(field)
        if field not in self.source:
            return None
        if objects_only and not isinstance(value, dict):
            self.problem("Expected value of type Object", field)
            return None
        return Template.compile(
            value,
            lambda pointer, key: self.problem(_NOT_COMPUTABLE.format(key), field + pointer),
        )

    def assignments(self) -> Template | None:
        """`Assign`: a payload template whose top-level fields are names of variables."""
        template = self.template("Assign", objects_only=True)
        for name in template.node if template is not None else ():
            if not VARIABLE.fullmatch(name) or name == "states":
                self.problem("The name of a variable has 1 to 80 letters, digits and _", f"Assign/{name}")
        return template

    def one_of(self, field: str, allowed: Callable[[str], bool], message: str) -> str | None:
        """A string that passes a test."""
        value = self.text(field)
        if value is not None and not allowed(value):
            self.problem(message, field)
        return value


_NOT_COMPUTABLE = "The value for the field '{}' must be a valid JSONPath or a valid intrinsic function call"
