"""State machines: the calls of Step Functions on definitions."""

from __future__ import annotations

import re
from functools import partial
from operator import attrgetter
from typing import Any

from customlabels.errors import ServiceError
from customlabels.operations.arns import states_arn
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.pages import STATES, one_page
from customlabels.operations.refusals import invalid_request
from customlabels.operations.states_arns import own_arn
from customlabels.operations.states_tags import delete_with_tags, given_tags, tag_when_new
from customlabels.workflows import StateMachine, machine_missing, problems_of, variable_references

ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
# Stored and shown; there is nothing here that logs or traces.
KEPT = ("loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")
NOT_LOGGED = {"level": "OFF", "includeExecutionData": False}
OF_2024 = re.compile(r'"(?:Assign|QueryLanguage)"\s*:')
DEFAULTS: dict[str, Any] = {"loggingConfiguration": NOT_LOGGED, "tracingConfiguration": {"enabled": False}}


@operation("stepfunctions", "CreateStateMachine")
def create_state_machine(call: Call) -> Response:
    """A new machine; the same name with the same definition is answered with the one that is there."""
    params = call.params
    _check_configuration(params)
    tags = given_tags(params.get("tags", []))
    machine = call.parts.machines.create(
        StateMachine(
            arn=states_arn(call.caller, "stateMachine", params["name"]),
            account=call.caller.account,
            region=call.caller.region,
            name=params["name"],
            definition=params["definition"],
            role_arn=params["roleArn"],
            type=params.get("type", "STANDARD"),
            details=_kept(params),
        )
    )
    tag_when_new(call, machine.arn, machine.created_at, tags)
    answer: Response = {"stateMachineArn": machine.arn, "creationDate": machine.created_at}
    # A power cut before this leaves a machine without its version: the same request makes it.
    return answer | _published(call, machine.arn)


@operation("stepfunctions", "DescribeStateMachine")
def describe_state_machine(call: Call) -> Response:
    """A machine, or one of its versions, with its definition as it was given."""
    target = call.parts.versions.find(own_machine(call, call.params["stateMachineArn"]))
    machine, version = target.machine, target.version
    answer = {
        "stateMachineArn": version.arn if version else machine.arn,
        "name": machine.name,
        "status": machine.status,
        "roleArn": machine.role_arn,
        "type": machine.type,
        "creationDate": version.created_at if version else machine.created_at,
        "revisionId": machine.revision_id or None,
        "description": version.description if version else None,
    }
    return answer | shown_definition(call, machine.definition, machine.details)


@operation("stepfunctions", "ListStateMachines")
def list_state_machines(call: Call) -> Response:
    """The machines of this account and region, by name."""
    look = partial(call.parts.machines.list, call.caller.account, call.caller.region)
    return one_page(call, STATES, "stateMachines", look, _listed, attrgetter("arn"))


def _listed(machine: StateMachine) -> Response:
    return {
        "stateMachineArn": machine.arn,
        "name": machine.name,
        "type": machine.type,
        "creationDate": machine.created_at,
    }


@operation("stepfunctions", "UpdateStateMachine")
def update_state_machine(call: Call) -> Response:
    """Change a machine for executions that start from now on."""
    params = call.params
    arn = own_machine(call, params["stateMachineArn"])
    if not params.keys() & {"definition", "roleArn", *KEPT}:
        raise ServiceError(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, the TracingConfiguration, "
            "or the EncryptionConfiguration must be specified",
        )
    _check_configuration(params)
    before = call.parts.machines.describe(arn)
    details = before.details | _kept(params) if params.keys() & set(KEPT) else None
    machine = call.parts.machines.update(
        arn, definition=params.get("definition"), role_arn=params.get("roleArn"), details=details
    )
    answer: Response = {"updateDate": call.now, "revisionId": machine.revision_id or None}
    return answer | _published(call, arn)


@operation("stepfunctions", "DeleteStateMachine")
def delete_state_machine(call: Call) -> Response:
    """Delete a machine with its versions and aliases; its executions go on to their end."""
    return delete_with_tags(call, "stateMachine", call.params["stateMachineArn"], call.parts.machines.delete)


@operation("stepfunctions", "ValidateStateMachineDefinition")
def validate_state_machine_definition(call: Call) -> Response:
    """What is wrong with a definition. Everything that is found here keeps a machine from being made."""
    params = call.params
    found = problems_of(params["definition"], params.get("type", "STANDARD"))
    most = params.get("maxResults") or 100
    return {
        "result": "FAIL" if found else "OK",
        "diagnostics": [{"severity": "ERROR", **problem} for problem in found[:most]],
        "truncated": len(found) > most,
    }


def own_machine(call: Call, arn: str) -> str:
    """`arn` of a machine, version or alias; InvalidArn, or StateMachineDoesNotExist for another account's."""
    return own_arn(call, arn, "stateMachine", machine_missing(arn))


def shown_definition(call: Call, definition: str, details: dict[str, Any]) -> Response:
    """A definition, unless the request wants none, and how its machine logs, traces and encrypts.

    AWS tells how it encrypts since July 2024. Recorded answers do where a definition is in the language of
    November 2024, and do not where they are of before; here too, unless it was given.
    """
    encrypted = {"encryptionConfiguration": {"type": "AWS_OWNED_KEY"}} if OF_2024.search(definition) else {}
    shown = DEFAULTS | encrypted | {name: details[name] for name in KEPT if name in details}
    shown["loggingConfiguration"] = NOT_LOGGED | shown["loggingConfiguration"]
    if call.params.get("includedData") == "METADATA_ONLY":
        return shown | {"definition": "{}"}
    return shown | {"definition": definition, "variableReferences": variable_references(definition) or None}


def _published(call: Call, arn: str) -> Response:
    if not call.params.get("publish"):
        return {}
    version = call.parts.versions.publish(arn, call.params.get("versionDescription"), None)
    return {"stateMachineVersionArn": version.arn}


def _kept(params: dict[str, Any]) -> dict[str, Any]:
    return {name: params[name] for name in KEPT if name in params}


def check_role(params: dict[str, Any]) -> None:
    """InvalidArn where a request names a role, and it is none."""
    if "roleArn" in params and not ROLE.fullmatch(params["roleArn"]):
        raise ServiceError("InvalidArn", f"Invalid Role Arn: '{params['roleArn']}'")


def check_key(params: dict[str, Any]) -> None:
    """InvalidEncryptionConfiguration where a request names a key of its own."""
    if params.get("encryptionConfiguration", {}).get("type", "AWS_OWNED_KEY") != "AWS_OWNED_KEY":
        raise ServiceError("InvalidEncryptionConfiguration", "encryption by a customer's key is not offered")


def _check_configuration(params: dict[str, Any]) -> None:
    if "versionDescription" in params and not params.get("publish"):
        raise invalid_request("Version description can only be set when publish is true")
    check_role(params)
    logging = params.get("loggingConfiguration", {})
    places = logging.get("destinations", [])
    if len(places) > 1 or (logging.get("level", "OFF") != "OFF" and len(places) != 1):
        raise ServiceError(
            "InvalidLoggingConfiguration",
            "Invalid Logging Configuration: Must specify exactly one Log Destination.",
        )
    check_key(params)
