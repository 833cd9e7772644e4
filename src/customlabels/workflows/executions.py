"""Executions as their owners know them: start, look at, list, stop.

Layer: workflows. Plain names; refusals carry the codes of the Step Functions model.

What a power cut leaves: an execution whose start was answered is there, with its first events; one whose
start was not answered may be there too, and the same start again is answered with it.
"""

import builtins
from collections.abc import Callable
from typing import Any

from customlabels.asl import Abort, Event, Rules, json_problem
from customlabels.errors import InvalidInput, ServiceError
from customlabels.storage import Reading, Records, Transaction
from customlabels.workflows import journal
from customlabels.workflows.activities import rules_for
from customlabels.workflows.advancing import (
    Advancing,
    first_happening,
    machine_of,
    read_snapshot,
    snapshot_text,
)
from customlabels.workflows.bells import Bells
from customlabels.workflows.dialects import Clock
from customlabels.workflows.journal import Execution, Listed, Run
from customlabels.workflows.machines import check_name, machine_row
from customlabels.workflows.redriving import redrive_status, redriven
from customlabels.workflows.versions import Target, cut_machine_arn, target_of


class Executions:
    """The executions of a database. Any thread may call; the engine does the rest of the work."""

    def __init__(self, records: Records, rules: Rules, clock: Clock) -> None:
        self._records = records
        self._rules = rules
        self._clock = clock
        self._ends = Bells(records, journal.ENDS)

    def start(
        self,
        target_arn: str,
        name: str,
        text: str,
        details: dict[str, Any] | None = None,
        keep: Callable[[Transaction, Run], None] | None = None,
        own_id: str = "",
        only: str | None = None,
    ) -> Execution:
        """Begin an execution with the input `text` (JSON); the same start while it runs gives the same one.

        target_arn: of a machine, version or alias    keep: writes the caller's own answer in the transaction
        that begins it    own_id: stands behind the name of an express execution, which may come again
        only: the type of machine that may

        Raises ServiceError InvalidName, StateMachineDoesNotExist, StateMachineTypeNotSupported,
        InvalidExecutionInput, or ExecutionAlreadyExists where the name was used with another input or its
        execution has ended.
        """
        check_name(name)
        with self._records.read() as reading:
            target = target_of(reading, target_arn, choice=name)
            machine = target.machine
            if only not in (None, machine.type):
                raise not_of_this_type()
            kind = "execution"
            if machine.type == "EXPRESS":
                kind, name = "express", f"{name}:{own_id}"
            arn = f"{machine.arn.replace(':stateMachine:', f':{kind}:', 1)}:{name}"
            existing = journal.find(reading, arn)
        if existing is not None:
            return _same(existing, text)
        problem = json_problem(text) if text else "Invalid execution input."
        if problem is not None:
            raise _invalid_input(problem)
        now = self._clock()
        run = Run(arn, machine.arn, name, machine.definition, machine.role_arn, text, now)
        advancing = Advancing(run, now, rules_for(self._records, self._rules, run.definition))
        try:
            advancing.feed(first_happening(run))
        except InvalidInput as error:
            raise _invalid_input(str(error)) from None
        with self._records.write() as tx:
            begun = journal.begin(tx, advancing.result(), _started_from(target) | (details or {}))
            if begun and keep is not None:
                keep(tx, run)
        return begun or _same(self.describe(arn), text)

    def describe(self, arn: str) -> Execution:
        """The execution `arn`; ServiceError ExecutionDoesNotExist."""
        with self._records.read() as reading:
            return _found(reading, arn)

    def list(
        self,
        machine_arn: str,
        status: str | None = None,
        limit: int = 100,
        after: tuple[float, str] | None = None,
        redriven: bool | None = None,
    ) -> list[Listed]:
        """Up to `limit` executions of a machine, version or alias, newest first.

        after: started_at and arn of the last one of the page before    redriven: only those that were, or
        were not. Raises ServiceError StateMachineDoesNotExist, StateMachineTypeNotSupported.
        """
        own, qualifier = cut_machine_arn(machine_arn)
        with self._records.read() as reading:
            if machine_row(reading, own).type == "EXPRESS":
                raise not_of_this_type()
            via = None if qualifier is None else machine_arn
            return journal.newest(reading, own, status, limit, after, via, redriven)

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

    def redrive(self, arn: str, keep: Callable[[Transaction, float], None] | None = None) -> float:
        """Let an execution that ended badly go on from where it failed; the time of it, epoch seconds.

        keep: as for `start`, with that time. Raises ServiceError ExecutionDoesNotExist or
        ExecutionNotRedrivable.
        """
        with self._records.read() as reading:
            execution = _found(reading, arn)
            state, last_event = journal.kept_state(reading, arn), journal.last_event_id(reading, arn)
        now = self._clock()
        _status, reason = redrive_status(execution, now)
        if reason is not None or state is None:
            raise _not_redrivable(reason)
        machine, count = machine_of(execution.definition), execution.redrive_count + 1
        going_on, event = redriven(read_snapshot(state), machine, last_event, count, now)
        with self._records.write() as tx:
            done = journal.redrive(tx, execution, snapshot_text(going_on), event)
            if done and keep is not None:
                keep(tx, now)
        if not done:
            raise _not_redrivable("Execution is RUNNING and cannot be redriven")  # another was quicker
        return now

    async def ended(self, arn: str, seconds: float) -> Execution | None:
        """The execution once it has ended; None where that takes longer. Belongs to the server's loop."""

        def look() -> Execution | None:
            execution = self.describe(arn)
            return None if execution.status == "RUNNING" else execution

        return await self._ends.until(look, seconds)

    def running(self) -> int:
        """How many executions have not ended: open work, for which a server stays alive."""
        with self._records.read() as reading:
            return journal.count_running(reading)


def _found(reading: Reading, arn: str) -> Execution:
    execution = journal.find(reading, arn)
    if execution is None:
        raise ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
    return execution


def _not_redrivable(reason: str | None) -> ServiceError:
    return ServiceError("ExecutionNotRedrivable", f"Execution Not Redrivable: '{reason}'")


def not_of_this_type() -> ServiceError:
    """The refusal of what a machine of the other type could do."""
    text = "This operation is not supported by this type of state machine"
    return ServiceError("StateMachineTypeNotSupported", text)


def _started_from(target: Target) -> dict[str, Any]:
    """What an execution remembers of its machine as it was."""
    machine = target.machine
    told = {
        "version": target.version.arn if target.version else None,
        "alias": target.alias.arn if target.alias else None,
        "machine": {
            **machine.details,
            "revisionId": machine.revision_id or None,
            "updatedAt": machine.updated_at,
        },
    }
    return {name: value for name, value in told.items() if value is not None}


def _invalid_input(problem: str) -> ServiceError:
    return ServiceError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{problem}'")


def _same(existing: Execution, text: str) -> Execution:
    if existing.status == "RUNNING" and existing.input == text:
        return existing
    raise ServiceError("ExecutionAlreadyExists", f"Execution Already Exists: '{existing.arn}'")
