"""Data flows that tell what passes through them, for a state that is run alone.

The interpreter knows no more of a data flow than its three methods, so one can stand around another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from customlabels.asl.documents import ABSENT, Document, Json
from customlabels.asl.expressions import Scope
from customlabels.asl.happenings import ExecutionStarted
from customlabels.asl.machines import DataFlow, Flow


@dataclass(frozen=True)
class Surroundings:
    """What a state that is run alone finds.

    context: the whole context object, ABSENT to have one made    has_role: whether that one names a role
    retries: how often the retrier that matches has matched before    items: what an ItemReader would read
    """

    started: ExecutionStarted
    has_role: bool = True
    variables: Mapping[str, Json] = field(default_factory=dict)
    context: Json = ABSENT
    retries: int = 0
    items: Sequence[Json] = ()

    def seen(self, scope: Scope) -> Scope:
        """The scope with the context object of this state, which is that of no execution."""
        make = scope.context

        def context() -> Json:
            if self.context is not ABSENT:
                return self.context
            made = make()
            execution = {name: value for name, value in made["Execution"].items() if name != "RedriveCount"}
            if not self.has_role:
                execution["RoleArn"] = None
            return {**made, "Execution": execution}

        return replace(scope, context=context)


@dataclass(frozen=True)
class Watched:
    """A data flow within others' surroundings; only of the state's own the steps are noted, as JSON texts.

    catcher: the index of the catcher whose flow it is
    """

    flow: Flow
    surroundings: Surroundings
    notes: dict[str, Json]
    own: bool = False
    catcher: int | None = None

    def enter(self, scope: Scope) -> Scope:
        """The scope over the effective input."""
        entered = self.flow.enter(self.surroundings.seen(scope))
        self._note("afterInputPath" if isinstance(self.flow, DataFlow) else "", entered.input)
        return entered

    def arguments(self, scope: Scope) -> Document:
        """What goes to the state's work."""
        document = self.flow.arguments(scope)
        self._note("afterParameters" if isinstance(self.flow, DataFlow) else "afterArguments", document)
        return document

    def outcome(self, raw: Document, result: Document, scope: Scope) -> tuple[Document, dict[str, Json]]:
        """Output and assigned variables."""
        scope = self.surroundings.seen(scope)
        if self.catcher is not None:
            self.notes["catchIndex"] = self.catcher
        self._note("result", result)
        if not isinstance(self.flow, DataFlow):
            return self.flow.outcome(raw, result, scope)
        return self.flow.outcome(raw, result, scope, self._note)

    def _note(self, name: str, document: Document) -> None:
        if self.own and name:
            self.notes[name] = document.text
