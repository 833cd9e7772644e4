"""Names of resources: ARNs in AWS's shapes, and the stamps that make them differ.

Layer: operations. Clients cut these texts by `/` and `:`, so the shapes hold exactly:

    arn:aws:rekognition:REGION:ACCOUNT:project/NAME/STAMP
    arn:aws:rekognition:REGION:ACCOUNT:project/NAME/dataset/(train|test)/STAMP
    arn:aws:rekognition:REGION:ACCOUNT:project/NAME/version/VERSION/STAMP
    arn:aws:states:REGION:ACCOUNT:stateMachine:NAME
    arn:aws:states:REGION:ACCOUNT:execution:MACHINE:NAME
    arn:aws:states:REGION:ACCOUNT:activity:NAME

A stamp is the creation time in epoch milliseconds.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass

from customlabels.wire import Caller


@dataclass(frozen=True, slots=True)
class Arn:
    """The parts of an ARN: `arn:partition:service:region:account:resource`."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn:
        """Cut `text` into its parts; ValueError where it is not an ARN."""
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn" or not parts[5]:
            raise ValueError(f"{text!r} is not an ARN: arn:partition:service:region:account:resource")
        return cls(*parts[1:])

    @property
    def project(self) -> str:
        """The project's name, of the ARN of a project, dataset or version."""
        return self.resource.split("/")[1]

    @property
    def version(self) -> str:
        """The version's name, of the ARN of a version."""
        return self.resource.split("/")[3]


class Stamps:
    """Epoch milliseconds that never come twice, so that no two ARNs of one home are equal."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self, now: float) -> int:
        """The stamp for `now` (epoch seconds), later than every stamp given before."""
        with self._lock:
            self._last = max(self._last + 1, int(now * 1000))
            return self._last


def project_arn(caller: Caller, name: str, stamp: int) -> str:
    """The ARN of a new project of this account and region."""
    return f"arn:aws:rekognition:{caller.region}:{caller.account}:project/{name}/{stamp}"


def dataset_arn(project: str, kind: str, stamp: int) -> str:
    """The ARN of a new dataset in the project with the ARN `project`; kind: TRAIN or TEST."""
    return f"{project.rpartition('/')[0]}/dataset/{kind.lower()}/{stamp}"


def version_arn(project: str, name: str, stamp: int) -> str:
    """The ARN of a new version in the project with the ARN `project`."""
    return f"{project.rpartition('/')[0]}/version/{name}/{stamp}"


def states_arn(caller: Caller, kind: str, name: str) -> str:
    """The ARN of a state machine or activity of this account and region. kind: stateMachine, activity"""
    return f"arn:aws:states:{caller.region}:{caller.account}:{kind}:{name}"


def execution_arn(machine: str, name: str) -> str:
    """The ARN of the execution `name` of the state machine with the ARN `machine`."""
    return f"{machine.replace(':stateMachine:', ':execution:', 1)}:{name}"


def artefact_name(version: str) -> str:
    """The folder name of a version's artefact: names may be too long for a path, a digest never is."""
    return hashlib.sha256(version.encode()).hexdigest()[:32]
