"""State machines: named definitions, checked when they are written.

Layer: workflows. Plain names; refusals carry the codes of the Step Functions model, because whoever
calls has no other use for them. An execution keeps the definition that it began with, so changing or
deleting a machine does not touch its runs.

A machine as it was made has no revision; each change of its definition or role makes one.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from customlabels.asl import UNKNOWN_RESOURCE, InvalidDefinition, Problem, parse
from customlabels.errors import ServiceError
from customlabels.storage import Reading, Records, Transaction
from customlabels.storage.schema import machine_aliases, machine_versions, state_machines
from customlabels.workflows.dialects import Clock, insert_once

# The model bounds the length only; what AWS refuses in names of machines and executions it says in words.
REFUSED_IN_NAMES = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]")
# What the optimised integrations can do, of those that are run here; of others nothing is claimed.
OPTIMISED = {
    "states": {"startExecution"},
    "lambda": {"invoke"},
    "sqs": {"sendMessage"},
    "sns": {"publish"},
    "dynamodb": {"getItem", "putItem", "updateItem", "deleteItem"},
    "events": {"putEvents"},
}
NOT_IN_EXPRESS = re.compile(r".*(?P<pattern>\.waitForTaskToken|\.sync(?::2)?)")


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
    revision_id: str = ""  # empty until the first change
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
        check_definition(machine.definition, machine.type)
        made = {"status": "ACTIVE", "revision_id": "", "created_at": self._clock()}
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
        self, account: str, region: str, limit: int = 100, after: str | None = None
    ) -> list[StateMachine]:
        """Up to `limit` machines by their name; after: the ARN of the last one of the page before."""
        columns = state_machines.c
        chosen = select(state_machines).where(columns.account == account, columns.region == region)
        if after is not None:
            chosen = chosen.where(columns.arn > after)
        with self._records.read() as reading:
            return [_machine(row) for row in reading.execute(chosen.order_by(columns.arn).limit(limit))]

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
        if definition is not None:  # before the transaction: a large one takes its time
            check_definition(definition, self.describe(arn).type)
        with self._records.write() as tx:
            before = machine_row(tx, arn)
            given = {"definition": definition, "role_arn": role_arn}
            changes: dict[str, Any] = {
                name: value for name, value in given.items() if value not in (None, getattr(before, name))
            }
            if changes:
                changes["revision_id"] = self._new_id()
            if details is not None:
                changes["details"] = json.dumps(details)
            changes["updated_at"] = self._clock()
            tx.execute(update(state_machines).where(state_machines.c.arn == arn).values(changes))
            return machine_row(tx, arn)

    def delete(self, tx: Transaction, arn: str) -> None:
        """Remove the machine with its versions and aliases; none there is no error.

        Its executions stay, and go on to their end.
        """
        tx.execute(delete(machine_aliases).where(machine_aliases.c.machine_arn == arn))
        tx.execute(delete(machine_versions).where(machine_versions.c.machine_arn == arn))
        tx.execute(delete(state_machines).where(state_machines.c.arn == arn))


def machine_row(reading: Reading, arn: str) -> StateMachine:
    """The machine `arn` in this snapshot; ServiceError StateMachineDoesNotExist."""
    row = reading.execute(_BY_ARN, {"arn": arn}).first()
    if row is None:
        raise machine_missing(arn)
    return _machine(row)


def machine_missing(arn: str) -> ServiceError:
    """The refusal of a machine, version or alias that is not there."""
    return ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")


def check_name(name: str) -> None:
    """ServiceError InvalidName for a name of 0 or over 80 characters, or with one that AWS refuses."""
    if not 1 <= len(name) <= 80 or REFUSED_IN_NAMES.search(name):
        raise ServiceError("InvalidName", f"Invalid Name: '{name}'")


def check_definition(definition: str, kind: str = "STANDARD") -> None:
    """ServiceError InvalidDefinition, with every problem that was found. kind: STANDARD or EXPRESS."""
    try:
        _require_runnable(definition, kind)
    except InvalidDefinition as error:
        raise ServiceError("InvalidDefinition", str(error)) from error


def problems_of(definition: str, kind: str) -> list[dict[str, str]]:
    """What is wrong with a definition: `code`, `message` and, where it is somewhere, `location`."""
    try:
        _require_runnable(definition, kind)
    except InvalidDefinition as error:
        return [
            {"code": one.code, "message": one.message} | ({"location": one.location} if one.location else {})
            for one in error.problems
        ]
    return []


def _require_runnable(definition: str, kind: str) -> None:
    """InvalidDefinition too for resources that are named as they should be and cannot be used here."""
    found = []
    for place, workflow in parse(definition).workflows.items():
        for name, state in workflow.states.items():
            said = _refused_resource(state.body.resource, kind) if state.kind == "Task" else None
            if said is not None:
                found.append(Problem(said, f"{place}/States/{name}/Resource"))
    if found:
        raise InvalidDefinition(found)


def _refused_resource(resource: Any, kind: str) -> str | None:
    actions = OPTIMISED.get(resource.kind)
    if actions is not None and resource.name.partition(".")[0] not in actions:
        return UNKNOWN_RESOURCE.format(resource.arn)
    waits = NOT_IN_EXPRESS.fullmatch(resource.arn) if kind == "EXPRESS" else None
    if waits:  # an express execution is over in minutes
        return f"Express state machine does not support '{waits['pattern']}' service integration "
    return None


def _machine(row: Any) -> StateMachine:
    values = row._asdict()
    return StateMachine(**{**values, "details": json.loads(row.details)})
