"""Who may see pages, and which requests may change something.

Layer: console. One middleware in front of every page. Where the server has access keys, somebody logs in with
one; without, only this machine's own names are answered. Each write must come from a page of ours: it carries
the token of its session, and the Origin that it was sent to. A session is a cookie that the server has
signed; its key lives as long as the server, so a restart asks for a new login and a page for a new look.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from customlabels.wire import FOREIGN_HOST, Application, Caller, Key, has_own_host

SESSION_SECONDS = 12 * 3600
LONGEST_FORM = 4 * 2**20  # bytes
WRONG_KEY_SECONDS = 1.0  # that a wrong secret costs
OPEN = ("/login", "/static/")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # not less: browsers then say `Origin: null` of our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, eq=False)
class Guard:
    """The middleware. It leaves `caller`, `csrf` and `form` (of a form that was sent) in the request's state.

    keys: who may log in; none: everybody on this machine is `local`
    """

    app: Application
    keys: Mapping[str, Key]
    local: Caller
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer, or pass on to the pages."""
        if scope["type"] != "http":
            await PlainTextResponse("pages only", 404)(scope, receive, send)
            return
        request = Request(scope, receive)
        name = f"session-{(scope.get('server') or ('', 0))[1]}"  # cookies of one host are of all its ports
        cookie, new_cookie = _cookie(request.headers, name), ""
        caller = self._caller(cookie)
        if caller is None and not self.keys:
            cookie, caller = self._signed(""), self.local
            new_cookie = _set_cookie(request, name, cookie)
        scope.setdefault("state", {}).update(caller=caller, csrf=self._mac(f"csrf {cookie}"), form={})
        answer = await self._refusal(request) or await self._session_answer(request, name)
        await (answer or self.app)(scope, receive, _with_headers(send, new_cookie))

    async def _refusal(self, request: Request) -> Response | None:
        """Why the request is not looked at."""
        if not self.keys and not has_own_host(request.scope):
            return PlainTextResponse(FOREIGN_HOST, 400)
        return None if request.method in ("GET", "HEAD") else await self._check_write(request)

    async def _session_answer(self, request: Request, name: str) -> Response | None:
        """What logs in or out, or sends somebody to do so first."""
        path = request.url.path
        if request.method == "POST" and path == "/login":
            return await self._log_in(request, name)
        if request.method == "POST" and path == "/logout":
            gone = RedirectResponse("/login", 303)
            gone.delete_cookie(name)
            return gone
        if request.state.caller is None and not path.startswith(OPEN):
            if "text/html" not in request.headers.get("accept", ""):  # a program, or a picture in a page
                return PlainTextResponse("log in at /login, or sign the request", 403)
            asked = quote(f"{path}?{request.url.query}".rstrip("?"), safe="/")
            return RedirectResponse(f"/login?next={asked}", 303)
        return None

    async def _check_write(self, request: Request) -> Response | None:
        """The refusal of a request that was not sent by one of our own pages; its form is read here."""
        origin = urlsplit(request.headers.get("origin", ""))
        if origin.netloc != request.headers.get("host") or origin.scheme not in ("http", "https"):
            return PlainTextResponse("this request was not sent by a page of this console", 403)
        token = request.headers.get("x-csrf-token", "")
        if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            body = b""
            async for piece in request.stream():
                body += piece
                if len(body) > LONGEST_FORM:
                    return PlainTextResponse(f"a form has at most {LONGEST_FORM:,} bytes", 413)
            request.state.form = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
            token = request.state.form.get("csrf", [token])[0]
        if request.url.path != "/login" and not hmac.compare_digest(
            token.encode(), request.state.csrf.encode()
        ):
            text = "the page is older than the server or its login; load it again, then repeat what you did"
            return PlainTextResponse(text, 403)
        return None

    async def _log_in(self, request: Request, name: str) -> Response:
        given = request.state.form
        access_key, secret = (given.get(part, [""])[0].strip() for part in ("access_key", "secret"))
        key = self.keys.get(access_key)
        known = hmac.compare_digest(secret.encode(), key.secret.encode()) if key else False
        if not known or key is None or not key.takes_token(""):
            await asyncio.sleep(WRONG_KEY_SECONDS)
            return RedirectResponse("/login?wrong=1", 303)
        asked = given.get("next", ["/"])[0]
        # Of this server only: `//elsewhere` and `/\\elsewhere` name other hosts.
        answer = RedirectResponse(asked if asked[:1] == "/" and asked[1:2] not in ("/", "\\") else "/", 303)
        answer.headers["set-cookie"] = _set_cookie(request, name, self._signed(access_key))
        return answer

    def _signed(self, access_key: str) -> str:
        until = int(time.time()) + SESSION_SECONDS
        said = f"{secrets.token_urlsafe(12)}.{until}.{quote(access_key, safe='')}"
        return f"{self._mac(said)}.{said}"

    def _caller(self, cookie: str) -> Caller | None:
        """Whose session the cookie is; None for one that is no longer, or never was."""
        mac, _, said = cookie.partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(said).encode()):
            return None
        _, until, access_key = said.split(".", 2)
        if int(until) < time.time():
            return None
        if not self.keys:
            return self.local
        key = self.keys.get(unquote(access_key))
        return Caller(key.account, self.local.region, unquote(access_key)) if key else None

    def _mac(self, text: str) -> str:
        return hmac.digest(self.key, text.encode(), "sha256").hex()


def form_of(request: Request) -> dict[str, str]:
    """The fields of the form that was sent, the last of each name."""
    return {name: values[-1] for name, values in request.state.form.items()}


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _set_cookie(request: Request, name: str, value: str) -> str:
    secure = "; Secure" if request.url.scheme == "https" else ""
    return f"{name}={value}; Path=/; Max-Age={SESSION_SECONDS}; HttpOnly; SameSite=Strict{secure}"


def _with_headers(send: Send, cookie: str = "") -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)  # a report brings a policy of its own
            headers.setdefault("Cache-Control", "no-store")
            if cookie:
                headers.append("set-cookie", cookie)
        await send(message)

    return sent
