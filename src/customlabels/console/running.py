"""A run's page: its graph, states, events, timeline, training and verdict, kept up to date by a stream."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from customlabels.console.guarding import form_of
from customlabels.console.histories import history, news, token_of, with_data
from customlabels.console.site import Ask, Site
from customlabels.console.verdicts import Verdict, verdict_of
from customlabels.console.visits import Journal, details_of, kind_of
from customlabels.drawing import STATUSES, Axis, Line, bare, line_chart, workflow_svg
from customlabels.errors import ServiceError
from customlabels.pipeline import STATE_MACHINE_NAME

EVENTS_SHOWN = 500
LOOK_SECONDS = 0.5
QUIET_SECONDS = 15.0  # after which a stream says that it is still there
TIMELINE = 1000  # units that a run is long
REFUSED = "ApprovalRefused"
STYLES = re.compile("<style>(.*?)</style>", re.DOTALL)


async def run_page(site: Site, request: Request) -> Response:
    """`/runs/ARN`, with `?state=` for what went into and came out of a state."""
    ask, arn = site.ask(request), request.path_params["arn"]
    run, machine, events = await asyncio.gather(
        ask("stepfunctions", "DescribeExecution", {"executionArn": arn}),
        ask("stepfunctions", "DescribeStateMachineForExecution", {"executionArn": arn}),
        history(ask, arn),
    )
    journal = Journal(events)
    svg = workflow_svg(json.loads(machine["definition"]), journal.statuses, link=_state_url)
    state = await _state_part(site, ask, arn, journal, request.query_params.get("state", ""))
    if "part" in request.query_params:
        return Response(state, media_type="text/html")
    return site.page(
        request,
        "run.html",
        run=run,
        graph=Markup(bare(svg)),  # noqa: S704 - drawn by our own code, which escapes names
        state=state,
        parts=await _parts(site, request, run, journal),
        rows=_rows(site, journal, events[: -EVENTS_SHOWN - 1 : -1], run),
        total=len(events),
        shown=EVENTS_SHOWN,
        last=journal.last_event,
    )


async def run_stream(site: Site, request: Request) -> Response:
    """Server-sent events: what changed since the event whose id the client has; it resumes anywhere."""
    arn = request.path_params["arn"]
    given = request.headers.get("last-event-id") or request.query_params.get("after", "0")
    after = int(given) if given.isascii() and given.isdigit() else 0
    await site.ask(request)("stepfunctions", "DescribeExecution", {"executionArn": arn})
    return StreamingResponse(_stream(site, request, arn, after), media_type="text/event-stream")


async def report_page(site: Site, request: Request) -> Response:
    """`/report/ARN`: the report of a run, one document that carries its looks and pictures within itself.

    Its policy allows exactly these looks, by their digests, and nothing from anywhere.
    """
    wanted = {"ExecutionArn": request.path_params["arn"]}
    text = (await site.ask(request)("customlabels", "GetReport", wanted))["Text"]
    digests = {b64encode(sha256(style.encode()).digest()).decode() for style in STYLES.findall(text)}
    allowed = " ".join(f"'sha256-{digest}'" for digest in sorted(digests)) or "'none'"
    policy = f"default-src 'none'; style-src {allowed}; img-src data:; frame-ancestors 'self'; sandbox"
    return HTMLResponse(text, headers={"Content-Security-Policy": policy})


async def change_run(site: Site, request: Request) -> Response:
    """Stop, redrive, approve or refuse."""
    ask, arn, form = site.ask(request), request.path_params["arn"], form_of(request)
    what, reason = form.get("do"), form.get("reason") or "in the console"
    if what == "stop":
        run = await ask("stepfunctions", "DescribeExecution", {"executionArn": arn})
        asked = {"executionArn": arn, "error": "Stopped", "cause": reason}
        await ask("stepfunctions", "StopExecution", asked)
        await _cancel_training(ask, arn, run)
    elif what == "redrive":
        await ask("stepfunctions", "RedriveExecution", {"executionArn": arn})
    elif what == "approve":
        await ask("stepfunctions", "SendTaskSuccess", {"taskToken": form.get("token", ""), "output": "true"})
    elif what == "refuse":
        refusal = {"taskToken": form.get("token", ""), "error": REFUSED, "cause": reason}
        await ask("stepfunctions", "SendTaskFailure", refusal)
    else:
        text = f"a run can be stopped, redriven, approved or refused, not {what}"
        raise ServiceError("ValidationException", text)
    return RedirectResponse(f"/runs/{quote(arn, safe=':/')}", 303)


async def _stream(site: Site, request: Request, arn: str, after: int) -> AsyncIterator[str]:
    ask = site.ask(request)
    events = await history(ask, arn)
    journal = Journal(events)
    fresh = [event for event in events if event["id"] > after]
    said: dict[str, str] = {}
    quiet = 0.0
    yield "retry: 1000\n\n"
    while not site.closing.is_set():
        run = await ask("stepfunctions", "DescribeExecution", {"executionArn": arn})
        parts = await _parts(site, request, run, journal)
        changed = {name: str(part) for name, part in parts.items() if said.get(name) != str(part)}
        if fresh or changed:
            message = {
                "graph": {name: [status, STATUSES[status]] for name, status in journal.statuses.items()},
                "parts": changed,
                "rows": _rows(site, journal, fresh[: -EVENTS_SHOWN - 1 : -1], run),
            }
            said |= changed
            yield f"id: {journal.last_event}\ndata: {json.dumps(message)}\n\n"
            quiet = 0.0
        elif quiet >= QUIET_SECONDS:
            yield ": still here\n\n"
            quiet = 0.0
        if run["status"] != "RUNNING":
            yield f"event: end\nid: {journal.last_event}\ndata: {run['status']}\n\n"
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(site.closing.wait(), LOOK_SECONDS)
        quiet += LOOK_SECONDS
        fresh = await news(ask, arn, journal.last_event)
        journal.take(fresh)


async def _parts(site: Site, request: Request, run: dict[str, Any], journal: Journal) -> dict[str, Markup]:
    """The pieces of the page that change while the run goes on, by the id of their place."""
    ask, arn = site.ask(request), run["executionArn"]
    now = run.get("stopDate") or journal.last_time
    waiting = next((v for v in journal.visits if v.ended is None and v.waits_for_token), None)
    token = await token_of(ask, arn, waiting) if waiting else ""
    verdict = await verdict_of(ask, run)
    head = {"run": run, "verdict": verdict, "token": token, "waiting": waiting, "csrf": request.state.csrf}
    return {
        "head": site.part("run_head.html", **head),
        "timeline": site.part("run_timeline.html", rows=_bars(journal, run["startDate"], now)),
        "progress": await _progress(site, ask, arn, journal),
        "cli": site.part("run_cli.html", commands=_cli(run, token, verdict)),
    }


async def _state_part(site: Site, ask: Ask, arn: str, journal: Journal, name: str) -> Markup:
    """What went into the last visit of a state, what came out, and what went wrong."""
    visit = journal.last_visit(name)
    told: dict[str, str] = {}
    if visit:
        for event in await with_data(ask, arn, visit.events):
            details = details_of(event)
            told |= {key: details[key] for key in ("input", "parameters", "output") if key in details}
    visits = len(journal.rows().get(name, []))
    return site.part("run_state.html", name=name, visit=visit, told=told, visits=visits)


async def _progress(site: Site, ask: Ask, arn: str, journal: Journal) -> Markup:
    """How far the training is that this run began; nothing where it began none."""
    version = await _version_of(ask, arn, journal)
    if not version:
        return Markup()
    try:
        training = await ask("customlabels", "DescribeTraining", {"ProjectVersionArn": version})
    except ServiceError:  # deleted since, or copied from elsewhere
        return Markup()
    return site.part("run_progress.html", training=training, charts=list(map(Markup, _curves(training))))


async def _version_of(ask: Ask, arn: str, journal: Journal) -> str:
    if not journal.trained:
        return ""
    [event] = await with_data(ask, arn, [journal.trained])
    return str(json.loads(details_of(event)["output"])["ProjectVersionArn"])


def _curves(training: dict[str, Any]) -> Iterator[str]:
    points = training.get("Curve", [])
    for title, member in (("loss", "TrainLoss"), ("F1", "ValidationF1")):
        line = [(point["Seconds"], point[member]) for point in points if member in point]
        if len(line) > 1 and line[0][0] < line[-1][0]:
            highest = 1.0 if member == "ValidationF1" else max(y for _, y in line) * 1.05 or 1.0
            axes = Axis("seconds of training", line[0][0], line[-1][0]), Axis(title, 0, highest)
            yield bare(line_chart(title, [Line(title, line)], *axes))


async def _cancel_training(ask: Ask, arn: str, run: dict[str, Any]) -> None:
    """End the training that a stopped run has begun: nobody waits for it, and others wait behind it."""
    version = await _version_of(ask, arn, Journal(await history(ask, arn)))
    if version and run["status"] == "RUNNING":
        try:
            await ask("customlabels", "CancelTraining", {"ProjectVersionArn": version})
        except ServiceError as error:
            if error.code not in ("ResourceInUseException", "ResourceNotFoundException"):  # it had ended
                raise


def _rows(site: Site, journal: Journal, events: Sequence[dict[str, Any]], run: dict[str, Any]) -> Markup:
    """Rows of the table of events, for events in any order."""
    shown = [
        {
            "id": event["id"],
            "seconds": event["timestamp"] - run["startDate"],
            "type": event["type"],
            "kind": kind_of(event),
            "state": journal.state_of(event["id"]),
            "error": details_of(event).get("error", ""),
        }
        for event in events
    ]
    return site.part("run_rows.html", events=shown)


def _bars(
    journal: Journal, start: float, now: float
) -> list[tuple[str, float, list[tuple[float, float, str]]]]:
    """Each state with its seconds and its bars (from, width, status) of TIMELINE; what touches is one bar."""
    scale = TIMELINE / max(now - start, 0.001)
    found = []
    for name, visits in journal.rows().items():
        bars: list[tuple[float, float, str]] = []
        for visit in visits:
            left = (visit.began - start) * scale
            width = max(((visit.ended or now) - visit.began) * scale, 2.0)
            if bars and bars[-1][2] == visit.status and left <= bars[-1][0] + bars[-1][1] + 1:
                last = bars.pop()
                left, width = last[0], max(left + width - last[0], last[1])
            bars.append((round(left, 1), round(width, 1), visit.status))
        found.append((name, sum((visit.ended or now) - visit.began for visit in visits), bars))
    return found


def _state_url(name: str) -> str:
    return f"?state={quote(name)}"


def _cli(run: dict[str, Any], token: str, verdict: Verdict | None) -> list[str]:
    """The commands that say what this page says, or do what its buttons do."""
    machine, name = run["stateMachineArn"].rpartition(":")[2], run["name"]
    shell = f"{machine}:{name}"
    if machine == STATE_MACHINE_NAME:
        commands = [f"customlabels follow {name}", f"customlabels stop {name}"]
    else:
        commands = [f"customlabels execution describe {shell}", f"customlabels execution stop {shell}"]
    commands.append(f"customlabels execution history {shell}")
    if machine == STATE_MACHINE_NAME:
        commands += [f"customlabels approve {name}", f"customlabels refuse {name}"] if token else []
        commands += [f"customlabels report {name}"] if verdict else []
    if run.get("redriveStatus") == "REDRIVABLE":
        commands.append(f"customlabels execution redrive {shell}")
    running = run["status"] == "RUNNING"
    return [command for command in commands if running or " stop " not in command]
