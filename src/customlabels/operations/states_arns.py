"""ARNs in requests to Step Functions: of the right kind, and of the caller's own account.

Layer: operations. Everything of another account is refused as if it did not exist.
"""

from __future__ import annotations

from customlabels.errors import ServiceError
from customlabels.operations.arns import Arn
from customlabels.operations.dispatch import Call


def arn_of_kind(text: str, *kinds: str) -> Arn:
    """The parts of an ARN of one of these kinds (`execution`); ServiceError InvalidArn for other texts."""
    try:
        parsed = Arn.parse(text)
    except ValueError as error:
        raise ServiceError("InvalidArn", f"Invalid Arn: 'Invalid ARN prefix: {text}'") from error
    kind = parsed.resource.partition(":")[0]
    if parsed.service != "states" or kind not in kinds:
        told = f"Invalid Arn: 'Resource type not valid in this context: {kind}'"
        raise ServiceError("InvalidArn", told)
    return parsed


def own_arn(call: Call, text: str, kind: str, missing: ServiceError) -> str:
    """`text`, where it is an ARN of `kind` in the caller's account; raises InvalidArn, or `missing`."""
    if arn_of_kind(text, kind).account != call.caller.account:
        raise missing
    return text


def own_execution(call: Call) -> str:
    """The request's execution; ExecutionDoesNotExist for one of another account."""
    arn = call.params["executionArn"]
    missing = ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
    return own_arn(call, arn, "execution", missing)
