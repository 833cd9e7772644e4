"""The console's pages: HTML from the server, our own style sheet, no script.

Layer: console. A page is a few API calls and a template; a page of something that still changes asks the
browser to load it again.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from customlabels.drawing import workflow_svg
from customlabels.errors import ServiceError

__all__ = ["Ask", "console_app"]

# One API call: service, operation, members -> the answer; raises ServiceError.
Ask = Callable[[str, str, Mapping[str, Any]], Awaitable[dict[str, Any]]]

HERE = Path(__file__).parent
RUNS_SHOWN = 50
EVENTS_SHOWN = 500
# A page of this machine only answers to this machine's names, so that no other site can borrow them.
HOSTS = ["127.0.0.1", "localhost", "[::1]", "testserver"]
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def console_app(ask: Ask) -> Starlette:
    """The ASGI application of the pages; everything that it shows comes through `ask`."""
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    templates.filters |= {"moment": moment, "duration": duration}

    def page(name: str, status: int = 200, **values: Any) -> Response:
        return HTMLResponse(templates.get_template(name).render(**values), status, headers=HEADERS)

    async def start(_request: Request) -> Response:
        runs = await _newest_runs(ask)
        versions = (await ask("customlabels", "ListUnits", {}))["Versions"]
        return page("start.html", runs=runs, versions=versions, refresh=_is_open(runs))

    async def run(request: Request) -> Response:
        arn = request.path_params["arn"]
        description = await ask("stepfunctions", "DescribeExecution", {"executionArn": arn})
        machine = await ask("stepfunctions", "DescribeStateMachineForExecution", {"executionArn": arn})
        events = await _history(ask, arn)
        svg = workflow_svg(json.loads(machine["definition"]), state_statuses(events))
        return page(
            "run.html",
            run=description,
            output=_pretty(description.get("output", "")),
            events=events[: -EVENTS_SHOWN - 1 : -1],
            total=len(events),
            graph=Markup(svg),  # noqa: S704 - drawn by our own code, which escapes names
            refresh=description["status"] == "RUNNING",
        )

    async def refused(_request: Request, error: Exception) -> Response:
        return page("refused.html", status=404, error=error, refresh=False)

    return Starlette(
        routes=[
            Route("/", start),
            Route("/runs/{arn}", run),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
        exception_handlers={ServiceError: refused},
    )


async def _newest_runs(ask: Ask) -> list[dict[str, Any]]:
    """Runs of all state machines, newest first."""
    machines = (await ask("stepfunctions", "ListStateMachines", {}))["stateMachines"]
    runs: list[dict[str, Any]] = []
    for machine in machines:
        wanted = {"stateMachineArn": machine["stateMachineArn"], "maxResults": RUNS_SHOWN}
        runs += (await ask("stepfunctions", "ListExecutions", wanted))["executions"]
    return sorted(runs, key=lambda run: float(run["startDate"]), reverse=True)[:RUNS_SHOWN]


async def _history(ask: Ask, arn: str) -> list[dict[str, Any]]:
    """Every event, oldest first; the service itself bounds a history to 25,000."""
    wanted: dict[str, Any] = {"executionArn": arn, "maxResults": 1000, "includeExecutionData": False}
    events: list[dict[str, Any]] = []
    while True:
        page = await ask("stepfunctions", "GetExecutionHistory", wanted)
        events += page["events"]
        if not page.get("nextToken"):
            return events
        wanted["nextToken"] = page["nextToken"]


def _is_open(runs: list[dict[str, Any]]) -> bool:
    return any(run["status"] == "RUNNING" for run in runs)


def state_statuses(events: list[dict[str, Any]]) -> dict[str, str]:
    """Each state's last status by name, as the graph colours it: RUNNING once entered, then SUCCEEDED.

    What was still RUNNING when the execution ended badly is FAILED.
    """
    statuses: dict[str, str] = {}
    for event in events:
        if "stateEnteredEventDetails" in event:
            statuses[event["stateEnteredEventDetails"]["name"]] = "RUNNING"
        elif "stateExitedEventDetails" in event:
            statuses[event["stateExitedEventDetails"]["name"]] = "SUCCEEDED"
        elif event["type"] in ("ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"):
            statuses |= {name: "FAILED" for name, status in statuses.items() if status == "RUNNING"}
    return statuses


def moment(seconds: float) -> str:
    """A time of the API (epoch seconds) as people of this machine read it."""
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"


def duration(seconds: float) -> str:
    """A length of time in its two largest units: `4.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
