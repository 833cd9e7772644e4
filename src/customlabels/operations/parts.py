"""What handlers and jobs work with; the application builds it once and passes it in."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from customlabels.asl import Rules
from customlabels.inference import Found
from customlabels.serving import Shadow, Terms, VersionStatus
from customlabels.storage import Objects, Records, S3Endpoint, Uploads
from customlabels.training import Progress, TrainingOutcome, TrainingSpec
from customlabels.wire import Services
from customlabels.workflows import (
    Activities,
    Callbacks,
    Executions,
    Jobs,
    MapRuns,
    Outcome,
    StateMachines,
    TaskRequest,
    Versions,
)

Value = TypeVar("Value")


# Trains in another process, telling how far it is; raises TrainingFailed or TrainingCancelled. Whether it is
# cancelled is asked about once a second.
Launcher = Callable[[TrainingSpec, Callable[[Progress], None], Callable[[], bool]], TrainingOutcome]


class Units(Protocol):
    """Versions in service; `serving.Supervisor`, whose errors it raises. Runs on the server's loop."""

    async def start(self, version: str, folder: Path, terms: Terms | None = None) -> None:
        """Return once the version answers; one that does already stays as it is."""

    async def stop(self, version: str, *, gently: bool = False) -> None:
        """Return once nothing of the version runs; gently where another one has taken its place."""

    def answers(self, version: str) -> bool:
        """Whether a request to the version would be taken now."""

    async def detect(
        self, version: str, image: bytes, min_confidence: float | None = None, max_results: int | None = None
    ) -> list[Found]:
        """The labels of an image."""

    def watch(self, shadow: Shadow) -> None:
        """Put calls of the pair's live version to the other one too."""

    def unwatch(self, live: str) -> None:
        """Leave a live version alone again."""

    def shadow(self, live: str) -> Shadow | None:
        """What watches a live version."""

    def status(self) -> list[VersionStatus]:
        """Every version that starts, runs or stops."""


class RunOnLoop(Protocol):
    """Waits in a thread for what runs on the server's loop."""

    def __call__(self, work: Coroutine[Any, Any, Value]) -> Value:
        """The coroutine's result, or its exception."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one account may have, and the sizes of the service; the real service's unless it is said."""

    projects: int = 100
    versions: int = 100  # of one project
    policies: int = 100  # of one project
    trainings: int = 100  # of one account, waiting or running
    running_versions: int = 10  # 2 on AWS, where each costs money by the hour
    inference_units: int = 5  # of one version
    image_bytes: int = 4 * 2**20  # of an image in a request
    object_image_bytes: int = 15 * 2**20  # of an image in a bucket

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise ValueError(f"limits are at least 1: {name}={getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one server.

    home: the folder of everything; models and work folders lie in it     s3: where unregistered buckets are
    services: the models of all services    rules: of every state
    idle_stop_seconds: of versions that are started without a word about it; None for never
    run_task: runs a task outside of any execution    mock_file: the mock configuration of test cases
    version, started_at: of this server, for those who ask     clock: epoch seconds
    operator: the account whose registered folders are; None where no access keys tell accounts apart
    """

    records: Records
    objects: Objects
    jobs: Jobs
    executions: Executions
    machines: StateMachines
    versions: Versions
    callbacks: Callbacks
    activities: Activities
    map_runs: MapRuns
    units: Units
    train: Launcher
    run_on_loop: RunOnLoop
    services: Services
    rules: Rules
    run_task: Callable[[TaskRequest], Outcome]
    home: Path
    version: str
    started_at: float
    s3: S3Endpoint | None = None
    operator: str | None = None
    mock_file: Path | None = None
    idle_stop_seconds: float | None = None
    clock: Callable[[], float] = time.time
    limits: Limits = field(default_factory=Limits)

    @property
    def uploads(self) -> Uploads:
        """The objects that arrive in parts."""
        return Uploads(self.home / "uploads")
