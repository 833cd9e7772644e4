"""Which entries have what, as bits; source refs in longer texts, to be searched as they are"""

import zlib
from collections import defaultdict

import numpy as np
import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

REFS = 10_000  # in one text
TABLE = (
    "CREATE TABLE {0} (revision_id TEXT NOT NULL, {1} {2} NOT NULL, {3} {4} NOT NULL, "
    "CONSTRAINT pk_{0} PRIMARY KEY (revision_id, {1}), "
    "CONSTRAINT fk_{0}_revision_id FOREIGN KEY(revision_id) REFERENCES revisions (id) ON DELETE CASCADE)"
)
texts = sa.table("ref_texts", *map(sa.column, ("revision_id", "first", "refs")))
sets = sa.table("entry_sets", *map(sa.column, ("revision_id", "name", "bits")))


def upgrade() -> None:
    """Apply."""
    connection = op.get_bind()
    on_postgresql = connection.dialect.name == "postgresql"
    op.execute(TABLE.format("ref_texts", "first", "INTEGER", "refs", "TEXT"))
    op.execute(TABLE.format("entry_sets", "name", "TEXT", "bits", "BYTEA" if on_postgresql else "BLOB"))
    op.drop_table("ref_grams")
    op.drop_table("ref_blocks")
    op.drop_index(op.f("ix_entries_revision_id_is_labeled_position"), "entries")
    op.drop_index("ix_entries_with_errors", "entries")
    if on_postgresql:
        for table, column in (("ref_texts", "refs"), ("entry_sets", "bits")):
            # What is compressed takes three times as long to read.
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
        for table in ("entries", "entry_labels"):
            # Told which revisions there were, the planner takes a new one for empty, and looks at all of it
            # for each row of another. Not told, it expects thousands of rows. TYPE drops what it was told.
            op.execute(f"ALTER TABLE {table} ALTER COLUMN revision_id TYPE TEXT")
            op.execute(f"ALTER TABLE {table} ALTER COLUMN revision_id SET STATISTICS 0")
    for (revision_id,) in connection.execute(sa.text("SELECT DISTINCT revision_id FROM entries")).all():
        _fill(connection, revision_id)


def _fill(connection: sa.Connection, revision_id: str) -> None:
    """The texts and sets of a revision that was made without."""
    of_revision = {"id": revision_id}
    entries = "SELECT position, source_ref, is_labeled, errors FROM entries WHERE revision_id = :id"
    labels = "SELECT label, position FROM entry_labels WHERE revision_id = :id"
    rows = connection.execute(sa.text(f"{entries} ORDER BY position"), of_revision).all()
    for start in range(0, len(rows), REFS):
        refs = "\n".join(row.source_ref.replace("\n", "\r") for row in rows[start : start + REFS])
        text = {"revision_id": revision_id, "first": rows[start].position, "refs": refs}
        connection.execute(texts.insert(), text)
    found: dict[str, list[int]] = defaultdict(list)
    for position, _ref, is_labeled, errors in rows:
        found["labeled" if is_labeled else "unlabeled"].append(position)
        if errors is not None:
            found["errors"].append(position)
    for label, position in connection.execute(sa.text(labels), of_revision):
        found[f"label {label}"].append(position)
    for name, positions in found.items():
        bits = np.zeros(rows[-1].position + 1, np.bool_)
        bits[positions] = True
        packed = zlib.compress(np.packbits(bits).tobytes(), level=1)
        connection.execute(sets.insert(), {"revision_id": revision_id, "name": name, "bits": packed})
