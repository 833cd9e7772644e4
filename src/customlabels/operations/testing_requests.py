"""What a TestState request says: the state it means, its mock and its surroundings, each checked.

Layer: operations. Pure; the words of refusals are the service's own where they were recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from customlabels.asl import TESTED_STATE, InvalidDefinition, Machine, State, parse, parse_state, read_json
from customlabels.errors import InvalidInput, ServiceError
from customlabels.operations.refusals import invalid_request

MOCKED = ("Task", "Map", "Parallel")
PATTERNS = (".sync", ".sync:2", ".waitForTaskToken")
UNMOCKED_ONLY = (
    "TestState API does not support Map or Parallel states. "
    "Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]"
)
# Members of a context object that a caller may give, with the type that each has, None for any.
CONTEXT: Mapping[str, Mapping[str, tuple[type, str] | None]] = {
    "Execution": {
        "Id": (str, "a string"),
        "Input": None,
        "Name": (str, "a string"),
        "RoleArn": (str, "a string"),
        "StartTime": (str, "a string"),
        "RedriveCount": (int, "a number"),
        "RedriveTime": (str, "a string"),
    },
    "State": {"EnteredTime": (str, "a string"), "Name": (str, "a string"), "RetryCount": (int, "a number")},
    "StateMachine": {"Id": (str, "a string"), "Name": (str, "a string")},
    "Task": {"Token": (str, "a string")},
}


def check_mock(params: Mapping[str, Any]) -> None:
    """Refuse a mock that says too much or too little, and what goes only with one."""
    mock = params.get("mock")
    if mock is None:
        if "context" in params:
            raise invalid_request("A Context object can be specified only together with a mock.")
        return
    given = [name for name in ("result", "errorOutput") if name in mock]
    if len(given) > 1:
        raise invalid_request(
            "A test mock should have only one of the following fields: [result, errorOutput]."
        )
    if not given:
        raise invalid_request("A test mock should have one of the following fields: [result, errorOutput].")
    if params.get("revealSecrets"):
        raise invalid_request("TestState does not support RevealSecrets when a mock is specified.")
    if "errorOutput" in mock and "error" not in mock["errorOutput"]:
        raise invalid_request("A mocked errorOutput must have the field 'error'.")


def located_state(params: Mapping[str, Any]) -> tuple[Machine, State[Any]]:
    """The tested state, and the machine that it is in."""
    name = params.get("stateName")
    try:
        if name is None:
            machine = parse_state(params["definition"], TESTED_STATE)
            return machine, machine.workflows[""].states[TESTED_STATE]
        machine = parse(params["definition"])
    except InvalidDefinition as error:
        raise ServiceError("InvalidDefinition", str(error)) from error
    for workflow in machine.workflows.values():
        if name in workflow.states:
            return machine, workflow.states[name]
    raise invalid_request("State not found in definition")


def check_kind(state: State[Any], *, mocked: bool) -> None:
    """Refuse a state that cannot be tested with a mock, or not without one."""
    if mocked:
        if state.kind not in MOCKED:
            raise invalid_request(f"State type '{state.kind}' is not supported when a mock is specified")
        return
    if state.kind in ("Map", "Parallel"):
        raise ServiceError("InvalidDefinition", UNMOCKED_ONLY)
    if state.kind == "Task":
        resource = state.body.resource
        if resource.family == "Activity" or resource.name.endswith(PATTERNS):
            raise ServiceError(
                "InvalidDefinition",
                f"TestState API does not support the resource {resource.arn} unless a mock is specified",
            )


def reader_of(state: State[Any]) -> Any:
    """The ItemReader of a Map; None where it has none."""
    return state.body.distributed.reader if state.kind == "Map" and state.body.distributed else None


def variables_of(text: str | None) -> dict[str, Any]:
    """The variables that a request sets."""
    try:
        value = {} if text is None else read_json(text)
    except InvalidInput as error:
        raise invalid_request(f"Invalid variables provided: {error}") from None
    if not isinstance(value, dict):
        raise invalid_request(
            "Invalid variables provided: a JSON object is needed, with the variables by name"
        )
    return value


def context_of(text: str) -> dict[str, Any]:
    """The context object of a request, held to its known members."""
    try:
        context = read_json(text)
    except InvalidInput:
        raise invalid_request("Invalid Context object provided: it must be valid JSON") from None
    problem = _problem_of_context(context)
    if problem is not None:
        raise invalid_request(f"Invalid Context object provided: {problem}")
    return dict(context)


def _problem_of_context(context: Any) -> str | None:
    if not isinstance(context, dict):
        return "it must be a JSON object"
    if "Map" in context:
        return "'Map' field is not supported when mocking a Context object"
    for name, members in context.items():
        if name not in CONTEXT:
            return f"Field '{name}' is not allowed"
        if not isinstance(members, dict):
            return f"Field '{name}' must be an object"
        for member, value in members.items():
            if member not in CONTEXT[name]:
                return f"Field '{member}' is not allowed"
            expected = CONTEXT[name][member]
            if expected and (isinstance(value, bool) or not isinstance(value, expected[0])):
                return f"Field '{member}' must be {expected[1]}"
    return None
