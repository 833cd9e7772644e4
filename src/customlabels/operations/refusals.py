"""The refusals that many operations share, by the codes of the services' models; each takes the message."""

from functools import partial

from customlabels.errors import ServiceError

# Members that do not go together, or a state in which the request makes no sense; the same of Step Functions.
invalid_parameter = partial(ServiceError, "InvalidParameterException")
invalid_request = partial(ServiceError, "ValidationException")
# A name that is taken, or a resource that is busy.
in_use = partial(ServiceError, "ResourceInUseException")
exists = partial(ServiceError, "ResourceAlreadyExistsException")
# Nothing is where the request points; or it cannot be used yet.
not_found = partial(ServiceError, "ResourceNotFoundException")
not_ready = partial(ServiceError, "ResourceNotReadyException")
# More of a kind than may be at once.
over_limit = partial(ServiceError, "LimitExceededException")
over_quota = partial(ServiceError, "ServiceQuotaExceededException")
# A bucket or key that cannot be read.
invalid_s3_object = partial(ServiceError, "InvalidS3ObjectException")
