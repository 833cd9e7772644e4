"""Where a command finds the pipeline: on the server of this home, or at Step Functions elsewhere.

Layer: cli. Elsewhere is AWS, or whatever speaks its API at another address, reached through boto3 and the
user's own AWS configuration; keys are never arguments.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

from customlabels.cli.endpoint import Clients, Endpoint, connect
from customlabels.cli.exits import UsageError
from customlabels.pipeline import STATE_MACHINE_NAME
from customlabels.settings import Settings

STACK = "customlabels-pipeline"  # as samconfig.toml names it
MACHINE_OUTPUT = "RekognitionStateMachineArn"
FLAGS = ("--endpoint-url", "--profile", "--region", "--stack-name", "--state-machine-arn")
LOOPBACK = ("http://127.", "http://localhost", "http://[::1]")


@dataclass(frozen=True)
class Place:
    """The server of this home, or what any of the five says of another place."""

    endpoint_url: str = ""
    profile: str = ""
    region: str = ""
    stack_name: str = ""
    machine_arn: str = ""

    @property
    def is_home(self) -> bool:
        """Whether nothing names another place."""
        return not any(astuple(self))

    @property
    def flags(self) -> str:
        """What names this place again behind a command; empty for this home."""
        return "".join(f" {flag} {value}" for flag, value in zip(FLAGS, astuple(self), strict=True) if value)

    def reach(self) -> Reached:
        """The clients of this place; the home's server is started where there is none."""
        return connect(Settings.from_environment()) if self.is_home else Elsewhere(self)


class Elsewhere(Clients):
    """Clients of AWS or of another server."""

    customlabels = None  # progress, ledger and whatever else AWS does not have

    def __init__(self, place: Place) -> None:
        self.place = place

    @property
    def url(self) -> str:
        """The address of its Step Functions."""
        return str(self.states.meta.endpoint_url)

    @cached_property
    def machine_arn(self) -> str:
        """The pipeline's state machine: as given, the stack's output, or by its name at another server."""
        if self.place.machine_arn:
            return self.place.machine_arn
        if self.place.endpoint_url and not self.place.stack_name:
            pages = self.states.get_paginator("list_state_machines").paginate()
            for machine in (one for page in pages for one in page["stateMachines"]):
                if machine["name"] == STATE_MACHINE_NAME:
                    return str(machine["stateMachineArn"])
            raise UsageError(
                f"{self.url} has no state machine {STATE_MACHINE_NAME}; name a --state-machine-arn"
            )
        return self._of_stack(self.place.stack_name or STACK)

    def _of_stack(self, stack: str) -> str:
        from botocore.exceptions import ClientError

        formation = self._client("cloudformation")
        other = "name another with --stack-name, or the machine with --state-machine-arn"
        try:
            [found] = formation.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            raise UsageError(f"there is no stack {stack} in {formation.meta.region_name}; {other}") from error
        outputs = {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}
        if MACHINE_OUTPUT not in outputs:
            raise UsageError(f"the stack {stack} has no output {MACHINE_OUTPUT}; {other}")
        return str(outputs[MACHINE_OUTPUT])

    @cached_property
    def _session(self) -> Any:
        import boto3

        in_arn = self.place.machine_arn.split(":")[3:4]
        region = self.place.region or (in_arn[0] if in_arn else None)
        return boto3.Session(profile_name=self.place.profile or None, region_name=region)

    def _client(self, service: str) -> Any:
        from botocore.config import Config

        url, keys = self.place.endpoint_url, {}
        if url.startswith(LOOPBACK) and self._session.get_credentials() is None:
            keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        return self._session.client(
            service,
            endpoint_url=url or None,
            region_name=self._session.region_name or (Settings.from_environment().region if url else None),
            config=Config(inject_host_prefix=not url, retries={"mode": "standard"}),
            **keys,
        )


Reached = Endpoint | Elsewhere
