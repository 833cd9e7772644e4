"""Records: whole transactions, told after the commit, and a schema that only migrations change."""

import json
import threading
import time
import zlib
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from customlabels.storage import NewerSchema, Records, RecordsError, migrations
from customlabels.storage.schema import buckets, metadata


def _bucket(name: str) -> dict[str, object]:
    return {"name": name, "folder": f"/{name}", "created_at": 0.0}


def _names(records: Records) -> list[str]:
    with records.read() as reading:
        return list(reading.execute(select(buckets.c.name).order_by(buckets.c.name)).scalars())


def test_an_error_takes_back_the_whole_transaction(records: Records) -> None:
    def fail_late() -> None:
        with records.write() as tx:
            tx.execute(insert(buckets), _bucket("a"))
            tx.execute(insert(buckets), [_bucket("b"), _bucket("c")])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_late()

    assert _names(records) == []


def test_subscribers_are_told_after_the_commit_and_only_then(records: Records) -> None:
    seen: list[list[str]] = []
    records.subscribe("buckets", lambda: seen.append(_names(records)))

    def fail() -> None:
        with records.write() as tx:
            tx.notify("buckets")
            raise ZeroDivisionError

    with records.write() as tx:
        tx.execute(insert(buckets), _bucket("a"))
        tx.notify("buckets")
        assert seen == []
    with pytest.raises(ZeroDivisionError):
        fail()
    with records.write() as tx:
        tx.notify("something else")

    assert seen == [["a"]]


def test_a_reading_is_one_snapshot(records: Records) -> None:
    count = select(func.count()).select_from(buckets)
    with records.read() as reading:
        before = reading.execute(count).scalar()
        with records.write() as tx:
            tx.execute(insert(buckets), _bucket("a"))
        after = reading.execute(count).scalar()

    assert (before, after, _names(records)) == (0, 0, ["a"])


def test_a_reading_cannot_write(records: Records) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)read-?only"), records.read() as reading:
        reading.execute(insert(buckets), _bucket("a"))

    assert _names(records) == []


def test_threads_that_write_queue_up(records: Records) -> None:
    def add(thread: int) -> None:
        for number in range(20):
            with records.write() as tx:
                total = tx.execute(select(func.count()).select_from(buckets)).scalar()
                tx.execute(insert(buckets), _bucket(f"{thread}-{number}-after-{total}"))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(_names(records)) == 40


def test_a_database_of_a_later_program_is_refused_and_left_alone(database: str) -> None:
    Records.open(database).close()
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(NewerSchema, match="schema 9999, this program knows up to"):
        Records.open(database)

    with engine.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"
    engine.dispose()


def test_the_migrations_lead_to_the_schema(database: str) -> None:
    migrated_to("head", database)
    Records.open(database).close()  # there is nothing to do
    engine = create_engine(database)

    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_first_start_makes_what_all_migrations_make(tmp_path: Path) -> None:
    migrated, made = (f"sqlite:///{tmp_path}/{name}.db" for name in ("migrated", "made"))
    migrated_to("head", migrated)
    Records.open(made).close()

    assert made_of(made) == made_of(migrated)


def migrated_to(revision: str, url: str, *statements: str) -> None:
    """Run the migrations of an empty database, and then these statements."""
    engine = create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def made_of(url: str) -> dict[str, list[str]]:
    """The definition of each table, index and trigger, constraints in any order; and the rows in it."""
    engine = create_engine(url)
    with engine.connect() as connection:
        made = connection.execute(text("SELECT type, name, sql FROM sqlite_master")).all()
        words = {row.name: "".join((row.sql or "").split()).removesuffix(")") for row in made}
        found = {name: sorted(definition.split(",")) for name, definition in words.items()}
        for table in (row.name for row in made if row.type == "table"):
            rows = connection.execute(text(f"SELECT * FROM {table}")).all()
            found[f"rows of {table}"] = [row[0] for row in rows]
    engine.dispose()
    return found


def test_records_need_a_file(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="in-memory"):
        Records.open("sqlite://")


def test_commits_of_another_process_are_heard_on_postgresql(database: str, records: Records) -> None:
    if not database.startswith("postgresql"):
        pytest.skip("SQLite has one server, which rings for itself")
    heard = threading.Event()
    records.subscribe("topic", heard.set)
    other = Records.open(database)
    deadline = time.monotonic() + 20

    while not heard.wait(0.05) and time.monotonic() < deadline:  # until the listener is there
        with other.write() as tx:
            tx.notify("topic")

    other.close()
    assert heard.is_set()


def test_a_home_of_the_first_schema_keeps_its_datasets_and_figures(database: str) -> None:
    """What the third migration moves: evaluations out of details; and the ninth makes of entries."""
    entry = "INSERT INTO entries VALUES ('r', {0}, 's3://photos/{0}', '{{}}', {1})"
    migrated_to(
        "0001",
        database,
        "INSERT INTO revisions VALUES ('r', 'READY', 2, 0, 0, 0, 0)",
        *(entry.format(*each) for each in ((1, "1, NULL"), (3, "0, '[]'"))),
        "INSERT INTO entry_labels VALUES ('r', 'cat', 1, 0)",
        "INSERT INTO projects VALUES ('p', '1', 'r', 'n', 'CREATED', 0)",
        "INSERT INTO versions (arn, project_arn, name, status, status_message, created_at, details)"
        """ VALUES ('v', 'p', 'n', 'STOPPED', '', 0, '{"Evaluation"\\: {"a"\\: 1}, "b"\\: 2}')""",
    )

    records = Records.open(database)
    with records.read() as reading:
        texts = reading.execute(text("SELECT * FROM ref_texts")).all()
        sets = dict(reading.execute(text("SELECT name, bits FROM entry_sets")).all())
        moved = reading.execute(text("SELECT details, evaluation FROM versions")).one()
        keys = reading.execute(text("SELECT name FROM keys")).scalars().all()
    records.close()

    assert texts == [("r", 1, "s3://photos/1\ns3://photos/3")]
    assert {name: zlib.decompress(bits) for name, bits in sets.items()} == {
        "labeled": b"\x40",  # the first bit is that of position 0, which none has
        "unlabeled": b"\x10",
        "label cat": b"\x40",
        "errors": b"\x10",
    }
    assert [json.loads(each) for each in moved] == [{"b": 2}, {"a": 1}]
    assert keys == ["pages"]
