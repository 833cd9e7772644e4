"""The definitions: read, parsed by our engine, calls held against the services' models, data followed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

from aws.application import Application, TemplateError
from aws.calls import Call, check_call
from aws.dataflow import check_data
from customlabels.asl import InvalidDefinition, parse, read_definition
from customlabels.errors import InvalidInput

TOKEN = re.compile(r"\$\{(\w+)\}")
SECRETS = re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|\b\d{12}\b|-----BEGIN|(?i:password|secret)\s*[:=]")
MAX_NAME = 80


def states_of(workflow: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All states of a workflow, those of its Maps and Parallels too."""
    for name, state in workflow["States"].items():
        yield name, state
        for inner in (state.get("ItemProcessor"), *state.get("Branches", [])):
            if inner:
                yield from states_of(inner)


def texts_of(value: Any) -> Iterator[str]:
    """Every string in a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of(inner)


def code_of(text: str) -> str:
    """A definition without the lines that are comments."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


Source = tuple[str, tuple[tuple[str, str], ...]]  # a definition's text and its substitutions


def definition_of(application: Application, machine: dict[str, Any]) -> dict[str, Any]:
    """A machine's definition with its substitutions made; never changed. Raises InvalidInput."""
    return _read(_source(application, machine))


def _source(application: Application, machine: dict[str, Any]) -> Source:
    path = machine.get("DefinitionUri", "")
    if path not in application.files:
        raise TemplateError(f"DefinitionUri: there is no file {path!r}")
    substitutions = {name: str(value) for name, value in machine.get("DefinitionSubstitutions", {}).items()}
    return application.files[path], tuple(sorted(substitutions.items()))


@cache
def _read(source: Source) -> dict[str, Any]:
    return read_definition(source[0], dict(source[1]))


def check_definitions(application: Application) -> Iterator[str]:
    """Problems of every definition that the template names, with every option used."""
    for name, machine in application.filled(options=True).machines():
        recorded = machine.get("DefinitionUri", "").endswith("workflow.yaml")
        problems = _problems(_source(application, machine), recorded=recorded)
        yield from (f"{name}: {problem}" for problem in problems)


@cache
def _problems(source: Source, *, recorded: bool) -> tuple[str, ...]:
    """recorded: the machine leaves a record however it ends"""
    try:
        definition = _read(source)
        parse(definition)
    except InvalidDefinition as error:
        return tuple(map(str, error.problems))
    except InvalidInput as error:
        return (str(error),)
    found = [*_check_text(source), *_check_states(definition)]
    if recorded:
        found += _check_endings(definition)
    if "TimeoutSeconds" not in definition:
        found.append("the machine has no TimeoutSeconds: it could run for a year")
    if definition.get("QueryLanguage") != "JSONata":
        found += [*_check_reading(definition), *check_data(definition)]
    return tuple(sorted(set(found)))


def _check_text(source: Source) -> Iterator[str]:
    text = code_of(source[0])
    for unused in sorted({name for name, _ in source[1]} - set(TOKEN.findall(text))):
        yield f"the substitution {unused} stands nowhere in the definition"
    for secret in SECRETS.finditer(text):
        yield f"an account or a secret stands in the definition: {secret[0]}"


def _check_states(definition: dict[str, Any]) -> Iterator[str]:
    states = list(states_of(definition))
    for name, count in Counter(name for name, _ in states).items():
        if count > 1:
            yield f"{name}: two states have this name"
    for name, state in states:
        if state["Type"] == "Task":
            yield from (f"{name}: {problem}" for problem in check_call(state))
        default = dict(states).get(state.get("Default", ""), {})
        if default.get("Type") == "Wait":
            yield f"{name}: waits on whatever it does not know (Default {state['Default']})"


def _check_endings(definition: dict[str, Any]) -> Iterator[str]:
    """The pipeline records how it ended, so nothing may end it behind its back."""
    for name, state in definition["States"].items():
        if state["Type"] not in ("Task", "Map", "Parallel"):
            continue
        if not state.get("Catch") or state["Catch"][-1]["ErrorEquals"] != ["States.ALL"]:
            yield f"{name}: an error that is not expected leaves the machine without its own ending"


def _check_reading(definition: dict[str, Any]) -> Iterator[str]:
    """Paths that other engines read otherwise, and first elements that nobody asked for."""
    states = dict(states_of(definition))
    for text in texts_of(definition):
        if re.search(r"\]\.\w|\$\.\[", text):
            yield f"{text}: engines differ in reading a member of an element; select the element first"
    asked = {
        rule["Next"]
        for state in states.values()
        for rule in state.get("Choices", [])
        if rule.get("IsPresent") is True and rule["Variable"].endswith("]")
    }
    for name, state in states.items():
        reads = any(re.search(r"^\$[.\w]*\[0\]$", text) for text in texts_of(state))
        if state["Type"] != "Choice" and reads and name not in asked:
            yield f"{name}: reads a first element that no Choice has asked for"


def actions_of(definition: dict[str, Any]) -> set[str]:
    """The actions that a role needs for the calls of a definition."""
    calls = (Call.of(state) for _, state in states_of(definition) if state["Type"] == "Task")
    return {call.action for call in calls if call}
