"""Exit codes: a contract with scripts (DESIGN section 4), and the errors that stand for them."""

from __future__ import annotations

from enum import IntEnum

from customlabels.errors import CustomLabelsError


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
    "AccessDenied": Exit.NO_ENDPOINT,
    "ExpiredToken": Exit.NO_ENDPOINT,
    "ExpiredTokenException": Exit.NO_ENDPOINT,
    "InvalidClientTokenId": Exit.NO_ENDPOINT,
    "SignatureDoesNotMatch": Exit.NO_ENDPOINT,
    "IncompleteSignatureException": Exit.NO_ENDPOINT,
    "InvalidSignatureException": Exit.NO_ENDPOINT,
    "MissingAuthenticationTokenException": Exit.NO_ENDPOINT,
    "UnrecognizedClientException": Exit.NO_ENDPOINT,
}


# By the name of botocore's error: what is missing on this side of the line, and the way out.
WITHOUT_CREDENTIALS = {
    "NoCredentialsError": "name a --profile, set AWS_ACCESS_KEY_ID and its secret, or `aws configure`",
    "PartialCredentialsError": "give both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "CredentialRetrievalError": "see the credential_process of the profile",
    "ProfileNotFound": "`aws configure list-profiles` names those that there are",
    "NoRegionError": "name a --region, or set AWS_DEFAULT_REGION",
    "SSOTokenLoadError": "sign in: `aws sso login`",
    "UnauthorizedSSOTokenError": "sign in again: `aws sso login`",
    "TokenRetrievalError": "sign in again: `aws sso login`",
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
