"""Definitions with mistakes are refused with a modelled error, or answered: never a fault, never a hang."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.operations.malformed import malformed
from tests.operations.world import World

from customlabels.errors import ServiceError

ROLE = "arn:aws:iam::111122223333:role/runs"
DEFINITIONS = 5_000
PARTS = 5
HERE = 2  # parts; the others are for `make torture`


def told(world: World, operation: str, **params: Any) -> str | None:
    """The code with which a request is refused; the world holds it to the operation's model."""
    try:
        world.states(operation, **params)
    except ServiceError as refused:
        return refused.code
    return None


def states_of(text: str) -> list[Any]:
    try:
        states = json.loads(text)["States"]
    except (ValueError, KeyError, TypeError):
        return []
    return list(states.values()) if isinstance(states, dict) else []


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=[] if part < HERE else pytest.mark.torture) for part in range(PARTS)]
)
def test_malformed_definitions_are_refused_in_words_of_the_model(world: World, part: int) -> None:
    refused = 0
    for number, text in enumerate(malformed(DEFINITIONS // PARTS, f"definitions {part}")):
        made = told(world, "CreateStateMachine", name=f"m{number}", definition=text, roleArn=ROLE)
        assert told(world, "ValidateStateMachineDefinition", definition=text) is None
        refused += made is not None
        states = states_of(text)
        if not states:
            continue
        state = json.dumps(states[number % len(states)])
        mock = {"result": '[{"a": 1}]', "fieldValidationMode": "NONE"}
        told(world, "TestState", definition=state, input='{"a": {"b": 1}}', inspectionLevel="TRACE")
        told(world, "TestState", definition=state, input='{"a": [1]}', mock=mock, inspectionLevel="DEBUG")

    assert refused > DEFINITIONS // PARTS // 2
