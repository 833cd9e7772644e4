"""Exit codes: a contract with scripts (DESIGN section 4), and the errors that stand for them."""

from __future__ import annotations

from enum import IntEnum

from customlabels.errors import CustomLabelsError

__all__ = [
    "AFTER_DECISION",
    "AFTER_REFUSAL",
    "AFTER_STATUS",
    "DataInvalid",
    "Exit",
    "NoEndpoint",
    "UsageError",
]


class Exit(IntEnum):
    """What the shell is told."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REJECTED = 3
    UNDECIDED = 4
    DATA_INVALID = 5
    TIMED_OUT = 6
    NO_ENDPOINT = 7
    INTERRUPTED = 130


AFTER_DECISION = {"DEPLOYED": Exit.DONE, "REJECTED": Exit.REJECTED, "UNDECIDED": Exit.UNDECIDED}
AFTER_STATUS = {"FAILED": Exit.FAILED, "TIMED_OUT": Exit.TIMED_OUT, "ABORTED": Exit.TIMED_OUT}

# By the service's error code; any other is a failure.
AFTER_REFUSAL = {
    "ValidationException": Exit.USAGE,
    "ResourceNotFoundException": Exit.USAGE,
    "ExecutionDoesNotExist": Exit.USAGE,
    "StateMachineDoesNotExist": Exit.USAGE,
    "InvalidExecutionInput": Exit.USAGE,
    "InvalidArn": Exit.USAGE,
    "InvalidName": Exit.USAGE,
    "InvalidImageFormatException": Exit.DATA_INVALID,
    "ImageTooLargeException": Exit.DATA_INVALID,
    "AccessDeniedException": Exit.NO_ENDPOINT,
    "IncompleteSignatureException": Exit.NO_ENDPOINT,
    "InvalidSignatureException": Exit.NO_ENDPOINT,
    "MissingAuthenticationTokenException": Exit.NO_ENDPOINT,
    "UnrecognizedClientException": Exit.NO_ENDPOINT,
}


class UsageError(CustomLabelsError):
    """The command line cannot be carried out as given."""

    exit_code = Exit.USAGE


class DataInvalid(CustomLabelsError):
    """The images or their labels cannot be trained on."""

    exit_code = Exit.DATA_INVALID


class NoEndpoint(CustomLabelsError):
    """There is no server to talk to, and none could be started."""

    exit_code = Exit.NO_ENDPOINT
