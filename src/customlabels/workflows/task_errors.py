"""How a refused API call is named inside an execution: the error and cause that Retry and Catch see.

Layer: workflows. Pure. The names follow the AWS SDK 2 as Step Functions reports it: the service in the
SDK's spelling, a dot, the error's name with the suffix Exception, also where the API's own name lacks it.
"""

from __future__ import annotations

__all__ = ["sdk_error_cause", "sdk_error_name"]

# The SDK's spelling where it is not the service's name with a capital letter.
SERVICES = {
    "stepfunctions": "Sfn",
    "sfn": "Sfn",
    "states": "Sfn",
    "dynamodb": "DynamoDb",
    "customlabels": "CustomLabels",
    "secretsmanager": "SecretsManager",
    "eventbridge": "EventBridge",
}
SUFFIX = "Exception"


def sdk_error_name(service: str, code: str | None) -> str:
    """`rekognition`, `ResourceInUseException` -> `Rekognition.ResourceInUseException`.

    code: the shape name of the error in the service's model; None for an error outside the model, which
    is reported under the service's own name: `Rekognition.RekognitionException`.
    """
    lowered = service.replace("-", "").replace(" ", "").lower()
    spelled = SERVICES.get(lowered) or service[:1].upper() + service[1:]
    name = code or spelled
    return f"{spelled}.{name if name.endswith(SUFFIX) else name + SUFFIX}"


def sdk_error_cause(service: str, message: str, status_code: int, request_id: str) -> str:
    """`message (Service: Rekognition, Status Code: 400, Request ID: ...)`."""
    spelled = sdk_error_name(service, None).partition(".")[0]
    return f"{message} (Service: {spelled}, Status Code: {status_code}, Request ID: {request_id})"
