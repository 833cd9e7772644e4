"""The server of one's home: find it, start it detached where there is none, end it.

Layer: cli. Everything else goes through boto3 clients of its three services, as any other program's would.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from customlabels.app import UNKNOWN_PID, Served, models_folder, served
from customlabels.cli.exits import NoEndpoint
from customlabels.cli.printing import say
from customlabels.pipeline import STATE_MACHINE_NAME
from customlabels.settings import AccessKey, Settings

START_SECONDS = 30.0
NO_USER_CONFIGURATION = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
DOWN_SECONDS = 20.0  # for trainings to write a checkpoint and units to drain


class Clients(ABC):
    """boto3's clients of the services of one place, and the pipeline there."""

    @cached_property
    def rekognition(self) -> Any:
        """Of Custom Labels."""
        return self._client("rekognition")

    @cached_property
    def states(self) -> Any:
        """Of Step Functions."""
        return self._client("stepfunctions")

    @cached_property
    def s3(self) -> Any:
        """Of the buckets."""
        return self._client("s3")

    @property
    @abstractmethod
    def machine_arn(self) -> str:
        """The pipeline's state machine."""

    def execution_arn(self, name: str) -> str:
        """The ARN of a run of the pipeline by its name; an ARN stays as it is."""
        if name.startswith("arn:"):
            return name
        return f"{self.machine_arn.replace(':stateMachine:', ':execution:')}:{name}"

    @abstractmethod
    def _client(self, service: str) -> Any: ...


@dataclass(frozen=True)
class Endpoint(Clients):
    """One address for three services."""

    url: str
    settings: Settings

    @cached_property
    def customlabels(self) -> Any:
        """The client of our own service: buckets, progress, units."""
        return self._client("customlabels")

    @property
    def account(self) -> str:
        """The account in which this program's requests are made."""
        return self.settings.operator

    @property
    def machine_arn(self) -> str:
        """The pipeline's state machine, whether it is there or not."""
        return f"arn:aws:states:{self.settings.region}:{self.account}:stateMachine:{STATE_MACHINE_NAME}"

    @cached_property
    def _session(self) -> Any:
        from botocore.session import Session

        # Our own server needs nothing of the user's AWS configuration, which may name profiles that are gone.
        session = Session(session_vars=NO_USER_CONFIGURATION)
        session.get_component("data_loader").search_paths.append(str(models_folder()))
        return session

    def _client(self, service: str) -> Any:
        from botocore.config import Config

        usual = ("local", AccessKey("local", self.settings.account))
        name, key = next(iter(self.settings.access_keys.items()), usual)
        return self._session.create_client(
            service,
            endpoint_url=self.url,
            region_name=self.settings.region,
            aws_access_key_id=name,
            aws_secret_access_key=key.secret,
            aws_session_token=key.session_token or None,
            config=Config(
                inject_host_prefix=False,
                s3={"addressing_style": "path"},
                retries={"max_attempts": 4, "mode": "standard"},
                proxies={},  # the server is this machine: no proxy of the environment reaches it
            ),
        )


def running_server(settings: Settings) -> Served | None:
    """The server that holds this home, once it has an address; None where there is none."""
    deadline = time.monotonic() + START_SECONDS
    while (server := served(settings.home)) is not None and not server.url:
        if time.monotonic() > deadline:
            raise NoEndpoint(f"the server of {settings.home} does not come up; see {log_file(settings)}")
        time.sleep(0.05)
    return server


def connect(settings: Settings) -> Endpoint:
    """The endpoint of this home, its server started detached where there is none. Raises NoEndpoint."""
    server = running_server(settings)
    if server is None:
        _start_detached(settings)
        server = running_server(settings)
    if server is None:
        raise NoEndpoint(f"the server ended at once; its last words:\n{_log_tail(settings)}")
    return Endpoint(server.url, settings)


def end_server(settings: Settings) -> Served | None:
    """End the server of this home and wait until it is gone; None where there was none."""
    server = running_server(settings)
    if server is None:
        return None
    for sent in (signal.SIGTERM, signal.SIGKILL):
        _send(server.pid, sent)
        deadline = time.monotonic() + DOWN_SECONDS
        while time.monotonic() < deadline:
            held = served(settings.home)
            if held is None or held.pid not in (server.pid, UNKNOWN_PID):
                return server
            time.sleep(0.05)
    raise NoEndpoint(f"process {server.pid} does not end")


def _send(pid: int, sent: signal.Signals) -> None:
    try:
        os.kill(pid, sent)
    except ProcessLookupError:
        return  # it has just ended by itself


def _start_detached(settings: Settings) -> None:
    """Start a server that outlives this command, and wait for its address.

    Two commands may do this at once: the lock lets one server live, the other's process ends, and both
    commands find the one that lives.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with log_file(settings).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "customlabels.app"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {"CUSTOMLABELS_HOME": str(settings.home)},
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        server = served(settings.home)
        if server is not None and server.url:
            say(f"server started at {server.url} (log: {log_file(settings)})")
            return
        if process.poll() is not None and server is None:
            raise NoEndpoint(f"the server could not start:\n{_log_tail(settings)}")
        time.sleep(0.02)
    raise NoEndpoint(f"the server does not come up; see {log_file(settings)}")


def log_file(settings: Settings) -> Path:
    """Where a detached server writes what it would have printed."""
    return settings.home / "server.log"


def _log_tail(settings: Settings) -> str:
    try:
        return "\n".join(log_file(settings).read_text("utf-8", "replace").splitlines()[-5:])
    except FileNotFoundError:
        return "(it wrote no log)"
