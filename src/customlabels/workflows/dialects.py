"""What SQLite and PostgreSQL do differently here: the clock of leases, and inserting once.

Layer: workflows. A lease is a promise between servers, so where several share a PostgreSQL database its
clock decides; an SQLite database has one server, whose own clock is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Table, text
from sqlalchemy.dialects import postgresql, sqlite

from customlabels.storage import Reading, Transaction

__all__ = ["Clock", "insert_once", "lease_time"]

Clock = Callable[[], float]  # epoch seconds


def lease_time(reading: Reading, clock: Clock) -> float:
    """Now, in epoch seconds, as leases count it."""
    if reading.dialect == "postgresql":
        return float(reading.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
    return clock()


def insert_once(transaction: Transaction, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert `row` unless a unique key of it is taken; whether it was inserted."""
    dialect = postgresql if transaction.dialect == "postgresql" else sqlite
    insert = dialect.insert(table).values(**row).on_conflict_do_nothing()
    # Asked for its key, because the two drivers do not count inserted rows alike.
    return transaction.execute(insert.returning(*table.primary_key)).first() is not None
