"""A database of one's own for every test, and a running server's parts around it.

CUSTOMLABELS_TEST_POSTGRES, the address of a PostgreSQL server (postgresql+psycopg://user@host/postgres),
makes the whole room be tested on it; without it, SQLite is.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url
from tests.storage import conftest as storage_fixtures
from tests.workflows.stage import Stage

from customlabels.storage import Records

postgres = storage_fixtures.postgres


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    """The address of a new database."""
    server = os.environ.get("CUSTOMLABELS_TEST_POSTGRES")
    if not server:
        yield f"sqlite:///{tmp_path / 'records.db'}"
        return
    yield from _database_on(server)


@pytest.fixture
def shared_database(postgres: str) -> Iterator[str]:
    """The address of a new database on PostgreSQL, which several processes may use at once."""
    yield from _database_on(postgres.format("postgres"))


def _database_on(server: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    administrator = create_engine(server, isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    administrator.dispose()


@pytest.fixture
def records(database: str) -> Iterator[Records]:
    """A new database, open."""
    opened = Records.open(database)
    yield opened
    opened.close()


@pytest.fixture
def stage(records: Records) -> Iterator[Stage]:
    """Parts around a new database, with the engine running."""
    parts = Stage(records)
    parts.engine.start()
    yield parts
    parts.answers.go_on.set()
    parts.engine.close()
