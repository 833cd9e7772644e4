"""Records: rows in transactions, on SQLite or PostgreSQL.

Layer: storage. Knows connections, transactions and the schema's age; knows nothing of what rows mean.

What a power cut leaves: SQLite runs in WAL mode with synchronous=FULL, which syncs the log before a
commit becomes visible; PostgreSQL does the same by default. So nothing that a reader has seen is lost.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self

from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    Executable,
    Table,
    create_engine,
    event,
    insert,
    make_url,
    text,
)
from sqlalchemy.pool import QueuePool

from customlabels.errors import CustomLabelsError
from customlabels.storage.listening import Listener
from customlabels.storage.migrations import migrate

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]
BUSY_MILLISECONDS = 30_000  # another process may hold the write lock for one batch, never for long


class RecordsError(CustomLabelsError):
    """The database cannot be opened or used."""


class Reading:
    """A snapshot to read from: every statement inside sees the same state."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """Run one statement of SQLAlchemy Core."""
        return self._connection.execute(statement, parameters)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._connection.dialect.name

    @property
    def database(self) -> object:
        """The same for all readings of one database."""
        return self._connection.engine


class Transaction(Reading):
    """One write transaction: all of it is kept or nothing."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.topics: set[str] = set()

    def insert(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put in many rows that have the same columns, in the fastest way that the database has."""
        if self.dialect == "sqlite":
            self.execute(insert(table), rows)
            return
        cursor: Any = self._connection.connection.cursor()
        with cursor, cursor.copy(f"COPY {table.name} ({', '.join(rows[0])}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(tuple(row.values()))

    def counted(self, *tables: Table) -> None:
        """Let the planner know what tables hold: it would find out by itself, but a minute later."""
        if self.dialect == "postgresql":
            for table in tables:
                self.execute(text(f"ANALYZE {table.name}"))

    def notify(self, topic: str) -> None:
        """Wake the subscribers of `topic` once this transaction is committed."""
        self.topics.add(topic)


class Records:
    """The database of one home. Threads may share it; only the server process writes."""

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self._writer = writer
        self._reader = reader
        # SQLite has one writer: threads of this process queue here rather than poll the file's lock.
        self._turn_to_write = threading.Lock() if writer.dialect.name == "sqlite" else nullcontext()
        self._subscribers: dict[str, list[Callable[[], None]]] = defaultdict(list)
        self.is_shared = writer.dialect.name == "postgresql"  # other server processes may use it too
        self._listener = Listener(writer.url, self._ring) if self.is_shared else None

    @classmethod
    def open(cls, url: str) -> Self:
        """Open and, where it is older than this program, migrate the database at `url`.

        Raises NewerSchema where a later program has migrated it, RecordsError where it cannot be opened.
        """
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise RecordsError(f"{url}: records need a file; an in-memory database is lost at a restart")
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            writer = _sqlite_engine(url, read_only=False)
            reader = _sqlite_engine(url, read_only=True)
        else:
            writer = create_engine(url, pool_size=8, pool_pre_ping=True)
            reader = writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        records = cls(writer, reader)
        try:
            migrate(writer)
        except BaseException:
            records.close()
            raise
        return records

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One write transaction, committed at the end of the block, rolled back where it raises.

        Keep it short: on SQLite there is one writer. No calls to the outside inside.
        """
        with self._turn_to_write, self._writer.begin() as connection:
            transaction = Transaction(connection)
            yield transaction
            if self._listener is not None:
                self._listener.tell(connection, transaction.topics)
        for topic in transaction.topics:
            self._ring(topic)

    @contextmanager
    def read(self) -> Iterator[Reading]:
        """A consistent snapshot, released at the end of the block."""
        with self._reader.begin() as connection:
            yield Reading(connection)

    def subscribe(self, topic: str, callback: Callable[[], None]) -> None:
        """Call `callback`, which must not block, after each commit that notified `topic`.

        Commits of other processes are heard of on PostgreSQL. A hint for speed only: whoever relies on a
        topic also looks by itself from time to time.
        """
        if self._listener is not None and not self._subscribers:
            self._listener.start()
        self._subscribers[topic].append(callback)

    def _ring(self, topic: str) -> None:
        for callback in tuple(self._subscribers.get(topic, ())):
            callback()

    def close(self) -> None:
        """Close every connection."""
        if self._listener is not None:
            self._listener.close()
        self._reader.dispose()
        self._writer.dispose()


def _sqlite_engine(url: str, *, read_only: bool) -> Engine:
    # Readers come from many threads, writers one at a time; the driver itself never begins a transaction.
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=8 if read_only else 1,
        max_overflow=56 if read_only else 0,
        pool_reset_on_return=None,  # each use is a transaction that ends by itself
        connect_args={"isolation_level": None, "check_same_thread": False},
    )

    def connected(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        connection.execute("PRAGMA foreign_keys = ON")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        else:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")

    def begun(connection: Connection) -> None:
        # To the driver itself: a statement of SQLAlchemy's would cost more than the reading that follows.
        connection.connection.cursor().execute("BEGIN" if read_only else "BEGIN IMMEDIATE").close()

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine
