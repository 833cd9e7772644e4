"""What SQLite and PostgreSQL do differently here: the clock of leases, and inserting once.

Layer: workflows. A lease is a promise between servers, so where several share a PostgreSQL database its
clock decides; an SQLite database has one server, whose own clock is enough.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any

from sqlalchemy import Table, text

from customlabels.storage import Reading, Transaction

Clock = Callable[[], float]  # epoch seconds


def lease_time(reading: Reading, clock: Clock) -> float:
    """Now, in epoch seconds, as leases count it."""
    if reading.dialect == "postgresql":
        return float(reading.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
    return clock()


def insert_once(transaction: Transaction, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert `row` unless a unique key of it is taken; whether it was inserted."""
    return transaction.execute(_insertion(table, transaction.dialect), dict(row)).first() is not None


@lru_cache(maxsize=64)
def _insertion(table: Table, dialect: str) -> Any:
    made = import_module(f"sqlalchemy.dialects.{dialect}").insert(table)  # the other one is never needed
    # Asked for its key, because the two drivers do not count inserted rows alike.
    return made.on_conflict_do_nothing().returning(*table.primary_key)
