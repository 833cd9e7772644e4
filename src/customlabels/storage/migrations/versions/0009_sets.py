"""Which entries have what, as bits; source refs in longer texts, to be searched as they are"""

import zlib
from collections import defaultdict

import numpy as np
import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

REFS = 10_000  # in one text
entries = sa.table(
    "entries", *map(sa.column, ("revision_id", "position", "source_ref", "is_labeled", "errors"))
)
entry_labels = sa.table("entry_labels", *map(sa.column, ("revision_id", "label", "position")))


def upgrade() -> None:
    """Apply."""
    op.drop_table("ref_grams")
    op.drop_table("ref_blocks")
    op.drop_index(op.f("ix_entries_revision_id_is_labeled_position"), "entries")
    op.drop_index("ix_entries_with_errors", "entries")
    texts = _create("ref_texts", sa.Column("first", sa.Integer()), sa.Column("refs", sa.Text()))
    sets = _create("entry_sets", sa.Column("name", sa.Text()), sa.Column("bits", sa.LargeBinary()))
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        # Told which revisions there were, the planner takes a new one for empty, and looks at all of it for
        # each row of another. Not told, it expects some thousand rows of any. TYPE drops what it was told.
        for table in ("entries", "entry_labels"):
            for change in ("TYPE TEXT", "SET STATISTICS 0"):
                op.execute(f"ALTER TABLE {table} ALTER COLUMN revision_id {change}")
    for (revision_id,) in connection.execute(sa.select(entries.c.revision_id).distinct()).all():
        _fill(connection, revision_id, texts, sets)


def _create(name: str, key: "sa.Column[object]", value: "sa.Column[object]") -> sa.Table:
    """A table of what belongs to a revision."""
    key.nullable = value.nullable = False
    table = op.create_table(
        name,
        sa.Column("revision_id", sa.Text(), nullable=False),
        key,
        value,
        sa.ForeignKeyConstraint(
            ["revision_id"], ["revisions.id"], name=op.f(f"fk_{name}_revision_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("revision_id", key.name, name=op.f(f"pk_{name}")),
    )
    if op.get_bind().dialect.name == "postgresql":  # what is compressed takes three times as long to read
        op.execute(f"ALTER TABLE {name} ALTER COLUMN {value.name} SET STORAGE EXTERNAL")
    return table


def _fill(connection: sa.Connection, revision_id: str, texts: sa.Table, sets: sa.Table) -> None:
    """The texts and sets of a revision that was made without."""
    found: dict[str, list[int]] = defaultdict(list)
    last = -1
    while True:
        here = entries.c.revision_id == revision_id, entries.c.position > last
        page = sa.select(entries).where(*here).order_by(entries.c.position).limit(REFS)
        rows = connection.execute(page).all()
        if not rows:
            break
        refs = "\n".join(row.source_ref.replace("\n", "\r") for row in rows)
        text = {"revision_id": revision_id, "first": rows[0].position, "refs": refs}
        connection.execute(texts.insert(), text)
        last = rows[-1].position
        for row in rows:
            found["labeled" if row.is_labeled else "unlabeled"].append(row.position)
            if row.errors is not None:
                found["errors"].append(row.position)
    of_labels = sa.select(entry_labels.c.label, entry_labels.c.position)
    for label, position in connection.execute(of_labels.where(entry_labels.c.revision_id == revision_id)):
        found[f"label {label}"].append(position)
    for name, positions in found.items():
        bits = np.zeros(last + 1, np.bool_)
        bits[positions] = True
        packed = zlib.compress(np.packbits(bits).tobytes(), level=1)
        connection.execute(sets.insert(), {"revision_id": revision_id, "name": name, "bits": packed})
