"""From a request to its handler: the table of operations, and what a handler is given.

Layer: operations. The wire has checked a request against its model before it comes here; what stays for
a handler are our own rules.

What a power cut leaves: `Call.write` keeps the effect of a request and the answer to its token in one
transaction. Either both are there, and the same token is answered again without a second effect, or neither.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError

from customlabels.errors import ServiceError
from customlabels.operations.arns import Stamps
from customlabels.operations.parts import Parts
from customlabels.storage import Reading, Transaction, schema
from customlabels.wire import Invocation

Response = dict[str, Any]
Handler = Callable[["Call"], Response | Awaitable[Response]]
Effect = Callable[[Transaction], Response | None]  # None: nothing to say
Work = Callable[[Transaction, "Call"], Response | None]

# SQLSTATEs: a name is taken, a row referred to is gone, a deadlock, no order of the two is possible.
COLLISIONS = {"23505", "23503", "40P01", "40001"}
TRIES = 5
AT_ONCE = 16  # handlers at work for the HTTP port

_handlers: dict[tuple[str, str], Handler] = {}


@dataclass(frozen=True, kw_only=True)
class Call(Invocation):
    """One request: its checked members, who asks, when, and the parts to do it with."""

    parts: Parts
    now: float
    stamps: Stamps

    @property
    def name(self) -> str:
        """What is asked for, as no other service has it."""
        return f"{self.service}.{self.operation}"

    def stamp(self) -> int:
        """A creation time in epoch milliseconds that no other resource of this server has."""
        return self.stamps.next(self.now)

    def write(self, effect: Effect) -> Response:
        """Apply `effect` in one transaction; a token that was answered before has no second effect.

        Where several write at once (PostgreSQL), one of two that want the same name or wait for each other
        begins again, and then sees what the other has done.
        """
        for _ in range(TRIES - 1):
            try:
                return self._write(effect)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in COLLISIONS:
                    raise
        return self._write(effect)

    def _write(self, effect: Effect) -> Response:
        with self.parts.records.write() as tx:
            answer = self._answered(tx)
            if answer is None:
                answer = effect(tx) or {}
                self.keep(tx, answer)
        return answer

    def answered(self) -> Response | None:
        """What this token was answered before; None where it is new, or where there is no token."""
        if self.token is None:
            return None
        with self.parts.records.read() as reading:
            return self._answered(reading)

    def _answered(self, reading: Reading) -> Response | None:
        if self.token is None:
            return None
        answers = schema.answers
        stored = reading.execute(select(answers.c.response).where(answers.c.token == self.token)).scalar()
        answer: Response | None = None if stored is None else orjson.loads(stored)
        return answer

    def keep(self, tx: Transaction, answer: Response) -> None:
        """Write what the token is answered, in the transaction of its effect."""
        if self.token is None:
            return
        row = {"token": self.token, "operation": self.name, "created_at": self.now}
        tx.execute(insert(schema.answers), row | {"response": orjson.dumps(answer).decode()})


def operation(service: str, name: str) -> Callable[[Handler], Handler]:
    """Enter the function below as the handler of `name` in `service`."""

    def enter(handler: Handler) -> Handler:
        if (service, name) in _handlers:
            raise ValueError(f"{service} {name} has two handlers: {_handlers[service, name]} and {handler}")
        _handlers[service, name] = handler
        return handler

    return enter


def writing(service: str, name: str) -> Callable[[Work], Work]:
    """Enter the function below as a handler that is one transaction: its answer is that of `Call.write`."""

    def enter(work: Work) -> Work:
        operation(service, name)(lambda call: call.write(lambda tx: work(tx, call)))
        return work

    return enter


def table() -> Mapping[tuple[str, str], Handler]:
    """Every handler by (service, operation)."""
    return MappingProxyType(_handlers)


class Dispatcher:
    """Runs requests: those of the HTTP port (`acall`) and those of an execution's tasks (`call`)."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._stamps = Stamps()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="operations")

    def call(self, invocation: Invocation) -> Response:
        """Answer from any thread but the loop's own; ServiceError where the request is refused."""
        handler = self._handler(invocation)
        if inspect.iscoroutinefunction(handler):
            return self.parts.run_on_loop(handler(self._begin(invocation)))
        return self._run(handler, invocation)

    async def acall(self, invocation: Invocation) -> Response:
        """Answer on the loop: handlers that wait run here, all others in the pool of threads."""
        handler = self._handler(invocation)
        if inspect.iscoroutinefunction(handler):
            answer: Response = await handler(self._begin(invocation))
            return answer
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, handler, invocation)

    def close(self) -> None:
        """Let the handlers at work end, then give their threads back."""
        self._threads.shutdown()

    def _run(self, handler: Handler, invocation: Invocation) -> Response:
        call = self._begin(invocation)
        # The handler may look at objects before it writes; they may be gone when a token comes again.
        answer: Any = call.answered()
        if answer is None:
            answer = handler(call)
        assert isinstance(answer, dict)
        return answer

    def _begin(self, invocation: Invocation) -> Call:
        return Call(**vars(invocation), parts=self.parts, now=self.parts.clock(), stamps=self._stamps)

    @staticmethod
    def _handler(invocation: Invocation) -> Handler:
        handler = _handlers.get((invocation.service, invocation.operation))
        if handler is None:
            raise ServiceError(
                "UnknownOperationException",
                f"{invocation.operation} of {invocation.service} is not offered by this server",
            )
        return handler
