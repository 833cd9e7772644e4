"""Executions as their owners know them: start, look at, list, stop.

Layer: workflows. Plain names; refusals carry the codes of the Step Functions model.

What a power cut leaves: an execution whose start was answered is there, with its first events; one whose
start was not answered may be there too, and the same start again is answered with it.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from customlabels.asl import Abort, Event, Rules
from customlabels.errors import InvalidInput, ServiceError
from customlabels.storage import Records, Transaction
from customlabels.workflows import journal
from customlabels.workflows.advancing import Advancing, first_happening
from customlabels.workflows.dialects import Clock
from customlabels.workflows.journal import Execution, Listed, Run
from customlabels.workflows.machines import check_name, machine_row

__all__ = ["Executions"]


class Executions:
    """The executions of a database. Any thread may call; the engine does the rest of the work."""

    def __init__(self, records: Records, rules: Rules, clock: Clock) -> None:
        self._records = records
        self._rules = rules
        self._clock = clock

    def start(
        self,
        machine_arn: str,
        name: str,
        text: str,
        details: dict[str, Any] | None = None,
        keep: Callable[[Transaction, Run], None] | None = None,
    ) -> Execution:
        """Begin an execution with the input `text` (JSON); the same start while it runs gives the same one.

        keep: writes the caller's own answer in the transaction that begins it.

        Raises ServiceError InvalidName, StateMachineDoesNotExist, InvalidExecutionInput, or
        ExecutionAlreadyExists where the name was used with another input or its execution has ended.
        """
        check_name(name)
        arn = f"{machine_arn.replace(':stateMachine:', ':execution:', 1)}:{name}"
        with self._records.read() as reading:
            machine = machine_row(reading, machine_arn)
            existing = journal.find(reading, arn)
        if existing is not None:
            return _same(existing, text)
        now = self._clock()
        run = Run(arn, machine_arn, name, machine.definition, machine.role_arn, text, now)
        advancing = Advancing(run, now, self._rules)
        try:
            advancing.feed(first_happening(run))
        except InvalidInput as error:
            raise ServiceError(
                "InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'"
            ) from None
        with self._records.write() as tx:
            begun = journal.begin(tx, advancing.result(), details or {})
            if begun and keep is not None:
                keep(tx, run)
        return self.describe(arn) if begun else _same(self.describe(arn), text)

    def describe(self, arn: str) -> Execution:
        """The execution `arn`; ServiceError ExecutionDoesNotExist."""
        with self._records.read() as reading:
            execution = journal.find(reading, arn)
        if execution is None:
            raise ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return execution

    def list(
        self,
        machine_arn: str,
        status: str | None = None,
        limit: int = 100,
        after: tuple[float, str] | None = None,
    ) -> list[Listed]:
        """Up to `limit` executions of a machine, newest first.

        after: started_at and arn of the last one of the page before. Raises ServiceError
        StateMachineDoesNotExist.
        """
        with self._records.read() as reading:
            machine_row(reading, machine_arn)
            return journal.newest(reading, machine_arn, status, limit, after)

    def history(
        self, arn: str, limit: int = 100, after: int | None = None, reverse: bool = False
    ) -> builtins.list[Event]:
        """Up to `limit` events, oldest first or in reverse.

        after: the id of the last event of the page before. Raises ServiceError ExecutionDoesNotExist.
        """
        with self._records.read() as reading:
            events = journal.history(reading, arn, limit, after, reverse)
        if not events:
            self.describe(arn)
        return events

    def stop(self, arn: str, error: str | None = None, cause: str | None = None) -> Execution:
        """End an execution as ABORTED; one that has ended stays as it is.

        Raises ServiceError ExecutionDoesNotExist.
        """
        while True:
            with self._records.read() as reading:
                run = journal.running(reading, [arn]).get(arn)
            if run is None:
                return self.describe(arn)
            now = self._clock()
            advancing = Advancing(run, now, self._rules)
            advancing.feed(Abort(error, cause))
            with self._records.write() as tx:
                # Where the engine was faster, the run has moved on and is read again.
                journal.apply(tx, [advancing.result()], now)

    def running(self) -> int:
        """How many executions have not ended: open work, for which a server stays alive."""
        with self._records.read() as reading:
            return journal.count_running(reading)


def _same(existing: Execution, text: str) -> Execution:
    if existing.status == "RUNNING" and existing.input == text:
        return existing
    raise ServiceError("ExecutionAlreadyExists", f"Execution Already Exists: '{existing.arn}'")
