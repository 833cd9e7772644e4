"""Tasks of an execution, run by the handlers of this server and by registered functions.

A Task state names the same resources as on AWS. `aws-sdk` calls go to our own handlers, under the SDK's
names: parameters and results have capital first letters, times are texts, errors `Service.ErrorException`.
The task's token is the request's token: a task that is run again after a crash gets the first run's answer.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.model import OperationModel, Shape

from customlabels.errors import ServiceError
from customlabels.operations.dispatch import Dispatcher
from customlabels.wire import Caller, Invocation, Service, Services, validate
from customlabels.workflows import TaskFailure, TaskRequest, sdk_error_cause, sdk_error_name

__all__ = ["Function", "FunctionContext", "ServiceTasks"]

log = logging.getLogger(__name__)

SDK = re.compile(r"arn:[a-z0-9-]+:states:::aws-sdk:([a-z0-9]+):([A-Za-z0-9]+)")
INVOKE = re.compile(r"arn:[a-z0-9-]+:states:::lambda:invoke")
FUNCTION = re.compile(
    r"(?:arn:[a-z0-9-]+:lambda:[a-z0-9-]*:\d*:function:)?([A-Za-z0-9_-]+)(?::[A-Za-z0-9$_-]+)?"
)
MODELS = {"rekognition": "rekognition", "s3": "s3", "sfn": "stepfunctions", "customlabels": "customlabels"}
LARGEST_BODY = 262_144  # bytes; what the state of an execution may hold


@dataclass(frozen=True, slots=True)
class FunctionContext:
    """What a function is told besides its event, under the names that AWS Lambda uses."""

    function_name: str
    aws_request_id: str


Function = Callable[[Any, FunctionContext], Any]


class ServiceTasks:
    """Runs tasks; the `TaskRunner` of workflows. Called from several threads at once."""

    def __init__(self, dispatcher: Dispatcher, services: Services, functions: Mapping[str, Function]) -> None:
        """functions: by name, what `lambda:invoke` and function ARNs reach."""
        self._dispatcher = dispatcher
        self._services = services
        self._functions = functions

    def run(self, task: TaskRequest) -> Any:
        """The task's result, a JSON value; TaskFailure with an error that Retry and Catch can name."""
        if sdk := SDK.fullmatch(task.resource_arn):
            return self._call_service(sdk[1], sdk[2], task)
        if INVOKE.fullmatch(task.resource_arn):
            parameters = _members(task)
            payload = self._call_function(
                str(parameters.get("FunctionName", "")), parameters.get("Payload", {}), task
            )
            return {"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200}
        if ":lambda:" in task.resource_arn:
            return self._call_function(task.resource_arn, task.parameters, task)
        raise TaskFailure("States.Runtime", f"the resource {task.resource_arn} is not offered by this server")

    # ------------------------------------------------------------ calls of the AWS SDK

    def _call_service(self, sdk_name: str, name: str, task: TaskRequest) -> Any:
        if sdk_name not in MODELS:
            offered = ", ".join(sorted(MODELS))
            raise TaskFailure(
                "States.Runtime", f"aws-sdk:{sdk_name} is not offered by this server; it has {offered}"
            )
        service = self._services.shape_only(MODELS[sdk_name])
        request_id = str(uuid.uuid4())
        try:
            operation = service.operation(name[:1].upper() + name[1:])
            params = validate(operation, self._parameters(operation, task))
            caller = Caller(task.account, task.region, None)
            if (service.name, operation.name) == ("s3", "GetObject"):
                self._require_small(params, caller, request_id)
            invocation = Invocation(service.name, operation.name, params, caller, request_id, task.token)
            return _as_sdk(operation.output_shape, self._dispatcher.call(invocation))
        except ServiceError as refusal:
            raise _failure(service, refusal.code, refusal.message, request_id) from refusal
        except TaskFailure:
            raise
        except Exception as error:
            log.exception(
                "%s of an execution failed inside the service (request %s)", task.resource_arn, request_id
            )
            raise _failure(
                service, service.fault_code, f"The request failed inside the service: {error}", request_id
            ) from error

    def _parameters(self, operation: OperationModel, task: TaskRequest) -> dict[str, Any]:
        """The parameters under the model's names, each of them known to the model."""
        shape = operation.input_shape
        parameters = _members(task) if shape is None else _as_model(shape, _members(task), "")
        if operation.service_model.service_name == "s3" and "Body" in parameters:
            # Whatever the value is, the service writes it as JSON: a text with its quotes (recorded).
            body = json.dumps(parameters["Body"], separators=(",", ":"), ensure_ascii=False)
            parameters["Body"] = body.encode()
        result: dict[str, Any] = parameters
        return result

    def _require_small(self, params: dict[str, Any], caller: Caller, request_id: str) -> None:
        place = {"Bucket": params["Bucket"], "Key": params["Key"]}
        head = self._dispatcher.call(Invocation("s3", "HeadObject", place, caller, request_id))
        if head["ContentLength"] > LARGEST_BODY:
            raise TaskFailure(
                "States.DataLimitExceeded",
                f"s3://{params['Bucket']}/{params['Key']} has {head['ContentLength']} bytes; "
                f"a state holds at most {LARGEST_BODY}",
            )

    # ------------------------------------------------------------ functions

    def _call_function(self, named: str, event: Any, task: TaskRequest) -> Any:
        found = FUNCTION.fullmatch(named)
        name = found[1] if found else named
        function = self._functions.get(name)
        if function is None:
            offered = ", ".join(sorted(self._functions)) or "none"
            raise TaskFailure(
                "Lambda.ResourceNotFoundException", f"Function not found: {named}; this server has {offered}"
            )
        try:
            result = function(event, FunctionContext(name, task.token))
            return json.loads(json.dumps(result, allow_nan=False))
        except Exception as error:
            # As AWS Lambda tells it: the error is the exception's class, the cause a JSON text.
            told = {
                "errorMessage": str(error),
                "errorType": type(error).__name__,
                "stackTrace": traceback.format_tb(error.__traceback__),
            }
            raise TaskFailure(type(error).__name__, json.dumps(told)) from error


def _members(task: TaskRequest) -> dict[str, Any]:
    if not isinstance(task.parameters, dict):
        raise TaskFailure("States.Runtime", f"the parameters of {task.resource_arn} are not an object")
    return task.parameters


def _failure(service: Service, code: str, message: str, request_id: str) -> TaskFailure:
    modelled = code in service.statuses
    name = sdk_error_name(service.name, code if modelled else None)
    return TaskFailure(name, sdk_error_cause(service.name, message, service.status(code), request_id))


def _as_model(shape: Shape, value: Any, path: str) -> Any:
    """Parameters with the SDK's names as ones with the model's; TaskFailure for a name that is unknown."""
    if shape.type_name == "structure" and isinstance(value, dict):
        named = {member[:1].upper() + member[1:]: member for member in shape.members}
        unknown = [f"{path}{name}" for name in value if name not in named]
        if unknown:
            raise TaskFailure(
                "States.Runtime",
                f"unknown parameters {', '.join(unknown)}; there are {', '.join(sorted(named))}",
            )
        members = {named[name]: (name, inner) for name, inner in value.items()}
        return {
            member: _as_model(shape.members[member], inner, f"{path}{name}.")
            for member, (name, inner) in members.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [_as_model(shape.member, inner, f"{path}{at}.") for at, inner in enumerate(value)]
    return value


def _as_sdk(shape: Shape | None, value: Any) -> Any:
    """A handler's answer as the SDK gives it to a state: a JSON value with capital first letters."""
    if shape is None:
        return {}
    if shape.type_name == "structure":
        present = {name: inner for name, inner in value.items() if inner is not None}
        return {
            name[:1].upper() + name[1:]: _as_sdk(shape.members[name], inner)
            for name, inner in present.items()
        }
    if shape.type_name == "list":
        return [_as_sdk(shape.member, inner) for inner in value]
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if shape.type_name == "blob":
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return value
