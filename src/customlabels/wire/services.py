"""The services that we answer for, as botocore's service models describe them.

Layer: wire. Knows names, shapes, error codes and HTTP statuses; knows nothing of what an operation does.
Only model files shipped with botocore and our own folder are read: a model that a user keeps for the
AWS CLI must not change what this server accepts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import DataNotFoundError
from botocore.loaders import Loader
from botocore.model import OperationModel, OperationNotFoundError, ServiceModel

from customlabels.errors import CustomLabelsError, ServiceError

SERVED = ("rekognition", "stepfunctions", "customlabels")

# Errors of the protocol itself, in no service's model; everything else unknown is the caller's fault: 400.
PROTOCOL_STATUS = {
    "InternalFailure": 500,
    "RequestEntityTooLargeException": 413,
    "RequestTimeoutException": 408,
    "ServiceUnavailable": 503,
}


class ModelNotFound(CustomLabelsError):
    """No model file of a service where it should be; a fault of the installation."""


@dataclass(frozen=True, eq=False)
class Service:
    """One service: its model, and what the protocol needs from it."""

    name: str
    model: ServiceModel
    statuses: Mapping[str, int] = field(repr=False)  # of the modelled errors
    fault_code: str  # says 'our fault': the model's own internal error where it has one

    @property
    def content_type(self) -> str:
        """`application/x-amz-json-1.0` or `-1.1`, as clients of this service expect."""
        return f"application/x-amz-json-{self.model.metadata.get('jsonVersion', '1.1')}"

    @property
    def signing_name(self) -> str:
        """The service's name in a SigV4 credential scope (`states` for Step Functions)."""
        return str(self.model.signing_name)

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of all modelled operations."""
        return tuple(self.model.operation_names)

    def operation(self, name: str) -> OperationModel:
        """The model of one operation; raises ServiceError UnknownOperationException."""
        try:
            return self.model.operation_model(name)
        except OperationNotFoundError as error:
            raise ServiceError("UnknownOperationException", f"{self.name} has no operation {name}") from error

    def status(self, code: str) -> int:
        """The HTTP status of an error code: modelled, else of the protocol, else 400."""
        return self.statuses.get(code) or PROTOCOL_STATUS.get(code, 400)


class Services:
    """The served services, by name and by `X-Amz-Target`; any other of botocore's by `shape_only`."""

    def __init__(self, loader: Loader, names: tuple[str, ...]) -> None:
        self._loader = loader
        self._served = {name: _load(loader, name) for name in names}
        self._prefixes = {each.model.metadata["targetPrefix"]: each for each in self._served.values()}
        self._shapes_only: dict[str, Service] = {}

    def __getitem__(self, name: str) -> Service:
        return self._served[name]

    def __iter__(self) -> Iterator[Service]:
        return iter(self._served.values())

    def by_target(self, target: str) -> tuple[Service, OperationModel]:
        """Service and operation of an `X-Amz-Target`; raises ServiceError UnknownOperationException."""
        prefix, _, name = target.rpartition(".")
        service = self._prefixes.get(prefix)
        if service is None:
            named = f"X-Amz-Target '{target[:200]}' names no service of this server"
            known = ", ".join(sorted(self._prefixes))
            raise ServiceError("UnknownOperationException", f"{named}; it has {known}")
        return service, service.operation(name)

    def shape_only(self, name: str) -> Service:
        """A service that is not served here (`s3`), for checks of parameters; raises ModelNotFound."""
        service = self._served.get(name) or self._shapes_only.get(name)
        if service is None:
            service = self._shapes_only[name] = _load(self._loader, name)
        return service


def load_services(extra_model_folder: Path) -> Services:
    """Rekognition and Step Functions from botocore, `customlabels` from `extra_model_folder`.

    The folder has botocore's layout: `customlabels/<version>/service-2.json`. Raises ModelNotFound.
    """
    paths = [Loader.BUILTIN_DATA_PATH, str(extra_model_folder)]
    return Services(Loader(extra_search_paths=paths, include_default_search_paths=False), SERVED)


def _load(loader: Loader, name: str) -> Service:
    try:
        description = loader.load_service_model(name, "service-2")
    except DataNotFoundError as error:
        places = ", ".join(loader.search_paths)
        raise ModelNotFound(f"no {name}/<version>/service-2.json in {places}") from error
    shapes: Mapping[str, Mapping[str, Any]] = description["shapes"]
    errors = {code: shape for code, shape in shapes.items() if shape.get("exception")}
    statuses = {
        code: int(shape.get("error", {}).get("httpStatusCode") or (500 if shape.get("fault") else 400))
        for code, shape in errors.items()
    }
    internal = (code for code, shape in errors.items() if shape.get("fault") and code.startswith("Internal"))
    return Service(name, ServiceModel(description, name), statuses, next(internal, "InternalFailure"))
