"""Tasks of an execution, run by the handlers of this server, by registered functions and by other services.

A Task state names the same resources as on AWS: calls of the SDK (`aws-sdk:sqs:sendMessage`), optimised
integrations (`sqs:sendMessage`), functions. A call that ends in `.waitForTaskToken` or `.sync` is answered at
once; its task goes on until it is answered from outside. The task's token is the request's token: a task that
is run again after a crash gets the first run's answer.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from customlabels.operations.dispatch import Dispatcher
from customlabels.operations.functions import Function, called, invoked, name_of
from customlabels.operations.integrations import INTEGRATIONS
from customlabels.operations.remote import Remote, client_name
from customlabels.operations.service_calls import UNREACHED, Refused, ServiceCalls
from customlabels.wire import Services
from customlabels.workflows import (
    OPTIMISED,
    Submitted,
    TaskFailure,
    TaskRequest,
    sdk_error_cause,
    sdk_error_name,
)

SERVICE = re.compile(
    r"arn:[a-z0-9-]+:states:::(?P<sdk>aws-sdk:)?(?P<service>[a-z0-9]+):(?P<action>[A-Za-z0-9]+)"
    r"(?P<pattern>\.sync|\.sync:2|\.waitForTaskToken)?"
)


class ServiceTasks:
    """Runs tasks; the `TaskRunner` of workflows. Called from several threads at once."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        services: Services,
        functions: Mapping[str, Function],
        remote: Remote | None = None,
    ) -> None:
        """functions: by name, what `lambda:invoke` and function ARNs reach    remote: services elsewhere"""
        self._calls = ServiceCalls(dispatcher, services, remote or Remote({}))
        self._functions = functions

    def run(self, task: TaskRequest) -> Any:
        """The task's result, a JSON value, or Submitted; TaskFailure with an error for Retry and Catch."""
        resource = SERVICE.fullmatch(task.resource_arn)
        if resource is None:
            if ":lambda:" in task.resource_arn:
                return self._call_function(task.resource_arn, task.parameters, task)[0]
            raise _not_offered(task)
        if resource["sdk"]:
            result = self._call_sdk(resource["service"], resource["action"], task)
        else:
            result = self._call_integration(resource["service"], resource["action"], task)
        if resource["pattern"] == ".waitForTaskToken":
            return Submitted(result)
        if resource["pattern"]:
            if (resource["sdk"], resource["service"]) != (None, "states"):
                raise _not_offered(task)
            return Submitted(result, awaits=result["ExecutionArn"])
        return result

    def _call_sdk(self, sdk_name: str, action: str, task: TaskRequest) -> Any:
        model = sdk_name if sdk_name == "customlabels" else client_name(sdk_name)
        if model is None:
            raise TaskFailure(
                "States.Runtime", f"aws-sdk:{sdk_name} is no service of the AWS SDK: {task.resource_arn}"
            )
        try:
            return self._calls.call(model, action, task.parameters, task).value
        except Refused as refused:
            spelled = str(refused.service.model.service_id)
            if refused.code == UNREACHED:
                name = sdk_error_name(spelled, None).partition(".")[0]
                raise TaskFailure(f"{name}.{UNREACHED}", refused.message) from refused
            cause = sdk_error_cause(
                spelled, refused.message, refused.status or 0, refused.request_id, refused.host_id
            )
            raise TaskFailure(sdk_error_name(spelled, refused.shape), cause) from refused

    def _call_integration(self, service: str, action: str, task: TaskRequest) -> Any:
        if not isinstance(task.parameters, dict):
            raise TaskFailure("States.Runtime", f"the parameters of {task.resource_arn} are not an object")
        if (service, action) == ("lambda", "invoke"):
            named, event = str(task.parameters.get("FunctionName", "")), task.parameters.get("Payload", {})
            payload, request_id = self._call_function(named, event, task)
            return invoked(payload, task.token, request_id)
        integration = INTEGRATIONS.get(service)
        if integration is None or action not in OPTIMISED[service]:
            raise _not_offered(task)
        parameters = integration.prepare(task.parameters, task)
        try:
            answer = self._calls.call(integration.model, action, parameters, task)
        except Refused as refused:
            raise integration.failure(refused) from refused
        return integration.result(answer)

    def _call_function(self, named: str, event: Any, task: TaskRequest) -> tuple[Any, str]:
        """What a function of this server answers, else one at Lambda's endpoint; and the request's id."""
        if name_of(named) in self._functions or not self._calls.reaches("lambda"):
            return called(self._functions, named, event, task.token, task.account), str(uuid.uuid4())
        parameters = {"FunctionName": named, "Payload": json.dumps(event)}
        try:
            answer = self._calls.call("lambda", "invoke", parameters, task)
        except Refused as refused:
            raise INTEGRATIONS["lambda"].failure(refused) from refused
        text = answer.value.get("Payload") or "null"
        payload = json.loads(text)
        if answer.value.get("FunctionError"):
            raised = payload.get("errorType") if isinstance(payload, dict) else None
            raise TaskFailure(raised or "Exception", text)
        return payload, answer.request_id


def _not_offered(task: TaskRequest) -> TaskFailure:
    return TaskFailure("States.Runtime", f"the resource {task.resource_arn} is not offered by this server")
