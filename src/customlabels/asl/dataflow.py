"""How data enters and leaves a state in the JSONPath query language.

InputPath -> Parameters -> (the state's work) -> ResultSelector -> ResultPath -> OutputPath; Assign sees
the result and the variables as they were. A second query language brings its own class with the methods
of DataFlow; the interpreter knows no more than those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from customlabels.asl.documents import Document, Json
from customlabels.asl.expressions import Scope, Template, read_field
from customlabels.asl.failures import Failure
from customlabels.asl.paths import Path, PathMissing, compile_path, write_path

__all__ = ["JSON_PATH", "DataFlow", "JsonPathFlow", "Outcome"]

WHOLE = compile_path("$")
EMPTY = Document(text="{}", value={})


@dataclass(frozen=True)
class Outcome:
    """What a state leaves with: its output and the variables that it assigns."""

    output: Document
    assigned: dict[str, Json]


class DataFlow(Protocol):
    """What the interpreter asks of a query language; every method may raise Failure."""

    def enter(self, scope: Scope) -> Scope:
        """The scope over the effective input."""

    def arguments(self, scope: Scope) -> Document:
        """What goes to the state's work; the scope is that of `enter`."""

    def outcome(self, raw: Document, result: Document, scope: Scope) -> Outcome:
        """Output and assignments; raw is the state's whole input, result what its work gave."""


@dataclass(frozen=True)
class JsonPathFlow:
    """The fields of a state that move data. None stands for the JSON null where a field may be null."""

    input_path: Path | None = WHOLE
    parameters: Template | None = None
    result_selector: Template | None = None
    result_path: tuple[str | int, ...] | None = ()
    output_path: Path | None = WHOLE
    assign: Template | None = None

    def enter(self, scope: Scope) -> Scope:
        """InputPath."""
        return scope.over(_select(self.input_path, scope))

    def arguments(self, scope: Scope) -> Document:
        """Parameters; without them the effective input, untouched."""
        return scope.input if self.parameters is None else Document(value=self.parameters.evaluate(scope))

    def outcome(self, raw: Document, result: Document, scope: Scope) -> Outcome:
        """ResultSelector, Assign, ResultPath and OutputPath."""
        if self.result_selector is not None:
            result = Document(value=self.result_selector.evaluate(scope.over(result)))
        assigned = self.assign.evaluate(scope.over(result)) if self.assign is not None else {}
        if self.result_path is None:
            result = raw
        elif self.result_path:
            try:
                result = Document(value=write_path(raw.value, self.result_path, result.value))
            except PathMissing:
                raise Failure(
                    "States.ResultPathMatchFailure",
                    f'Unable to apply step "{self.result_path[-1]}" to input {raw.text}',
                    located=True,
                ) from None
        return Outcome(_select(self.output_path, scope.over(result)), assigned)


JSON_PATH = JsonPathFlow()  # a state that says nothing about its data


def _select(path: Path | None, scope: Scope) -> Document:
    if path is None:
        return EMPTY
    return scope.input if path.is_whole_input else Document(value=read_field(path, scope))
