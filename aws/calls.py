"""The calls of a definition's Task states, against botocore's models: what AWS would refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import botocore.session
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationModel, OperationNotFoundError, ServiceModel, Shape

RESOURCE = re.compile(r"arn:[\w-]+:states:::(?:aws-sdk:)?(\w+):(\w+)(\.sync|\.sync:2|\.waitForTaskToken)?")
SERVICES = {"sfn": "stepfunctions", "states": "stepfunctions"}  # where the SDK for Java names it otherwise
# How an error's name begins, by service; not the same for the SDK's calls and for the optimised integrations.
PREFIXES = {
    ("aws-sdk", "rekognition"): "Rekognition",
    ("aws-sdk", "s3"): "S3",
    ("aws-sdk", "cloudwatch"): "CloudWatch",
    ("aws-sdk", "sns"): "Sns",
    ("optimised", "lambda"): "Lambda",
    ("optimised", "sns"): "SNS",
}
# Errors that no model lists: what a service says of errors outside its model, and what a Lambda client adds.
BESIDES = {
    "Rekognition": {"RekognitionException"},
    "S3": {"S3Exception"},
    "CloudWatch": {"CloudWatchException"},
    "Sns": {"SnsException"},
    "SNS": {"AmazonSNSException", "SdkClientException"},
    "Lambda": {"AWSLambdaException", "SdkClientException"},
}
TRANSIENT = {
    "Rekognition": {
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "InternalServerErrorException",
    },
    "S3": {"S3Exception"},  # its model has neither throttling nor internal errors
}
OF_THE_LANGUAGE = {"States.ALL", "States.Timeout", "States.HeartbeatTimeout", "States.TaskFailed"}
ACTIONS = {"lambda:Invoke": "lambda:InvokeFunction", "stepfunctions:StartExecution": "states:StartExecution"}
PLAIN = {
    "string": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "boolean": bool,
}


@dataclass(frozen=True)
class Call:
    """kind: aws-sdk or optimised   operation: None where the service has none of this name"""

    kind: str
    service: str
    name: str
    suffix: str
    operation: OperationModel | None

    @classmethod
    def of(cls, state: dict[str, Any]) -> Self | None:
        """The call of a Task; None where its resource is of no known form, or it is no Task."""
        found = RESOURCE.fullmatch(state.get("Resource", ""))
        if not found:
            return None
        kind = "aws-sdk" if ":aws-sdk:" in state["Resource"] else "optimised"
        service = SERVICES.get(found[1], found[1])
        return cls(kind, service, found[2], found[3] or "", _operation(service, found[2]))

    @property
    def action(self) -> str:
        """What a policy calls it."""
        name = self.operation.name if self.operation else self.name
        return ACTIONS.get(f"{self.service}:{name}", f"{self.service}:{name}")

    @property
    def prefix(self) -> str:
        """How the names of its errors begin."""
        return PREFIXES.get((self.kind, self.service), "?")


@cache
def _model(service: str) -> ServiceModel | None:
    try:
        return botocore.session.get_session().get_service_model(service)
    except UnknownServiceError:
        return None


@cache
def _operation(service: str, name: str) -> OperationModel | None:
    model = _model(service)
    if model is None or not name[:1].islower():
        return None
    try:
        return model.operation_model(name[0].upper() + name[1:])
    except OperationNotFoundError:
        return None


def check_call(state: dict[str, Any]) -> Iterator[str]:
    """Problems of one Task: its operation, its parameters, the errors it names, its bounds."""
    call = Call.of(state)
    if call is None or call.operation is None:
        yield f"{state.get('Resource')} is no operation"
        return
    given = state.get("Parameters", state.get("Arguments", {}))
    yield from check_parameters(given, call.operation.input_shape, call.operation.name)
    if not {"TimeoutSeconds", "TimeoutSecondsPath"} & set(state):
        yield "no TimeoutSeconds: it could wait for a year"
    if call.suffix == ".waitForTaskToken" and "Task.Token" not in str(given) + str(state.get("Arguments")):
        yield "waits for a token that it gives to nobody"
    yield from _check_errors(state, call)


def _check_errors(state: dict[str, Any], call: Call) -> Iterator[str]:
    rules = [*state.get("Retry", []), *state.get("Catch", [])]
    assert call.operation is not None
    modelled = {
        f"{call.prefix}.{shape.name.removesuffix('Exception')}Exception"
        for shape in call.operation.error_shapes
    }
    known = OF_THE_LANGUAGE | modelled | {f"{call.prefix}.{name}" for name in BESIDES.get(call.prefix, ())}
    named = {error for rule in rules for error in rule["ErrorEquals"]}
    if call.suffix == ".waitForTaskToken":  # whoever has the token answers with an error of his own
        known |= {error for error in named if "." not in error}
    for error in sorted(named - known):
        yield f"{error} is no error that {call.name} ends with"
    for rule in state.get("Retry", []):
        if {"States.ALL", "States.TaskFailed"} & set(rule["ErrorEquals"]):
            yield "Retry of every error repeats what cannot succeed"
        if rule.get("JitterStrategy") != "FULL" or "MaxDelaySeconds" not in rule:
            yield "Retry without full jitter and a bound of its delay"
    transient = {f"{call.prefix}.{name}" for name in TRANSIENT.get(call.prefix, ())} | {"States.Timeout"}
    if call.prefix in TRANSIENT and not any(
        transient <= set(rule["ErrorEquals"]) for rule in state.get("Retry", [])
    ):
        yield f"no Retry of what passes by itself: {', '.join(sorted(transient))}"


def check_parameters(given: Any, shape: Shape, where: str) -> Iterator[str]:
    """Names, required members and literal values against a shape; what a path gives is not known here."""
    if not isinstance(given, dict) or shape.type_name != "structure":
        yield from _check_value(given, shape, where)
        return
    names = {key.removesuffix(".$"): (key, value) for key, value in given.items()}
    for name in sorted(set(names) - set(shape.members)):
        yield f"{where} has no parameter {name}"
    for name in sorted(set(shape.required_members) - set(names)):
        yield f"{where} needs {name}"
    for name, (key, value) in names.items():
        if name in shape.members and not key.endswith(".$"):
            yield from check_parameters(value, shape.members[name], f"{where}.{name}")


def _check_value(value: Any, shape: Shape, where: str) -> Iterator[str]:
    if shape.type_name in ("blob", "timestamp") or (isinstance(value, str) and value.startswith("{%")):
        return
    if shape.type_name == "list" and isinstance(value, list):
        for one in value:
            yield from check_parameters(one, shape.member, where)
        return
    wanted: Any = PLAIN.get(shape.type_name)
    if isinstance(value, dict) and where.endswith((".Message", ".Input")):
        return  # the optimised integrations write an object as JSON text
    if wanted is None or not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        yield f"{where} is no {shape.type_name}: {value!r}"
        return
    about = shape.metadata
    size = len(value) if isinstance(value, str) else value
    if not about.get("min", size) <= size <= about.get("max", size):
        yield f"{where} is outside {about.get('min')} to {about.get('max')}: {value!r}"
    if value not in about.get("enum", [value]):
        yield f"{where} is none of {about['enum']}: {value!r}"
    if isinstance(value, str) and not re.fullmatch(about.get("pattern", ".*"), value, re.DOTALL):
        yield f"{where} does not match {about['pattern']}: {value!r}"
