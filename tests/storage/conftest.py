"""Every test of records runs on SQLite, and on PostgreSQL where its programs are installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from customlabels.storage import Records


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL cluster of our own, on a socket in a temporary folder."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("no /usr/lib/postgresql/*/bin/initdb: PostgreSQL is not tested")
    pytest.importorskip("psycopg")
    # PostgreSQL refuses to run as root; its socket's path must be short.
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    if user:
        shutil.chown(home, "postgres")

    def run(program: str, *arguments: str) -> None:
        command = [*user, str(programs[-1].with_name(program)), "-D", str(home / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=home)

    try:
        run("initdb", "-A", "trust", "-U", "tester", "--no-sync")
        run("pg_ctl", "-w", "-l", str(home / "log"), "-o", f"-k {home} -c listen_addresses=''", "start")
        yield f"postgresql+psycopg://tester@/{{}}?host={home}"
        run("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.db'}"
    address: str = request.getfixturevalue("postgres")
    name = f"test_{tmp_path.name.lower()}".replace("-", "_")[:60]
    engine = create_engine(address.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return address.format(name)


@pytest.fixture
def records(database: str) -> Iterator[Records]:
    """Records on an empty database."""
    opened = Records.open(database)
    yield opened
    opened.close()
