"""The console as one ASGI application: its addresses, its refusals, its files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from customlabels.console.galleries import (
    add_images,
    change_entries,
    desk_page,
    gallery_page,
    save_entry,
    suggest,
)
from customlabels.console.guarding import Guard
from customlabels.console.models import compare_page, detect, model_page, scores, try_page
from customlabels.console.running import change_run, report_page, run_page, run_stream
from customlabels.console.site import AskAs, Site
from customlabels.console.starting import change_model, projects_page, start_page
from customlabels.drawing import SHEET
from customlabels.errors import ServiceError
from customlabels.wire import Application, Caller, Key

STATIC = Path(__file__).parent / "static"
STATUSES = {
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ExecutionDoesNotExist": 404,
    "InvalidArn": 404,
}

Handler = Callable[[Site, Request], Awaitable[Response]]
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/", start_page),
    ("POST", "/models", change_model),
    ("GET", "/models/{arn:path}", model_page),
    ("GET", "/scores/{arn:path}", scores),
    ("GET", "/compare", compare_page),
    ("GET", "/try/{arn:path}", try_page),
    ("POST", "/try/{arn:path}", detect),
    ("GET", "/datasets", projects_page),
    ("GET", "/datasets/{arn:path}", gallery_page),
    ("POST", "/datasets/{arn:path}", change_entries),
    ("GET", "/desk/{arn:path}", desk_page),
    ("POST", "/desk/{arn:path}", save_entry),
    ("POST", "/suggest", suggest),
    ("POST", "/add/{arn:path}", add_images),
    ("GET", "/runs/{arn:path}", run_page),
    ("POST", "/runs/{arn:path}", change_run),
    ("GET", "/stream/{arn:path}", run_stream),
    ("GET", "/report/{arn:path}", report_page),
)


def console_app(ask_as: AskAs, keys: Mapping[str, Key], local: Caller, closing: asyncio.Event) -> Application:
    """The ASGI application of the pages; everything that it shows and does goes through `ask_as`.

    keys: who may log in; without any, whoever is on this machine is `local`
    closing: set when the server ends
    """
    site = Site.of(ask_as, closing)

    async def login(request: Request) -> Response:
        wrong, asked = "wrong" in request.query_params, request.query_params.get("next", "/")
        return site.page(request, "login.html", wrong=wrong, asked=asked)

    async def image(request: Request) -> Response:
        return await site.thumbnails.answer(request, site.ask(request))

    async def sheet(_request: Request) -> Response:
        return PlainTextResponse(SHEET, media_type="text/css", headers={"Cache-Control": "max-age=60"})

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 400
        text = "there is no such page" if status == 404 else str(error)
        if isinstance(error, ServiceError):
            status, text = STATUSES.get(error.code, 400), error.message
        if request.method == "POST" and "x-csrf-token" in request.headers:  # by a script, not by a form
            return PlainTextResponse(text, status)
        return site.page(request, "refused.html", status=status, text=text)

    pages = [Route(path, partial(handler, site), methods=[method]) for method, path, handler in ROUTES]
    files = [
        Route("/login", login),
        Route("/static/drawings.css", sheet),
        Mount("/static", StaticFiles(directory=STATIC)),
        Route("/images/{bucket}/{key:path}", image),
    ]
    refusals = {ServiceError: refused, HTTPException: refused}
    return Guard(Starlette(routes=[*pages, *files], exception_handlers=refusals), keys, local)
