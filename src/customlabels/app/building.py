"""From settings to a running application: the one place where the parts are put together.

Layer: app. Order matters here and nowhere else: records first, then what writes them, then who asks for it.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from customlabels import __version__, console
from customlabels.app import models_folder
from customlabels.app.functions import functions_of, judge_function
from customlabels.app.pages import Late
from customlabels.asl import Rules
from customlabels.errors import InvalidInput
from customlabels.operations import (
    Dispatcher,
    Limits,
    Parts,
    Remote,
    ServiceTasks,
    account_may_use,
    folder_of,
    job_handlers,
    note_failures,
    resume_shadows,
    revive,
    stop_idle,
    sweep_buckets,
)
from customlabels.serving import Supervisor
from customlabels.settings import Settings
from customlabels.storage import Objects, Records, S3Endpoint
from customlabels.training import train
from customlabels.wire import (
    Application,
    Caller,
    Invocation,
    Key,
    S3App,
    S3Signatures,
    Services,
    WireApp,
    load_services,
    validate,
)
from customlabels.workflows import (
    Activities,
    Callbacks,
    Engine,
    EnginePace,
    Executions,
    JobHandler,
    JobPace,
    Jobs,
    MapRunner,
    MapRuns,
    MockedTasks,
    StateMachines,
    Versions,
    read_mocks,
    run_task,
)

Value = TypeVar("Value")

MANY = 10_000  # projects, and versions of one: rows cost little here, unlike hosted ones
# Of a job whose server is killed again and again: each attempt goes on, none is in vain.
LOST_ATTEMPTS = 1_000
# Between two looks for work that no bell told of. Where this process alone writes, none is missed: an idle
# server that looked each second took a hundredth of a core, and some of each second's requests waited for it.
QUIET_SECONDS = 5.0


@dataclass
class App:
    """The parts of one server that have a beginning and an end, and the ASGI application in front."""

    asgi: Application
    engine: Engine
    dispatcher: Dispatcher
    parts: Parts
    units: Supervisor
    closing: asyncio.Event  # set when the server is told to end, so that open streams of pages do not hold it

    async def start(self) -> None:
        """Take up what the last server left, then begin to work. Requests may come from here on."""
        # Ten versions take seconds to come up: who asks one of them meanwhile is answered when it is there.
        self._reviving = asyncio.create_task(self._revive())
        await asyncio.to_thread(self._take_up)
        self.engine.start()
        self.parts.map_runs.start()
        self.parts.jobs.start()

    async def _revive(self) -> None:
        await revive(self.parts)
        await asyncio.to_thread(resume_shadows, self.parts)

    def _take_up(self) -> None:
        sweep_buckets(self.parts)
        self.engine.recover()
        self.parts.jobs.recover()

    def is_ready(self) -> bool:
        """Whether all that ran when the last server ended runs again, or has failed to."""
        return self._reviving.done()

    def has_open_work(self) -> bool:
        """Whether an execution or a job is under way, or a version is in service."""
        caller = Caller("", "")
        told = self.dispatcher.call(Invocation("customlabels", "DescribeServer", {}, caller, ""))
        return bool(told["RunningExecutions"] or told["OpenJobs"] or told["RunningVersions"])

    async def close(self) -> None:
        """End in the order in which parts need each other; what is open goes on at the next start."""
        # First of all: a version that is stopped with us has not failed to come up.
        self._reviving.cancel()
        await asyncio.gather(self._reviving, return_exceptions=True)
        await asyncio.to_thread(self.engine.close)
        await asyncio.to_thread(self.parts.map_runs.close)
        await asyncio.to_thread(self.parts.jobs.close)
        await self.units.close()
        await asyncio.to_thread(self.dispatcher.close)
        self.parts.records.close()


def build(settings: Settings, loop: asyncio.AbstractEventLoop) -> App:
    """Build everything that one server is made of; nothing runs yet.

    Raises NewerSchema, RecordsError, SettingsError and InvalidInput, with the home unchanged.
    """
    functions = functions_of(settings.functions_file)
    _check_mocks(settings.mock_file)
    records = Records.open(settings.records_url)
    owner = f"{os.getpid()}-{uuid.uuid4().hex}"
    rules = Rules(wait_scale=settings.wait_scale)
    far = settings.s3
    s3 = S3Endpoint(far.endpoint_url, far.access_key, far.secret_key, far.region) if far else None
    handlers: dict[str, JobHandler] = {}
    quiet = 1.0 if records.is_shared else QUIET_SECONDS
    trainings = {"train": settings.concurrent_trainings, "reproduce": 1}
    pace_of_jobs = JobPace(trainings, poll_seconds=quiet, attempts=LOST_ATTEMPTS)
    jobs = Jobs(records, handlers, owner, time.time, _new_id, pace_of_jobs)
    units = Supervisor(note_failures(records), stop_idle(records, jobs))
    objects = Objects(folder_of(records), s3, settings.home / "attributes")

    def may_use(account: str, bucket: str) -> bool:
        return account_may_use(parts, account, bucket)

    def run_on_loop(work: Coroutine[Any, Any, Value]) -> Value:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    functions = judge_function(objects, may_use) | functions
    map_runs = MapRuns(records, objects, rules, time.time, may_use, quiet)
    services = load_services(models_folder())
    parts = Parts(
        records=records,
        objects=objects,
        jobs=jobs,
        executions=Executions(records, rules, time.time),
        machines=StateMachines(records, time.time, _new_id),
        versions=Versions(records, time.time),
        callbacks=Callbacks(records, time.time),
        activities=Activities(records, rules, time.time),
        map_runs=map_runs,
        units=units,
        train=train,
        run_on_loop=run_on_loop,
        services=services,
        rules=rules,
        run_task=lambda task: run_task(tasks, task),  # which reach the handlers, which get these parts
        home=settings.home,
        version=__version__,
        started_at=time.time(),
        s3=s3,
        operator=settings.operator if settings.access_keys else None,
        mock_file=settings.mock_file,
        idle_stop_seconds=settings.idle_stop_seconds,
        limits=Limits(projects=MANY, versions=MANY, running_versions=settings.running_versions),
    )
    handlers |= job_handlers(parts)
    dispatcher = Dispatcher(parts)
    remote = Remote(settings.endpoints, settings.endpoint_access_key, settings.endpoint_secret_key)
    tasks = MockedTasks(records, ServiceTasks(dispatcher, services, functions, remote))
    pace_of_runs = EnginePace(poll_seconds=quiet)
    engine = Engine(records, MapRunner(map_runs, tasks), rules, time.time, owner, pace_of_runs)
    keys = {
        name: Key(key.secret, key.account, key.session_token) for name, key in settings.access_keys.items()
    }
    signatures = S3Signatures(keys, default_account=settings.account, default_region=settings.region)
    closing = asyncio.Event()
    local = Caller(settings.account, settings.region)
    ask_as = _asking(dispatcher, services)
    pages = Late(lambda: console.console_app(ask_as, keys, local, closing))
    s3_app = S3App(services.shape_only("s3"), dispatcher.acall, signatures, pages)
    asgi = WireApp(services, dispatcher.acall, signatures, fallback=s3_app, own_host_only=not keys)
    return App(asgi, engine, dispatcher, parts, units, closing)


def _asking(dispatcher: Dispatcher, services: Services) -> console.AskAs:
    """Calls as they come over HTTP, held to the same models."""

    async def ask(caller: Caller, service: str, operation: str, members: Mapping[str, Any]) -> dict[str, Any]:
        params = validate(services.shape_only(service).operation(operation), dict(members))
        answer = await dispatcher.acall(Invocation(service, operation, params, caller, _new_id()))
        return {name: value for name, value in answer.items() if value is not None}  # as the wire does

    return ask


def _check_mocks(file: Path | None) -> None:
    """Tell at the start what the first test case would stumble over; raises InvalidInput."""
    if file is None:
        return
    try:
        read_mocks(file.read_text("utf-8"))
    except (InvalidInput, OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file}: {error}") from error


def _new_id() -> str:
    return str(uuid.uuid4())
