"""Follows the data of a workflow from state to state: every path that is read must be able to find something.

A path that finds nothing ends an execution with States.Runtime, which no Catch sees, perhaps hours after a
training began to cost money. What may be there is followed, not what must be: guards are not understood.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aws.calls import Call
from aws.known import CONTEXT, Known, anything, of_expression, of_shape, of_template, paths_in

ERROR = Known(members={"Error": Known(kinds={"string"}), "Cause": Known(kinds={"string"})})
COMPARISONS = ("String", "Numeric", "Boolean", "Timestamp")


def check_data(workflow: dict[str, Any]) -> Iterator[str]:
    """Paths that can find nothing, and comparisons that can never hold."""
    yield from _check(workflow, Known(), CONTEXT)


def _check(workflow: dict[str, Any], start: Known, context: Known) -> Iterator[str]:
    entries = {name: Known() for name in workflow["States"]}
    entries[workflow["StartAt"]].add(start)
    waiting, seen = [workflow["StartAt"]], set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for target, data in _ways(workflow["States"][name], entries[name], context):
            if entries[target].add(data) or target not in seen:
                waiting.append(target)
    for name, state in workflow["States"].items():
        here, inner = entries[name], _inner_context(state, entries[name], context)
        yield from (f"{name}: {problem}" for problem in _problems(state, here, inner))
        for processor, data in _processors(state, here, inner):
            yield from _check(processor, data, inner)


def _ways(state: dict[str, Any], here: Known, context: Known) -> Iterator[tuple[str, Known]]:
    """Where a state leads, and the data that goes there."""
    after = _after(state, here, context)
    if "Next" in state:
        yield state["Next"], after
    for rule in state.get("Choices", []):
        yield rule["Next"], here
    if "Default" in state:
        yield state["Default"], here
    for catcher in state.get("Catch", []):
        yield catcher["Next"], _written(catcher, here, ERROR)


def _after(state: dict[str, Any], here: Known, context: Known) -> Known:
    if state["Type"] not in ("Task", "Pass", "Map", "Parallel") or "QueryLanguage" in state:
        return here  # a JSONata state is read by its own engine; here it must hand on its input
    given = _given(state, here, context)
    if state["Type"] == "Pass":
        result = of_template(state["Result"], here, context) if "Result" in state else given
    else:
        result = _answer(state)
        if "ResultSelector" in state:
            result = of_template(state["ResultSelector"], result, context)
    return _written(state, here, result)


def _given(state: dict[str, Any], here: Known, context: Known) -> Known:
    """What a state works on: its input, selected and put into shape."""
    chosen = of_expression(state.get("InputPath") or "$", here, context)
    inner = _inner_context(state, here, context)
    form = state.get("Parameters", state.get("ItemSelector"))
    return chosen if form is None else of_template(form, chosen, inner)


def _answer(state: dict[str, Any]) -> Known:
    call = Call.of(state)
    if call is None or call.kind != "aws-sdk":
        return anything()
    shape = call.operation.output_shape if call.operation else None
    return of_shape(shape)


def _written(where: dict[str, Any], here: Known, result: Known) -> Known:
    """The data once `result` is put where ResultPath says; a JSONata catcher puts it under Failure."""
    place = "$.Failure" if "Output" in where else where.get("ResultPath", "$")
    if place == "$":
        return result
    after = Known()
    after.add(here)
    if place is not None:
        after.put(place.removeprefix("$.").split("."), result)
    return after


def _inner_context(state: dict[str, Any], here: Known, context: Known) -> Known:
    """The context object; in a Map it also tells of the item."""
    if state["Type"] != "Map":
        return context
    inner = Known()
    inner.add(context)
    items = of_expression(state.get("ItemsPath", "$"), here, context)
    inner.put(["Map", "Item", "Value"], items.at("[0]") or anything())
    return inner


def _processors(state: dict[str, Any], here: Known, context: Known) -> Iterator[tuple[dict[str, Any], Known]]:
    if "ItemProcessor" in state:
        item = context.at(".Map.Item.Value") or anything()
        yield state["ItemProcessor"], _given(state, here, context) if "ItemSelector" in state else item
    for branch in state.get("Branches", []):
        yield branch, _given(state, here, context)


def _problems(state: dict[str, Any], here: Known, context: Known) -> Iterator[str]:
    for key in ("InputPath", "ItemsPath", "SecondsPath", "TimeoutSecondsPath", "ErrorPath", "CausePath"):
        if state.get(key):
            yield from _unfound(state[key], here, context)
    for key in ("Parameters", "ItemSelector"):
        yield from _unfound_in(state.get(key), here, context)
    if "ResultSelector" in state:
        yield from _unfound_in(state["ResultSelector"], _answer(state), context)
    for rule in state.get("Choices", []):
        yield from _rule_problems(rule, here, context)


def _rule_problems(rule: dict[str, Any], here: Known, context: Known) -> Iterator[str]:
    for key in ("And", "Or"):
        for inner in rule.get(key, []):
            yield from _rule_problems(inner, here, context)
    if "Not" in rule:
        yield from _rule_problems(rule["Not"], here, context)
    if "Variable" not in rule:
        return
    yield from _unfound(rule["Variable"], here, context)
    variable = of_expression(rule["Variable"], here, context)
    enums = [shape.enum for shape in variable.shapes if getattr(shape, "enum", None)]
    for key, value in rule.items():
        kind = next((kind for kind in COMPARISONS if key.startswith(kind)), None)
        if kind is None:
            continue
        if key.endswith("Path"):
            yield from _unfound(value, here, context)
        if key == "StringEquals" and enums and not any(value in enum for enum in enums):
            yield f"{rule['Variable']} is never {value!r}"
        wanted = {"Numeric": "number", "Boolean": "boolean"}.get(kind, "string")
        kinds = variable.all_kinds()
        if kinds and not variable.anything and wanted not in kinds:
            yield f"{rule['Variable']} is {' or '.join(sorted(kinds))}; {key} never holds"


def _unfound_in(template: Any, here: Known, context: Known) -> Iterator[str]:
    if isinstance(template, dict):
        for key, value in template.items():
            yield from (_unfound if key.endswith(".$") else _unfound_in)(value, here, context)
    elif isinstance(template, list):
        for value in template:
            yield from _unfound_in(value, here, context)


def _unfound(expression: str, here: Known, context: Known) -> Iterator[str]:
    for path in paths_in(expression):
        root, rest = (context, path[2:]) if path.startswith("$$") else (here, path[1:])
        if root.at(rest) is None:
            yield f"{path} can never be there"
