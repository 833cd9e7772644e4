"""How a refused API call is named inside an execution: the error and cause that Retry and Catch see.

Layer: workflows. Pure. The names follow the AWS SDK 2 as Step Functions reports it: the service in the
SDK's spelling, a dot, the error's name with the suffix Exception, also where the API's own name lacks it.
"""

import re

# The SDK's spelling where the service's id does not give it.
SERVICES = {
    "stepfunctions": "Sfn",
    "states": "Sfn",
    "dynamodb": "DynamoDb",
    "customlabels": "CustomLabels",
    "secretsmanager": "SecretsManager",
    "eventbridge": "EventBridge",
}
SUFFIX = "Exception"


def sdk_error_name(service: str, code: str | None) -> str:
    """`rekognition`, `ResourceInUseException` -> `Rekognition.ResourceInUseException`.

    service: its id (`Secrets Manager`) or client name
    code: the shape name of the error in the service's model; None for an error outside the model, which
    is reported under the service's own name: `Rekognition.RekognitionException`.
    """
    spelled = _spelled(service)
    name = code or spelled
    return f"{spelled}.{name if name.endswith(SUFFIX) else name + SUFFIX}"


def sdk_error_cause(service: str, message: str, status_code: int, request_id: str, host_id: str = "") -> str:
    """`message (Service: Rekognition, Status Code: 400, Request ID: ...)`; host_id: S3's second one."""
    spelled = _spelled(service)
    about = f"Service: {spelled}, Status Code: {status_code}, Request ID: {request_id}"
    extended = f", Extended Request ID: {host_id}" if spelled == "S3" and host_id else ""
    attempts = " (SDK Attempt Count: 1)" if spelled == "Sfn" else ""  # as recorded
    return f"{message} ({about}{extended}){attempts}"


def _spelled(service: str) -> str:
    """The id in the SDK's spelling: words joined, of capitals in a row only the first (`SQS` -> `Sqs`)."""
    known = SERVICES.get(re.sub("[ -]", "", service).lower())
    if known:
        return known
    joined = "".join(word[:1].upper() + word[1:] for word in re.split("[ -]", service))
    return re.sub(r"([A-Z])([A-Z]+)(?=[A-Z][a-z]|[^A-Za-z]|$)", lambda run: run[1] + run[2].lower(), joined)
