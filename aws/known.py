"""What is known of the data in an execution: which members a path can find, and of what kind.

A Known is what may stand at one place: an object that a state built, the shape of a service's answer, a plain
value, or anything at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.model import Shape

PLAIN = {"string": "string", "integer": "number", "long": "number", "float": "number", "double": "number"}
PLAIN |= {"boolean": "boolean", "timestamp": "string", "blob": "string"}
SCALARS = ((bool, "boolean"), (int, "number"), (float, "number"), (str, "string"), (type(None), "null"))
LITERAL = re.compile(r"'(?:\\.|[^'\\])*'")
PATH = re.compile(r"\$\$?(?:\.\w+|\[\d+\])*")
STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


@dataclass
class Known:
    """members: of an object   items: of a list   kinds: of plain values   shapes: of answers"""

    members: dict[str, Known] = field(default_factory=dict)
    items: Known | None = None
    kinds: set[str] = field(default_factory=set)
    shapes: list[Shape] = field(default_factory=list)
    anything: bool = False

    def add(self, other: Known) -> bool:
        """Note that what is known of `other` may stand here too; whether that is news."""
        if other is self:
            return False
        news = other.anything > self.anything or not other.kinds <= self.kinds
        for name, known in other.members.items():
            news |= name not in self.members
            news |= self.members.setdefault(name, Known()).add(known)
        if other.items is not None:
            news |= self.items is None
            self.items = self.items or Known()
            news |= self.items.add(other.items)
        fresh = [shape for shape in other.shapes if shape not in self.shapes]
        self.kinds |= other.kinds
        self.shapes += fresh
        self.anything = self.anything or other.anything
        return news or bool(fresh)

    def put(self, path: list[str], value: Known) -> None:
        """Note that `value` may stand at a path under this place."""
        place = self
        for name in path:
            place = place.members.setdefault(name, Known())
        place.add(value)

    def at(self, path: str) -> Known | None:
        """What may stand at a path; None where nothing can."""
        places: list[Known] = [self]
        for name, index in STEP.findall(path):
            places = [inner for place in places for inner in place.inner(name, index)]
        if not places:
            return None
        found = Known()
        for place in places:
            found.add(place)
        return found

    def inner(self, name: str, index: str) -> Iterator[Known]:
        """What may stand one step further: a member, or an element where `index` is given."""
        if self.anything:
            yield Known(anything=True)
        if index:
            if self.items is not None:
                yield self.items
            yield from (of_shape(shape.member) for shape in self.shapes if shape.type_name == "list")
            return
        if name in self.members:
            yield self.members[name]
        for shape in self.shapes:
            if shape.type_name == "structure" and name in shape.members:
                yield of_shape(shape.members[name])
            elif shape.type_name == "map":
                yield of_shape(shape.value)

    def all_kinds(self) -> set[str]:
        """Every kind of value that may stand here: object, list, string, number, boolean, null."""
        kinds = set(self.kinds)
        kinds |= {"object"} if self.members else set()
        kinds |= {"list"} if self.items is not None else set()
        return kinds | {
            {"structure": "object", "map": "object", "list": "list"}.get(shape.type_name, "")
            or PLAIN[shape.type_name]
            for shape in self.shapes
        }


def anything() -> Known:
    """Nothing is known; every path finds something."""
    return Known(anything=True)


def of_shape(shape: Shape | None) -> Known:
    """A member of a service's answer. A blob may hold JSON, which Step Functions reads."""
    if shape is None:
        return Known(kinds={"object"})
    return anything() if shape.type_name == "blob" else Known(shapes=[shape])


def paths_in(expression: str) -> list[str]:
    """The paths in a path or an intrinsic function, not those in its quoted texts."""
    return PATH.findall(LITERAL.sub("", expression))


CONTEXT = Known()
for text in ("Execution.Id", "Execution.Name", "Execution.RoleArn", "Execution.StartTime"):
    CONTEXT.put(text.split("."), Known(kinds={"string"}))
for text in ("State.EnteredTime", "State.Name", "StateMachine.Id", "StateMachine.Name", "Task.Token"):
    CONTEXT.put(text.split("."), Known(kinds={"string"}))
for text in ("Execution.RedriveCount", "State.RetryCount", "Map.Item.Index"):
    CONTEXT.put(text.split("."), Known(kinds={"number"}))
CONTEXT.put(["Execution", "Input"], anything())


def of_template(template: Any, here: Known, context: Known) -> Known:
    """What a payload template builds from the data `here`."""
    if isinstance(template, dict):
        built = Known(kinds={"object"})
        for key, value in template.items():
            dynamic = key.endswith(".$")
            inner = of_expression(value, here, context) if dynamic else of_template(value, here, context)
            built.members[key.removesuffix(".$")] = inner
        return built
    if isinstance(template, list):
        built = Known(items=Known())
        for value in template:
            built.items.add(of_template(value, here, context))  # type: ignore[union-attr]
        return built
    return Known(kinds={next(kind for of, kind in SCALARS if isinstance(template, of))})


def of_expression(expression: str, here: Known, context: Known) -> Known:
    """What a path or an intrinsic function gives; a path that finds nothing is told of elsewhere."""
    expression = " ".join(expression.split())
    if PATH.fullmatch(expression):
        root, path = (context, expression[2:]) if expression.startswith("$$") else (here, expression[1:])
        return root.at(path) or anything()
    function = expression.partition("(")[0]
    if function in ("States.Format", "States.JsonToString", "States.UUID", "States.Hash"):
        return Known(kinds={"string"})
    if function in ("States.MathAdd", "States.ArrayLength", "States.MathRandom"):
        return Known(kinds={"number"})
    paths = paths_in(expression)
    if function == "States.JsonMerge":  # of an input over its defaults only what has a default may be read
        merged = Known()
        for path in paths:
            if path != "$$.Execution.Input":
                merged.add(of_expression(path, here, context))
        return merged
    if function in ("States.Array", "States.StringSplit"):
        return Known(items=Known(kinds={"string"}) if function == "States.StringSplit" else anything())
    return anything()
