"""One call of a service for a task: by a handler of this server, or at the endpoint that is set for it.

Layer: operations. Both ways give the same kinds of answer and refusal; how an execution names them is the
affair of who asks.
"""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import OperationModel

from customlabels.errors import InvalidInput, ServiceError
from customlabels.operations.dispatch import Dispatcher, table
from customlabels.operations.remote import Remote
from customlabels.operations.sdk_shapes import as_model, as_sdk
from customlabels.pipeline import LOCAL_TOPIC
from customlabels.wire import Caller, Invocation, Service, Services, validate
from customlabels.workflows import TaskFailure, TaskRequest

log = logging.getLogger(__name__)

OURS = ("rekognition", "s3", "stepfunctions", "customlabels")
LARGEST_BODY = 262_144  # bytes; what the state of an execution may hold
UNREACHED = "SdkClientException"  # the SDK's own error, where no answer came


@dataclass(frozen=True)
class Answered:
    """value: under the SDK's names; wire: the answer under the model's names."""

    value: dict[str, Any]
    wire: dict[str, Any]
    request_id: str


class Refused(Exception):
    """The service refused the call, or could not be reached (then without a status).

    code: as the service sent it    shape: the error's name in the service's model, None for one outside of it
    """

    def __init__(
        self, service: Service, code: str, message: str, status: int | None, request_id: str, host_id: str
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.service, self.code, self.message = service, code, message
        self.status, self.request_id, self.host_id = status, request_id, host_id
        self.shape = next(
            (shape.name for shape in service.model.error_shapes if code in (shape.name, shape.error_code)),
            None,
        )


class ServiceCalls:
    """Calls services. Called from several threads at once."""

    def __init__(self, dispatcher: Dispatcher, services: Services, remote: Remote) -> None:
        self._dispatcher = dispatcher
        self._services = services
        self._remote = remote

    def reaches(self, model: str) -> bool:
        """Whether an endpoint is set for the service."""
        return self._remote.has(self._services.shape_only(model).model)

    def call(self, model: str, name: str, parameters: Any, task: TaskRequest) -> Answered:
        """The answer of the operation `name` of the service that botocore calls `model`.

        Raises Refused, and TaskFailure where there is no such call or nobody to make it.
        """
        service = self._services.shape_only(model)
        if not isinstance(parameters, dict):
            raise TaskFailure("States.Runtime", f"the parameters of {task.resource_arn} are not an object")
        request_id = str(uuid.uuid4())
        try:
            operation = service.operation(name[:1].upper() + name[1:])
            shape = operation.input_shape
            params = {} if shape is None else as_model(shape, parameters)
            if model == "s3":
                _as_object(operation, parameters, params)
            if self._is_ours(service, operation, params):
                wire = self._ask_handler(service, operation, params, task, request_id)
            else:
                wire = self._ask_endpoint(service, operation, params, task)
                request_id = wire.pop("ResponseMetadata", {}).get("RequestId", request_id)
        except ServiceError as refusal:
            status = service.status(refusal.code)
            raise Refused(service, refusal.code, refusal.message, status, request_id, request_id) from refusal
        return Answered(as_sdk(operation.output_shape, wire), wire, request_id)

    def _is_ours(self, service: Service, operation: OperationModel, params: dict[str, Any]) -> bool:
        if service.name == "sns":
            return operation.name == "Publish" and params.get("TopicArn") == LOCAL_TOPIC
        if service.name not in OURS:
            return False
        if service.name != "s3" or not self._remote.has(service.model):
            return True
        # Of S3 a part is here and the rest elsewhere: by bucket, and by what our own half can do.
        folder = self._dispatcher.parts.objects.folder(str(params.get("Bucket", "")))
        return folder is not None and ("s3", operation.name) in table()

    def _ask_handler(
        self,
        service: Service,
        operation: OperationModel,
        params: dict[str, Any],
        task: TaskRequest,
        request_id: str,
    ) -> dict[str, Any]:
        caller = Caller(task.account, task.region, None)
        checked = validate(operation, params)
        if (service.name, operation.name) == ("s3", "GetObject"):
            place = {"Bucket": checked["Bucket"], "Key": checked["Key"]}
            head = self._dispatcher.call(Invocation("s3", "HeadObject", place, caller, request_id))
            _require_small(checked, head["ContentLength"])
        invocation = Invocation(
            service.name, operation.name, checked, caller, request_id, task.token, task.execution_arn
        )
        try:
            return self._dispatcher.call(invocation)
        except ServiceError:
            raise
        except Exception as error:
            log.exception("%s of an execution failed in the service (%s)", task.resource_arn, request_id)
            text = f"The request failed inside the service: {error}"
            raise ServiceError(service.fault_code, text) from error

    def _ask_endpoint(
        self, service: Service, operation: OperationModel, params: dict[str, Any], task: TaskRequest
    ) -> dict[str, Any]:
        metadata = service.model.metadata
        try:
            self._remote.require(service.model)
        except InvalidInput as error:
            raise TaskFailure("States.Runtime", f"{task.resource_arn}: {error}") from error
        if "awsQueryCompatible" in metadata:
            _require_members(operation, params)
        elif metadata["protocol"] == "json":
            params = validate(operation, params)
        try:
            answer: dict[str, Any] = self._remote.call(service.model, operation.name, params, task.region)
        except ClientError as error:
            told, about = error.response["Error"], error.response["ResponseMetadata"]
            request_id = about.get("RequestId", "")  # S3 always gives a second one, an emulator may not
            raise Refused(
                service,
                told["Code"],
                told.get("Message", ""),
                about["HTTPStatusCode"],
                request_id,
                about.get("HostId", "") or (request_id if service.name == "s3" else ""),
            ) from error
        except (BotoCoreError, KeyError, TypeError, ValueError) as error:  # the latter: unusable parameters
            text = f"Unable to execute HTTP request: {error}"
            raise Refused(service, UNREACHED, text, None, "", "") from error
        if "Body" in answer and hasattr(answer["Body"], "read"):
            _require_small(params, int(answer.get("ContentLength", 0)))
        return answer


def _as_object(operation: OperationModel, parameters: dict[str, Any], params: dict[str, Any]) -> None:
    """Whatever the body of an object is, it is written as JSON, a text with its quotes (as recorded)."""
    if operation.name == "PutObject" and "Body" in params:
        params["Body"] = json.dumps(parameters["Body"], separators=(",", ":"), ensure_ascii=False).encode()
        params.setdefault("ContentType", "text/plain; charset=UTF-8")


def _require_members(operation: OperationModel, params: dict[str, Any]) -> None:
    """What is missing is refused in the words of services that once spoke the query protocol."""
    required = operation.input_shape.required_members if operation.input_shape is not None else ()
    for member in required:
        if member not in params:
            raise ServiceError("MissingParameter", f"The request must contain the parameter {member}.")


def _require_small(params: dict[str, Any], size: int) -> None:
    if size > LARGEST_BODY:
        raise TaskFailure(
            "States.DataLimitExceeded",
            f"s3://{params.get('Bucket')}/{params.get('Key')} has {size} bytes; "
            f"a state holds at most {LARGEST_BODY}",
        )
