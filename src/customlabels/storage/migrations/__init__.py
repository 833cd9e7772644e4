"""Migrations: bring a database to the schema of this program, and refuse one from a later program.

Layer: storage. A migration is one transaction on both databases, so that a power cut leaves the old schema
or the new one. Alembic is loaded only when there is something to migrate: a server's start stays quick. What
a migration adds goes into `_create` too, where it is more than a table of the schema.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from customlabels.errors import CustomLabelsError
from customlabels.storage.schema import keys, metadata

__all__ = ["HEAD", "NewerSchema", "migrate"]

HEAD = "0009"  # the last migration in versions/


class NewerSchema(CustomLabelsError):
    """The database was migrated by a later program than this one."""


def migrate(engine: Engine) -> None:
    """Migrate the database to HEAD; raises NewerSchema where its revision is not one of ours."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(4577)"))  # one migration at a time
        revision = current_revision(connection)
        if revision == HEAD:
            return
        if revision is None and engine.dialect.name == "sqlite":
            _create(connection)
            return
        if revision is not None and not _known(revision):
            raise NewerSchema(
                f"{engine.url.render_as_string()} has schema {revision}, this program knows up to {HEAD}: "
                "it was used by a later customlabels; install that version, or use another CUSTOMLABELS_HOME"
            )
        _upgrade(connection)


def current_revision(connection: Connection) -> str | None:
    """The database's last migration; None for a database without any."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _known(revision: str) -> bool:
    return any((Path(__file__).parent / "versions").glob(f"{revision}_*.py"))


def _create(connection: Connection) -> None:
    """What all migrations make of an empty file, at once: a first start in a tenth of the time."""
    metadata.create_all(connection, checkfirst=False)
    never = "BEGIN SELECT RAISE(ABORT, 'the ledger is only added to'); END"
    for statement in (
        f"CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger {never}",
        f"CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger {never}",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))",
        f"INSERT INTO alembic_version VALUES ('{HEAD}')",  # noqa: S608
    ):
        connection.execute(text(statement))
    connection.execute(keys.insert(), {"name": "pages", "value": secrets.token_bytes(32)})


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
