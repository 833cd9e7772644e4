"""What every page needs: how to ask the API as whoever looks, how to render, how times are written.

Layer: console. A page is a few API calls and a template.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from customlabels.console.pictures import Thumbnails
from customlabels.wire import Caller

# One API call as somebody: service, operation, members -> the answer; raises ServiceError.
AskAs = Callable[[Caller, str, str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
Ask = Callable[[str, str, Mapping[str, Any]], Awaitable[dict[str, Any]]]

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, eq=False)
class Site:
    """The console of one server.

    closing: set when the server ends, for streams that would hold it up
    turns: by data set, whose changes follow one another
    """

    ask_as: AskAs
    closing: asyncio.Event
    templates: Environment
    thumbnails: Thumbnails
    turns: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    @classmethod
    def of(cls, ask_as: AskAs, closing: asyncio.Event) -> Site:
        """The console that asks by `ask_as`."""
        templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        templates.filters |= {
            "moment": moment,
            "duration": duration,
            "named": named,
            "pretty": pretty,
            "percent": lambda share: f"{100 * share:.1f} %",
            "path": lambda text: quote(text, safe=":/"),
            "picture": lambda ref: f"/images/{quote(ref.removeprefix('s3://'))}",
        }
        return cls(ask_as, closing, templates, Thumbnails())

    def ask(self, request: Request) -> Ask:
        """Calls of the API as the one who sent the request."""
        return partial(self.ask_as, request.state.caller)

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """A whole page."""
        caller = request.state.caller
        shell = {"csrf": request.state.csrf, "logged_in": bool(caller and caller.access_key)}
        return HTMLResponse(self.part(template, **shell, **values), status)

    def part(self, template: str, **values: Any) -> Markup:
        """A piece of a page; escaped, so that another template takes it as it is."""
        return Markup(self.templates.get_template(template).render(**values))  # noqa: S704 - autoescape


async def pages(
    ask: Ask, service: str, operation: str, members: Mapping[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    """The answers to a call for a list, page after page."""
    token = "nextToken" if service == "stepfunctions" else "NextToken"
    while True:
        page = await ask(service, operation, members)
        yield page
        if not page.get(token):
            return
        members = {**members, token: page[token]}


async def every(ask: Ask, service: str, operation: str, member: str, **members: Any) -> list[Any]:
    """All items of a list."""
    return [item async for page in pages(ask, service, operation, members) for item in page[member]]


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


def named(arn: str) -> str:
    """What people call the thing that an ARN names: `project/version`, `project/train`, a machine's name."""
    parts = arn.split("/")
    if parts[0].endswith(":project"):
        return "/".join(parts[1:4:2])
    return arn.rpartition(":")[2]


def pretty(text: str) -> str:
    """JSON with lines and indents; other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
