"""State machines: named definitions, checked when they are written.

Layer: workflows. Plain names; refusals carry the codes of the Step Functions model, because whoever
calls has no other use for them. An execution keeps the definition that it began with, so changing or
deleting a machine does not touch its runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, bindparam, delete, or_, select, update

from customlabels.asl import InvalidDefinition, parse
from customlabels.errors import ServiceError
from customlabels.storage import Reading, Records
from customlabels.storage.schema import state_machines
from customlabels.workflows.dialects import Clock, insert_once

__all__ = ["StateMachine", "StateMachines", "check_name", "machine_row"]

# The model bounds the length only; what AWS refuses in names of machines and executions it says in words.
REFUSED_IN_NAMES = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class StateMachine:
    """A named definition. `details`: what is kept for the caller as it is (logging, tracing; wire names)."""

    arn: str
    account: str
    region: str
    name: str
    definition: str  # JSON, as given
    role_arn: str
    type: str = "STANDARD"  # | EXPRESS
    details: dict[str, Any] = field(default_factory=dict)
    status: str = "ACTIVE"
    revision_id: str = ""
    created_at: float = 0.0  # epoch seconds
    updated_at: float | None = None
    last_version: int = 0  # the highest number that was ever published


_BY_ARN = select(state_machines).where(state_machines.c.arn == bindparam("arn"))


class StateMachines:
    """The state machines of a database."""

    def __init__(self, records: Records, clock: Clock, new_id: Callable[[], str]) -> None:
        self._records = records
        self._clock = clock
        self._new_id = new_id

    def create(self, machine: StateMachine) -> StateMachine:
        """Write a new machine; the same one again is answered with the one that is there.

        Status, revision and time are set here. Raises ServiceError InvalidName, InvalidDefinition, or
        StateMachineAlreadyExists where the name stands for another definition, type or details.
        """
        check_name(machine.name)
        check_definition(machine.definition)
        made = {"status": "ACTIVE", "revision_id": self._new_id(), "created_at": self._clock()}
        row = vars(machine) | made | {"details": json.dumps(machine.details)}
        with self._records.write() as tx:
            insert_once(tx, state_machines, row)
            kept = machine_row(tx, machine.arn)
        # As on AWS the role is not compared: a second request with another one changes nothing.
        if (kept.definition, kept.type, kept.details) != (machine.definition, machine.type, machine.details):
            raise ServiceError("StateMachineAlreadyExists", f"State Machine Already Exists: '{machine.arn}'")
        return kept

    def describe(self, arn: str) -> StateMachine:
        """The machine `arn`; ServiceError StateMachineDoesNotExist."""
        with self._records.read() as reading:
            return machine_row(reading, arn)

    def list(
        self, account: str, region: str, limit: int = 100, after: tuple[float, str] | None = None
    ) -> list[StateMachine]:
        """Up to `limit` machines, newest first.

        after: created_at and arn of the last one of the page before.
        """
        columns = state_machines.c
        chosen = select(state_machines).where(columns.account == account, columns.region == region)
        if after is not None:
            same_time = and_(columns.created_at == after[0], columns.arn > after[1])
            chosen = chosen.where(or_(columns.created_at < after[0], same_time))
        with self._records.read() as reading:
            rows = reading.execute(chosen.order_by(columns.created_at.desc(), columns.arn).limit(limit))
            return [_machine(row) for row in rows]

    def update(
        self,
        arn: str,
        *,
        definition: str | None = None,
        role_arn: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> StateMachine:
        """Change what is given, for executions that start afterwards; the machine as it is then.

        Raises ServiceError StateMachineDoesNotExist or InvalidDefinition.
        """
        if definition is not None:
            check_definition(definition)
        changes = {
            "definition": definition,
            "role_arn": role_arn,
            "details": None if details is None else json.dumps(details),
            "revision_id": self._new_id(),
        }
        given = {name: value for name, value in changes.items() if value is not None}
        with self._records.write() as tx:
            tx.execute(update(state_machines).where(state_machines.c.arn == arn).values(given))
            return machine_row(tx, arn)

    def delete(self, arn: str) -> None:
        """Remove the machine; none there is no error. Its executions stay, and go on to their end."""
        with self._records.write() as tx:
            tx.execute(delete(state_machines).where(state_machines.c.arn == arn))


def machine_row(reading: Reading, arn: str) -> StateMachine:
    """The machine `arn` in this snapshot; ServiceError StateMachineDoesNotExist."""
    row = reading.execute(_BY_ARN, {"arn": arn}).first()
    if row is None:
        raise ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
    return _machine(row)


def check_name(name: str) -> None:
    """ServiceError InvalidName for a name of 0 or over 80 characters, or with one that AWS refuses."""
    if not 1 <= len(name) <= 80 or REFUSED_IN_NAMES.search(name):
        raise ServiceError("InvalidName", f"Invalid Name: '{name}'")


def check_definition(definition: str) -> None:
    """ServiceError InvalidDefinition, with every problem that was found."""
    try:
        parse(definition)
    except InvalidDefinition as error:
        raise ServiceError("InvalidDefinition", str(error)) from error


def _machine(row: Any) -> StateMachine:
    values = row._asdict()
    return StateMachine(**{**values, "details": json.loads(row.details)})
