"""Reading the fields of one object of a definition, and the problems found on the way.

A reader hands out each field once, checked; what nobody asked for is a problem in the end, so that no
field is ever ignored. Problems are collected, not raised: a definition gets all of them in one pass.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TypeVar

from customlabels.asl.documents import Json, is_number
from customlabels.asl.expressions import Expression, Template, compile_expression, compile_template
from customlabels.asl.jsonata import Query, compile_queries, is_query
from customlabels.asl.paths import WHOLE, InvalidExpression, Path, compile_path
from customlabels.errors import InvalidInput

T = TypeVar("T")
D = TypeVar("D")
VARIABLE = re.compile(r"[^\W\d]\w{0,79}")

LABEL = "INVALID_LABEL"  # the code of a problem that the service tells in words of its own
NO_EXPRESSION = "The value for the field '{}' must be a valid JSONPath or a valid intrinsic function call"


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

    def __init__(self, problems: list[Problem], definition: str = "") -> None:
        text = f"Invalid State Machine Definition: '{', '.join(map(str, problems))}'"
        labels = [problem.message for problem in problems if problem.code == LABEL]
        if labels:  # these are the words of the recorded answers, which tell of nothing else then
            text = f"Error=ValueError Args={labels[:1]} in definition '{definition}'."
        super().__init__(text)
        self.problems = tuple(problems)
        self.code = problems[0].code


class Reader:
    """The fields of one object, at `place`, still to be asked for.

    One that is absent, or wrong, which is then a problem, reads as None if a method does not say otherwise.
    """

    def __init__(self, source: Json, place: str, problems: list[Problem], *, jsonata: bool = False) -> None:
        """jsonata: expressions here are of that language; every reader within this one has the same."""
        self.place, self.problems, self.jsonata = place, problems, jsonata
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
        """Every field that nobody asked for is a problem, told once."""
        for field in self.source:
            if field in self._unread:
                self.problem(f"Field '{field}' is not supported", field)
        self._unread.clear()

    def has(self, field: str) -> bool:
        """Whether the field stands there, be it null."""
        return field in self.source

    def take(self, field: str) -> Json:
        """The field as it is."""
        self._unread.discard(field)
        return self.source.get(field)

    def inner(self, field: str) -> "Reader":
        """A reader for the object in a field."""
        return Reader(self.take(field), f"{self.place}/{field}", self.problems, jsonata=self.jsonata)

    def each(self, field: str, *, required: bool = False) -> Iterator["Reader"]:
        """A reader for each object in an array; `required`: there is one at least."""
        if required:
            self.require(field)
        sources = self._typed(field, list, "Array", [])
        if required and self.has(field) and not sources:
            self.problem("Expected a non-empty array", field)
        for index, source in enumerate(sources):
            place = f"{self.place}/{field}[{index}]"
            reader = Reader(source, place, self.problems, jsonata=self.jsonata)
            yield reader
            reader.done()

    def require(self, *fields: str) -> None:
        """These fields must be there."""
        missing = [field for field in fields if field not in self.source]
        if missing:
            self.problem(f"These fields are required: [{', '.join(missing)}]")

    def at_most_one(self, *fields: str) -> None:
        """Of these fields, no more than one may be there."""
        present = [field for field in fields if field in self.source]
        if len(present) > 1:
            self.problem(f"Only one of these fields is allowed: [{', '.join(present)}]")

    def _typed(self, field: str, kind: type[T], shown: str, default: D) -> T | D:
        value = self.take(field)
        if field not in self.source:
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.problem(f"Expected value of type {shown}", field)
            return default
        return value

    def text(self, field: str, *, required: bool = False) -> str | None:
        """A string."""
        if required:
            self.require(field)
        return self._typed(field, str, "String", None)

    def boolean(self, field: str) -> bool:
        """A boolean; false when absent."""
        return self._typed(field, bool, "Boolean", False)

    def query(self, field: str) -> Query | None:
        """A JSONata expression; None, and no problem, for a value that holds none."""
        value = self.source.get(field)
        if not self.jsonata or not isinstance(value, str) or not is_query(value):
            return None
        self._unread.discard(field)
        try:
            return Query.compile(value, self._within(field))
        except InvalidExpression as error:
            self.problem(f"The JSONata expression is not valid: {error}", field)
            return Query("null", field)  # stands for one that was refused

    def _within(self, field: str) -> str:
        """The field's place in its state, which is how messages about an expression name it."""
        return re.sub(r".*/States/[^/]*/", "", f"{self.place}/{field}")

    def whole(self, field: str, least: int, most: int, default: D) -> int | D:
        """A whole number between two bounds, or the default."""
        value = self._typed(field, int, "Integer", None)
        if value is None:
            return default
        if not least <= value <= most:
            self.problem(f"Expected value between {least} and {most} (inclusive)", field)
        return value

    def amount(self, field: str, least: int, most: int) -> int | Path | Query | None:
        """A whole number, or what gives one when the state is entered: an expression, or a `FieldPath`."""
        given = self.given(field)
        if given is not None:
            return given
        number = self.whole(field, least, most, None)
        return number if number is not None or self.jsonata else self.path(f"{field}Path")

    def share(self, field: str) -> float | Path | Query | None:
        """A percentage, or what gives one when the state is entered."""
        given = self.given(field)
        if given is not None or (not self.has(field) and self.jsonata):
            return given
        if not self.has(field):
            return self.path(f"{field}Path")
        percentage = self.number(field, 0, 0)
        if percentage > 100:
            self.problem("Expected value between 0 and 100 (inclusive)", field)
        return percentage

    def given(self, field: str) -> Query | None:
        """The expression in a field that may have one, where no `FieldPath` stands beside it."""
        query = self.query(field)
        if query is not None:
            return query
        if not self.jsonata:
            self.at_most_one(field, f"{field}Path")
        return None

    def number(self, field: str, least: float, default: float) -> float:
        """A number with a lower bound, or the default."""
        value = self.take(field) if self.has(field) else default
        if is_number(value) and value >= least:
            return float(value)
        self.problem(f"Expected a number greater than or equal to {least}", field)
        return default

    def texts(self, field: str) -> tuple[str, ...]:
        """A non-empty array of strings, which must be there; empty otherwise."""
        self.require(field)
        values: list[Json] = self._typed(field, list, "Array", [])
        if self.has(field) and not (values and all(isinstance(value, str) for value in values)):
            self.problem("Expected a non-empty array of strings", field)
            return ()
        return tuple(values)

    def one_of(self, field: str, allowed: Collection[str], message: str | None = None) -> str | None:
        """One of the allowed strings; `message` says so in other words than the usual ones."""
        value = self.text(field)
        if value is None or value in allowed:
            return value
        self.problem(message or f"Expected one of [{', '.join(allowed)}]", field)
        return None

    def _compiled(self, field: str, compiler: Callable[[str], T]) -> T | None:
        value = self.take(field)
        return compiler(value if isinstance(value, str) else "") if self.has(field) else None

    def path(self, field: str) -> Path | None:
        """A path."""
        try:
            return self._compiled(field, compile_path)
        except InvalidExpression as error:
            self.problem(f"Value is not a Path: {error}", field)
            return None

    def nullable_path(self, field: str) -> Path | None:
        """A path, the whole input when absent; only a null gives None."""
        is_null = self.has(field) and self.take(field) is None
        return None if is_null else self.path(field) or WHOLE

    def reference(self, field: str) -> tuple[str | int, ...] | None:
        """Where a result is written: the steps of a definite path of the input; only a null gives None."""
        path = self.nullable_path(field)
        if path is None:
            return None
        if path.root != "$" or path.steps is None or path.function:
            self.problem("Value is not a Reference Path", field)
            return ()
        return path.steps

    def expression(self, field: str) -> Expression | None:
        """A path or an intrinsic call."""
        try:
            return self._compiled(field, lambda text: compile_expression(text, field))
        except InvalidExpression:
            self.problem(NO_EXPRESSION.format(field))
            return None

    def template(self, field: str, *, objects_only: bool = False) -> Template | None:
        """A template with expressions of the language that is spoken here."""
        value = self._typed(field, dict, "Object", None) if objects_only else self.take(field)
        if not self.has(field) or (objects_only and value is None):
            return None
        if not self.jsonata:
            return compile_template(
                value, lambda pointer, key: self.problem(NO_EXPRESSION.format(key), field + pointer)
            )
        at = self._within(field)

        def refuse(place: str, text: str) -> None:
            self.problem(f"The JSONata expression is not valid: {text}", field + place.removeprefix(at))

        return compile_queries(value, at, refuse)

    def assignments(self) -> Template | None:
        """`Assign`: a template whose top-level fields are names of variables."""
        names = self._typed("Assign", dict, "Object", None)
        if names is None:
            return None
        for key in names:
            name = key if self.jsonata else key.removesuffix(".$")
            if not VARIABLE.fullmatch(name) or name == "states":
                self.problem("The name of a variable has 1 to 80 letters, digits and _", f"Assign/{name}")
        return self.template("Assign")
