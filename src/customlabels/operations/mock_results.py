"""Mocked results of a task, held to the model of the API that the task calls.

Layer: operations. Knows botocore's shapes; the words are the service's own, as recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.model import OperationModel, Shape

from customlabels.errors import ServiceError
from customlabels.operations.remote import client_name
from customlabels.wire import ModelNotFound, Services

RESOURCE = re.compile(
    r"arn:[a-z0-9-]+:states:::(?P<sdk>aws-sdk:)?(?P<service>[a-z0-9-]+):(?P<action>[A-Za-z0-9]+)(?P<pattern>.*)"
)
# botocore's names of the services that optimised integrations call by another name.
OPTIMISED = {"states": "stepfunctions", "elasticmapreduce": "emr", "bedrock": "bedrock-runtime"}
# Members that an optimised integration gives as the JSON value that they hold.
JSON_VALUES = {("lambda", "Invoke"): ("Payload",)}

NUMBER = (int | float, "a number")
STRING = (str, "a string")
OBJECT = (dict, "an object")
TYPES: Mapping[str, tuple[Any, str]] = {
    "structure": OBJECT,
    "map": OBJECT,
    "list": (list, "an array"),
    "string": STRING,
    "blob": STRING,
    "timestamp": STRING,
    "boolean": (bool, "a boolean"),
    "integer": NUMBER,
    "long": NUMBER,
    "float": NUMBER,
    "double": NUMBER,
}


def problem_of_result(services: Services, resource: str, result: Any, *, strict: bool) -> str | None:
    """What is wrong with the mocked `result` of a task; None where nothing is, or where no model tells.

    strict: members that the API always gives have to be there.
    """
    match = RESOURCE.fullmatch(resource)
    operation = _operation(services, match) if match else None
    if operation is None or operation.output_shape is None:
        return None
    optimised = match is not None and not match["sdk"]
    free = JSON_VALUES.get((operation.service_model.service_name, operation.name), ()) if optimised else ()
    return next(_problems(operation.output_shape, result, "result", strict, free), None)


def _operation(services: Services, match: re.Match[str]) -> OperationModel | None:
    """The call whose answer the task's result is; the result of a callback is nobody's answer."""
    if match["sdk"]:
        name = client_name(match["service"])
    else:
        name = OPTIMISED.get(match["service"], match["service"])
    action = match["action"]
    if match["pattern"]:
        if (match["service"], action, match["pattern"]) != ("states", "startExecution", ".sync"):
            return None
        action = "describeExecution"
    try:
        return services.shape_only(name or "").operation(action[:1].upper() + action[1:])
    except (ModelNotFound, ServiceError):
        return None


def _problems(shape: Shape, value: Any, name: str, strict: bool, free: tuple[str, ...] = ()) -> Iterator[str]:
    kind, called = TYPES.get(shape.type_name, (object, ""))
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        yield f"Field '{name}' must be {called}"
        return
    yield from _bounds(shape, value, name)
    if shape.type_name == "structure":
        members = {member[:1].upper() + member[1:]: inner for member, inner in shape.members.items()}
        required = {member[:1].upper() + member[1:] for member in shape.required_members} if strict else set()
        yield from (
            f"Required field '{member}' is missing" for member in members if member in required - set(value)
        )
        for member, inner in value.items():
            if member in members and member not in free:
                yield from _problems(members[member], inner, member, strict)
    elif shape.type_name == "list":
        for inner in value:
            yield from _problems(shape.member, inner, name, strict)
    elif shape.type_name == "map":
        for key, inner in value.items():
            yield from _problems(shape.value, inner, key, strict)


def _bounds(shape: Shape, value: Any, name: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if isinstance(value, int | float) and not isinstance(value, bool):
        size, below, above = value, "is less than the minimum value", "exceeds the maximum value"
    elif isinstance(value, str | list):
        size, below, above = len(value), "is smaller than the minimum length", "exceeds the maximum length"
    else:
        return
    if least is not None and size < least:
        yield f"Field '{name}' {below}"
    if most is not None and size > most:
        yield f"Field '{name}' {above}"
    if shape.metadata.get("enum") and value not in shape.metadata["enum"]:
        yield f"Field '{name}' is not one of the allowed values"
