"""Services that are not ours, at the endpoints that the settings name for them: never anywhere else.

Layer: operations. A thin use of botocore's clients. A service without an endpoint is refused, so that a run
on one's own machine does not reach AWS by an oversight.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from botocore import xform_name
from botocore.model import ServiceModel
from botocore.utils import EVENT_ALIASES

from customlabels.errors import InvalidInput

# One attempt: how often a call is made is the state's own Retry.
CONFIG: Mapping[str, Any] = {
    "connect_timeout": 10,
    "read_timeout": 70,
    "retries": {"total_max_attempts": 1},
    "parameter_validation": False,  # what is wrong with a call the service says in its own words
    "s3": {"addressing_style": "path"},
    "inject_host_prefix": False,
}


@lru_cache(maxsize=1)
def _names() -> Mapping[str, str]:
    from botocore.session import Session  # late, as below: its clients are large, and few servers have any

    # The SDK for Java, by whose names a state calls, names clients by the service's id without blanks.
    services = Session().get_available_services()
    return {EVENT_ALIASES.get(name, name).replace("-", ""): name for name in services}


def client_name(sdk_name: str) -> str | None:
    """botocore's name of the service that a state calls `sdk_name` (`eventbridge` -> `events`)."""
    return _names().get(sdk_name)


class Remote:
    """The endpoints of services that are not ours. Any thread may call."""

    def __init__(self, urls: Mapping[str, str], access_key: str = "local", secret_key: str = "local") -> None:  # noqa: S107
        """urls: by the ending of their setting (`SQS`, `SECRETS_MANAGER`); the keys are for all of them."""
        self._urls = urls
        self._keys = {"aws_access_key_id": access_key, "aws_secret_access_key": secret_key}
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def has(self, model: ServiceModel) -> bool:
        """Whether an endpoint is set for the service."""
        return _setting(model) in self._urls

    def call(self, model: ServiceModel, operation: str, params: Mapping[str, Any], region: str) -> Any:
        """The answer of a service that `require` lets through; raises what botocore raises."""
        client = self._client(model, region)
        return getattr(client, xform_name(operation))(**params)

    def require(self, model: ServiceModel) -> None:
        """InvalidInput, which names the setting, where no endpoint is set for the service."""
        if not self.has(model):
            raise InvalidInput(
                f"{model.service_id} is not offered by this server, and it knows no endpoint for it: "
                f"set AWS_ENDPOINT_URL_{_setting(model)} where the server is started"
            )

    def _client(self, model: ServiceModel, region: str) -> Any:
        from botocore.config import Config
        from botocore.session import Session

        with self._lock:
            key = (model.service_name, region)
            if key not in self._clients:
                self._clients[key] = Session().create_client(
                    model.service_name,
                    region_name=region,
                    endpoint_url=self._urls[_setting(model)],
                    config=Config(**CONFIG),
                    **self._keys,
                )
            return self._clients[key]


def _setting(model: ServiceModel) -> str:
    return str(model.service_id).upper().replace(" ", "_")
