"""The refusals that many operations share, by the codes of the services' models."""

from customlabels.errors import ServiceError

__all__ = [
    "in_use",
    "invalid_parameter",
    "invalid_request",
    "invalid_s3_object",
    "not_found",
    "over_limit",
]


def invalid_parameter(message: str) -> ServiceError:
    """Members that do not go together, or a state in which the request makes no sense."""
    return ServiceError("InvalidParameterException", message)


def invalid_request(message: str) -> ServiceError:
    """The same, as Step Functions calls it."""
    return ServiceError("ValidationException", message)


def in_use(message: str) -> ServiceError:
    """A name that is taken, or a resource that is busy."""
    return ServiceError("ResourceInUseException", message)


def not_found(message: str) -> ServiceError:
    """Nothing is where the request points."""
    return ServiceError("ResourceNotFoundException", message)


def over_limit(message: str) -> ServiceError:
    """More of a kind than may be at once."""
    return ServiceError("LimitExceededException", message)


def invalid_s3_object(message: str) -> ServiceError:
    """A bucket or key that cannot be read."""
    return ServiceError("InvalidS3ObjectException", message)
