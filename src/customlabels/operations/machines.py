"""State machines: the calls of Step Functions on definitions."""

from __future__ import annotations

import re
from typing import Any

from customlabels.errors import ServiceError
from customlabels.operations.arns import Arn, machine_arn
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.pages import page_start, page_token
from customlabels.workflows import StateMachine

__all__ = ["require_own_machine"]

ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
KEPT = (
    "loggingConfiguration",
    "tracingConfiguration",
)  # stored and shown; there is nothing here that logs or traces


@operation("stepfunctions", "CreateStateMachine")
def create_state_machine(call: Call) -> Response:
    """A new machine; the same name with the same definition is answered with the one that is there."""
    params = call.params
    if params.get("type", "STANDARD") != "STANDARD":
        raise ServiceError("StateMachineTypeNotSupported", "only machines of type STANDARD are offered")
    if params.get("publish"):
        raise ServiceError("ValidationException", "publish: versions of state machines are not offered")
    _check_configuration(params)
    machine = call.parts.machines.create(
        StateMachine(
            arn=machine_arn(call.caller, params["name"]),
            account=call.caller.account,
            region=call.caller.region,
            name=params["name"],
            definition=params["definition"],
            role_arn=params["roleArn"],
            details={name: params[name] for name in (*KEPT, "tags") if name in params},
        )
    )
    return {"stateMachineArn": machine.arn, "creationDate": machine.created_at}


@operation("stepfunctions", "DescribeStateMachine")
def describe_state_machine(call: Call) -> Response:
    """A machine with its definition as it was given."""
    arn = call.params["stateMachineArn"]
    require_own_machine(call, arn)
    machine = call.parts.machines.describe(arn)
    answer = {
        "stateMachineArn": machine.arn,
        "name": machine.name,
        "status": machine.status,
        "definition": machine.definition,
        "roleArn": machine.role_arn,
        "type": machine.type,
        "creationDate": machine.created_at,
        "loggingConfiguration": {"level": "OFF", "includeExecutionData": False},
        "tracingConfiguration": {"enabled": False},
        "revisionId": machine.revision_id,
    }
    return answer | {name: machine.details[name] for name in KEPT if name in machine.details}


@operation("stepfunctions", "ListStateMachines")
def list_state_machines(call: Call) -> Response:
    """The machines of this account and region, newest first."""
    params = call.params
    start = page_start(call, params, params.get("nextToken"), "InvalidToken")
    size = params.get("maxResults") or 100
    after = tuple(start) if start else None
    found = call.parts.machines.list(call.caller.account, call.caller.region, size + 1, after)
    machines = [
        {
            "stateMachineArn": machine.arn,
            "name": machine.name,
            "type": machine.type,
            "creationDate": machine.created_at,
        }
        for machine in found[:size]
    ]
    answer: Response = {"stateMachines": machines}
    if len(found) > size:
        last = found[size - 1]
        answer["nextToken"] = page_token(call, params, [last.created_at, last.arn])
    return answer


@operation("stepfunctions", "UpdateStateMachine")
def update_state_machine(call: Call) -> Response:
    """Change a machine for executions that start from now on."""
    params = call.params
    require_own_machine(call, params["stateMachineArn"])
    if not params.keys() & {"definition", "roleArn", *KEPT}:
        raise ServiceError(
            "MissingRequiredParameter", "either the definition or the role ARN must be specified"
        )
    if params.get("publish"):
        raise ServiceError("ValidationException", "publish: versions of state machines are not offered")
    _check_configuration(params)
    configuration = {name: params[name] for name in KEPT if name in params}
    details = None
    if configuration:
        details = call.parts.machines.describe(params["stateMachineArn"]).details | configuration
    machine = call.parts.machines.update(
        params["stateMachineArn"],
        definition=params.get("definition"),
        role_arn=params.get("roleArn"),
        details=details,
    )
    return {"updateDate": call.now, "revisionId": machine.revision_id}


@operation("stepfunctions", "DeleteStateMachine")
def delete_state_machine(call: Call) -> Response:
    """Delete a machine; its executions go on to their end."""
    arn = call.params["stateMachineArn"]
    if _own(call, arn):
        call.parts.machines.delete(arn)
    return {}


def require_own_machine(call: Call, arn: str) -> None:
    """InvalidArn for what is no ARN of a machine; StateMachineDoesNotExist for one of another account."""
    if not _own(call, arn):
        raise ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")


def _own(call: Call, arn: str) -> bool:
    try:
        parsed = Arn.parse(arn)
    except ValueError as error:
        raise ServiceError("InvalidArn", f"Invalid Arn: '{arn}'") from error
    if parsed.service != "states" or not parsed.resource.startswith("stateMachine:"):
        raise ServiceError("InvalidArn", f"Invalid Arn: 'Resource type not valid in this context: {arn}'")
    return parsed.account == call.caller.account


def _check_configuration(params: dict[str, Any]) -> None:
    if "roleArn" in params and not ROLE.fullmatch(params["roleArn"]):
        raise ServiceError("InvalidArn", f"Invalid Role Arn: '{params['roleArn']}'")
    if params.get("encryptionConfiguration", {}).get("type", "AWS_OWNED_KEY") != "AWS_OWNED_KEY":
        raise ServiceError("InvalidEncryptionConfiguration", "encryption by a customer's key is not offered")
