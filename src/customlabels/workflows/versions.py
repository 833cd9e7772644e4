"""Versions of state machines, which never change, and aliases, which name one or two of them.

Layer: workflows. Plain names; refusals carry the codes of the Step Functions model. An execution may be
started by the ARN of a machine, of a version (`...:NAME:3`) or of an alias (`...:NAME:PROD`).
"""

import builtins
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import delete, insert, select, update

from customlabels.errors import ServiceError
from customlabels.storage import Reading, Records, Transaction
from customlabels.storage.schema import machine_aliases, machine_versions, state_machines
from customlabels.workflows.dialects import Clock, insert_once
from customlabels.workflows.machines import StateMachine, machine_missing, machine_row

MISSING = ServiceError("ResourceNotFound", "Request references a resource that does not exist.")


@dataclass(frozen=True)
class Version:
    """A revision of a machine under a number."""

    arn: str
    machine_arn: str
    number: int
    description: str | None
    revision_id: str
    definition: str
    role_arn: str
    details: dict[str, Any]
    created_at: float


@dataclass(frozen=True)
class Alias:
    """A name for versions. routes: version ARN and weight in percent."""

    arn: str
    machine_arn: str
    name: str
    description: str | None
    routes: tuple[tuple[str, int], ...]
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True)
class Target:
    """What an execution is started from: the machine as it is run, and by which version and alias."""

    machine: StateMachine
    version: Version | None = None
    alias: Alias | None = None


def cut_machine_arn(arn: str) -> tuple[str, str | None]:
    """The machine's own ARN, and the version's number or the alias's name."""
    parts = arn.split(":")
    return ":".join(parts[:7]), parts[7] if len(parts) > 7 else None


def target_of(reading: Reading, arn: str, choice: str = "") -> Target:
    """What `arn` names; ServiceError StateMachineDoesNotExist.

    choice: of an alias with two versions, the same text gives the same one
    """
    machine_arn, qualifier = cut_machine_arn(arn)
    if qualifier is None:
        return Target(machine_row(reading, machine_arn))
    alias = None if qualifier.isdigit() else _alias(reading, arn, machine_missing(arn))
    version_arn = arn if alias is None else _chosen(alias, choice)
    row = reading.execute(select(machine_versions).where(machine_versions.c.arn == version_arn)).first()
    if row is None:
        raise machine_missing(version_arn)
    version = _read_version(row)
    machine = replace(
        machine_row(reading, machine_arn),
        definition=version.definition,
        role_arn=version.role_arn,
        revision_id=version.revision_id,
        details=version.details,
    )
    return Target(machine, version, alias)


class Versions:
    """The versions and aliases of a database."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    def publish(self, machine_arn: str, description: str | None, revision_id: str | None) -> Version:
        """Publish the machine as it is now; one whose revision is published already is answered with that.

        revision_id: which the machine must have. Raises ServiceError StateMachineDoesNotExist or
        ConflictException.
        """
        with self._records.write() as tx:
            machine = machine_row(tx, machine_arn)
            if revision_id not in (None, machine.revision_id or "INITIAL"):
                raise ServiceError(
                    "ConflictException",
                    f"Failed to publish the State Machine version for revision {revision_id}. "
                    f"The current State Machine revision is {machine.revision_id or 'INITIAL'}.",
                )
            existing = tx.execute(
                select(machine_versions).where(
                    machine_versions.c.machine_arn == machine_arn,
                    machine_versions.c.revision_id == machine.revision_id,
                )
            ).first()
            if existing is not None:
                return _read_version(existing)
            number = machine.last_version + 1
            version = Version(
                f"{machine_arn}:{number}",
                machine_arn,
                number,
                description,
                machine.revision_id,
                machine.definition,
                machine.role_arn,
                machine.details,
                self._clock(),
            )
            row = vars(version) | {"details": json.dumps(machine.details)}
            tx.execute(insert(machine_versions).values(row))
            own = state_machines.c.arn == machine_arn
            tx.execute(update(state_machines).where(own).values(last_version=number))
            return version

    def list(self, machine_arn: str, limit: int, before: int | None) -> list[Version]:
        """Up to `limit` versions, the highest number first, below `before`."""
        chosen = select(machine_versions).where(machine_versions.c.machine_arn == machine_arn)
        if before is not None:
            chosen = chosen.where(machine_versions.c.number < before)
        with self._records.read() as reading:
            rows = reading.execute(chosen.order_by(machine_versions.c.number.desc()).limit(limit))
            return [_read_version(row) for row in rows]

    def delete(self, tx: Transaction, arn: str) -> None:
        """Remove a version; none there is no error. Raises ServiceError ConflictException for an alias's."""
        users = [alias.name for alias in _aliases(tx, cut_machine_arn(arn)[0]) if arn in dict(alias.routes)]
        if users:
            raise ServiceError(
                "ConflictException",
                "Version to be deleted must not be referenced by an alias. "
                f"Current list of aliases referencing this version: [{', '.join(users)}]",
            )
        tx.execute(delete(machine_versions).where(machine_versions.c.arn == arn))

    def find(self, arn: str) -> Target:
        """What the ARN of a machine, version or alias names; ServiceError StateMachineDoesNotExist."""
        with self._records.read() as reading:
            return target_of(reading, arn)

    # ------------------------------------------------------------ aliases

    def name(self, alias: Alias) -> Alias:
        """Write a new alias; the same one again is answered with the one that is there.

        Raises ServiceError ConflictException where the name stands for something else, ResourceNotFound for
        a version that is not there.
        """
        now = self._clock()
        with self._records.write() as tx:
            _require_versions(tx, alias.routes)
            row = vars(alias) | {"routes": json.dumps(alias.routes), "created_at": now, "updated_at": now}
            insert_once(tx, machine_aliases, row)
            kept = _alias(tx, alias.arn, MISSING)
        if (kept.routes, kept.description) != (alias.routes, alias.description):
            raise ServiceError(
                "ConflictException", f"an alias {alias.name} exists already, with other values"
            )
        return kept

    def describe_alias(self, arn: str) -> Alias:
        """The alias `arn`; ServiceError ResourceNotFound."""
        with self._records.read() as reading:
            return _alias(reading, arn, MISSING)

    def list_aliases(self, arn: str, limit: int, after: tuple[float, str] | None) -> builtins.list[Alias]:
        """Up to `limit` aliases of a machine, or of one version, oldest first.

        after: created_at and arn of the last one of the page before.
        """
        machine_arn, number = cut_machine_arn(arn)
        with self._records.read() as reading:
            found = _aliases(reading, machine_arn)
        wanted = [alias for alias in found if number is None or arn in dict(alias.routes)]
        later = [alias for alias in wanted if after is None or (alias.created_at, alias.arn) > tuple(after)]
        return later[:limit]

    def change_alias(
        self, arn: str, description: str | None, routes: tuple[tuple[str, int], ...] | None
    ) -> Alias:
        """Change what is given; ServiceError ResourceNotFound."""
        changes: dict[str, Any] = {"updated_at": self._clock()}
        if description is not None:
            changes["description"] = description
        if routes is not None:
            changes["routes"] = json.dumps(routes)
        with self._records.write() as tx:
            _require_versions(tx, routes or ())
            tx.execute(update(machine_aliases).where(machine_aliases.c.arn == arn).values(changes))
            return _alias(tx, arn, MISSING)

    def delete_alias(self, tx: Transaction, arn: str) -> None:
        """Remove the alias; ServiceError ResourceNotFound."""
        _alias(tx, arn, MISSING)
        tx.execute(delete(machine_aliases).where(machine_aliases.c.arn == arn))


def _chosen(alias: Alias, choice: str) -> str:
    """One of the alias's versions, by weight; a request that is sent again goes the same way."""
    drawn = int(hashlib.sha256(choice.encode()).hexdigest(), 16) % 100
    (first, weight), *others = alias.routes
    return others[0][0] if others and drawn >= weight else first


def _require_versions(tx: Transaction, routes: Sequence[tuple[str, int]]) -> None:
    for arn, _weight in routes:
        if tx.execute(select(machine_versions.c.arn).where(machine_versions.c.arn == arn)).first() is None:
            raise MISSING


def _alias(reading: Reading, arn: str, missing: ServiceError) -> Alias:
    row = reading.execute(select(machine_aliases).where(machine_aliases.c.arn == arn)).first()
    if row is None:
        raise missing
    return _read_alias(row)


def _aliases(reading: Reading, machine_arn: str) -> list[Alias]:
    chosen = select(machine_aliases).where(machine_aliases.c.machine_arn == machine_arn)
    rows = reading.execute(chosen.order_by(machine_aliases.c.created_at, machine_aliases.c.arn))
    return [_read_alias(row) for row in rows]


def _read_version(row: Any) -> Version:
    return Version(**{**row._asdict(), "details": json.loads(row.details)})


def _read_alias(row: Any) -> Alias:
    routes = tuple((arn, weight) for arn, weight in json.loads(row.routes))
    return Alias(**{**row._asdict(), "routes": routes})
