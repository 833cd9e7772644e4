"""The server process: takes the home, listens, brings back what was running, ends in order.

Layer: app. What a kill or a power cut leaves is taken up by the next start: executions go on from their
journal, trainings from their checkpoint, versions that were RUNNING are served again. An orderly end does
nothing more than free the machine sooner.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import uvicorn

from customlabels.app.building import App, build
from customlabels.app.lock import HomeLock, Served
from customlabels.app.monitoring import JsonLines, Monitoring
from customlabels.errors import CustomLabelsError
from customlabels.settings import DEFAULT_PORT, Settings
from customlabels.wire import Application

BACKLOG = 2048  # requests that wait while the server starts
# How long one thread may compute before another one's turn, an import's before a request's: a tenth of the
# usual time, which lets requests wait for a fourth of what they would, and slows nothing else measurably.
SWITCH_SECONDS = 0.0005
IDLE_LOOK_SECONDS = 1.0
FIRST_REQUEST_SECONDS = 60.0
DRAIN_SECONDS = 5
KEPT_SECONDS = 75  # an idle connection; a client that pauses shorter never writes into a closed one
END_SECONDS = 15.0  # then whatever holds is written down and left: as a kill, which is harmless

log = logging.getLogger(__name__)


class PortTaken(CustomLabelsError):
    """Another program listens on the port."""


def serve_home(settings: Settings, *, detached: bool) -> None:
    """Serve until told to end; a detached server ends by itself when nothing is open any more.

    Raises AlreadyServed, PortTaken, NewerSchema, each before anything is listened on or changed.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if settings.log_json:
        logging.getLogger().handlers[0].setFormatter(JsonLines())
    level = logging.INFO if settings.log_json else logging.WARNING
    logging.getLogger("customlabels.requests").setLevel(level)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    sys.setswitchinterval(SWITCH_SECONDS)
    with HomeLock(settings.home).held() as lock, _listening(settings, detached=detached) as listener:
        runner = asyncio.Runner(loop_factory=_loop_factory())
        with runner:
            runner.run(_serve(settings, lock, listener, detached=detached))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on every platform; the standard loop does the same, slower
        return None
    return uvloop.new_event_loop


def _http_protocol() -> type[asyncio.Protocol] | Literal["auto"]:
    try:
        from customlabels.app.connections import GuardedHttp
    except ImportError:  # httptools is not on every platform; uvicorn's other parser bounds heads by itself
        return "auto"
    return GuardedHttp


@contextlib.contextmanager
def _listening(settings: Settings, *, detached: bool) -> Iterator[socket.socket]:
    """The socket to serve on. A detached server whose usual port is taken takes any free one."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with contextlib.closing(listener):
        try:
            listener.bind((settings.host, settings.port))
            # At once: until somebody listens, a second server may bind the same port and fail much later.
            listener.listen(BACKLOG)
        except OSError as error:
            if not (detached and settings.port == DEFAULT_PORT):
                raise PortTaken(
                    f"{settings.host}:{settings.port}: {error.strerror}; "
                    "choose another --port, or --port 0 for any free one"
                ) from error
            listener.bind((settings.host, 0))
            listener.listen(BACKLOG)
        yield listener


async def _serve(settings: Settings, lock: HomeLock, listener: socket.socket, *, detached: bool) -> None:
    app = build(settings, asyncio.get_running_loop())
    last_request = LastRequest(app.asgi)
    watched = Monitoring(last_request, app.units.status, app.is_ready, open_to_all=settings.is_loopback)
    server = _Server(
        uvicorn.Config(
            watched,
            http=_http_protocol(),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            timeout_keep_alive=KEPT_SECONDS,
        )
    )

    def end() -> None:
        # Without an address: who comes now waits until the home is free, and starts the next server.
        lock.publish(Served(os.getpid(), "", detached))
        app.closing.set()
        faulthandler.dump_traceback_later(END_SECONDS, exit=True)
        server.end()

    for ending in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(ending, end)
    try:
        await app.start()
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not (server.started or serving.done()):
            await asyncio.sleep(0.005)
        # What is there by now stays: a collection that looked through it would hold up a request by 20 ms.
        gc.freeze()
        gc.enable()
        url = _url(listener)
        lock.publish(Served(os.getpid(), url, detached))
        print(f"customlabels serves {url} from {settings.home}", file=sys.stderr, flush=True)
        if detached:
            await _until_idle(app, server, last_request, settings.idle_seconds)
            if not server.should_exit:  # told twice, it would not answer what is under way
                end()
        await serving
    finally:
        await app.close()


async def _until_idle(app: App, server: _Server, last_request: LastRequest, idle_seconds: float) -> None:
    """Return after `idle_seconds` without anything open, or once the server is told to end."""
    quiet_since = time.monotonic()
    while not server.should_exit:
        await server.told_to_end(IDLE_LOOK_SECONDS)
        # Units first: to look at the records each second is felt where a model answers.
        serves = bool(app.units.status())
        if serves or await asyncio.to_thread(app.has_open_work):
            quiet_since = time.monotonic()
        if time.monotonic() - max(quiet_since, last_request.at) > idle_seconds:
            log.info("nothing is open and nobody asks: ending")
            return


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


class _Server(uvicorn.Server):
    """uvicorn, with the signals left to us: an orderly end goes on after the last request."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Tick each second, which is as often as an answer's date changes; over as soon as it is told."""
        while not await self.on_tick(0):
            await self.told_to_end(1.0)

    async def told_to_end(self, at_most: float) -> None:
        """Wait for `end`, or so many seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._told.wait(), at_most)

    def end(self) -> None:
        """Answer what is under way, then return from serve(); a second call does not wait."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._told.set()


class LastRequest:
    """Notes when somebody last asked, for a server that ends when nobody does."""

    def __init__(self, app: Application) -> None:
        self._app = app
        # On a busy machine the command that started the server may be slow to ask for the first time.
        self.at = time.monotonic() + FIRST_REQUEST_SECONDS

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on."""
        self.at = time.monotonic()
        await self._app(scope, receive, send)
        self.at = time.monotonic()
