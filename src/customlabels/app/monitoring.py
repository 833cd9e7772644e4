"""For who watches the server: /healthz, /readyz, /metrics in OpenMetrics text, and logs of JSON lines.

Layer: app. The figures are those that the supervisor keeps anyway, written down by hand: a client library's
registry would be a second copy of them.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

from customlabels.serving import BUCKETS, VersionStatus
from customlabels.wire import Application

TEXT, OPEN_METRICS = "text/plain; charset=utf-8", "application/openmetrics-text; version=1.0.0; charset=utf-8"
requests = logging.getLogger("customlabels.requests")

# name, type, help, the value of a version
FIGURES: tuple[tuple[str, str, str, Callable[[VersionStatus], float]], ...] = (
    ("requests", "counter", "Answers of the units, refused images among them.", lambda v: v.served),
    ("refused", "counter", "Requests that found the queue full.", lambda v: v.refused),
    ("failed", "counter", "Requests that got no answer from a unit.", lambda v: v.failed),
    ("units", "gauge", "Processes that are up.", lambda v: sum(unit.pid is not None for unit in v.units)),
    ("queued", "gauge", "Requests that wait for a unit.", lambda v: v.queued),
    ("in_flight", "gauge", "Requests at work.", lambda v: v.in_flight),
    ("idle_seconds", "gauge", "Since the last request.", lambda v: v.idle_seconds),
)


class Monitoring:
    """The ASGI application in front of all others: three addresses of its own, and a log of requests."""

    def __init__(
        self,
        app: Application,
        status: Callable[[], list[VersionStatus]],
        ready: Callable[[], bool],
        *,
        open_to_all: bool,
    ) -> None:
        """open_to_all: metrics too; else these, which name versions, are for this machine only."""
        self._app, self._status, self._ready, self._open = app, status, ready, open_to_all

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or pass on."""
        path = scope["path"] if _is_plain(scope) else None
        if path == "/healthz":
            await _answer(send, 200, TEXT, "ok\n")
        elif path == "/readyz":
            await _answer(send, *((200, TEXT, "ready\n") if self._ready() else (503, TEXT, "starting\n")))
        elif path == "/metrics" and (self._open or _is_near(scope)):
            await _answer(send, 200, OPEN_METRICS, "".join(_metrics(self._status())))
        elif requests.isEnabledFor(logging.INFO) and scope["type"] == "http":
            await self._logged(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _logged(self, scope: Any, receive: Any, send: Any) -> None:
        told: dict[str, Any] = {"method": scope["method"], "path": scope["path"]}
        target = dict(scope["headers"]).get(b"x-amz-target")
        if target:
            told["operation"] = target.decode("latin-1")
        begun = time.monotonic()

        async def note(message: Any) -> None:
            if message["type"] == "http.response.start":
                told["status"] = message["status"]
                headers = dict(message["headers"])
                told["request_id"] = headers.get(b"x-amzn-requestid", b"").decode()
                told["error"] = headers.get(b"x-amzn-errortype", b"").decode()
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            told["seconds"] = round(time.monotonic() - begun, 6)
            requests.info("request", extra={"told": {name: value for name, value in told.items() if value}})


def _is_plain(scope: Any) -> bool:
    """Whether it asks for a page, not for a bucket `metrics` as clients of S3 do."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or scope.get("query_string"):
        return False
    return not any(name == b"authorization" or name.startswith(b"x-amz-") for name, _ in scope["headers"])


def _is_near(scope: Any) -> bool:
    client = scope.get("client")
    return bool(client) and ip_address(client[0]).is_loopback


def _metrics(versions: list[VersionStatus]) -> Iterator[str]:
    """The text, a line at a time; https://github.com/prometheus/OpenMetrics describes it."""
    for name, kind, text, value in FIGURES:
        yield f"# TYPE customlabels_{name} {kind}\n# HELP customlabels_{name} {text}\n"
        suffix = "_total" if kind == "counter" else ""
        for one in versions:
            yield f'customlabels_{name}{suffix}{{version="{one.version}"}} {value(one)}\n'
    name = "customlabels_answer_seconds"
    yield f"# TYPE {name} histogram\n# UNIT {name} seconds\n# HELP {name} From asking to the answer.\n"
    for one in versions:
        count = 0
        for end, found in zip((*map(str, BUCKETS), "+Inf"), one.buckets, strict=False):
            count += found
            yield f'{name}_bucket{{version="{one.version}",le="{end}"}} {count}\n'
        yield f'{name}_count{{version="{one.version}"}} {count}\n'
        yield f'{name}_sum{{version="{one.version}"}} {one.sum_seconds:.6f}\n'
    with open("/proc/self/statm") as memory:
        resident = int(memory.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    yield "# TYPE process_resident_memory_bytes gauge\n# UNIT process_resident_memory_bytes bytes\n"
    yield f"process_resident_memory_bytes {resident}\n# EOF\n"


async def _answer(send: Any, status: int, kind: str, text: str) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(text.encode())).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and what a request line tells."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        } | getattr(record, "told", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)
