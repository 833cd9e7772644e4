"""Policies, keys of the home, searches of datasets, lines left out, copies of versions"""

import json
import secrets

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply."""
    keys = op.create_table(
        "keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_keys")),
    )
    op.bulk_insert(keys, [{"name": "pages", "value": secrets.token_bytes(32)}])
    op.create_table(
        "policies",
        sa.Column("project_arn", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("revision_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["project_arn"], ["projects.arn"], name=op.f("fk_policies_project_arn")),
        sa.PrimaryKeyConstraint("project_arn", "name", name=op.f("pk_policies")),
    )
    op.create_table(
        "dropped_lines",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "position", name=op.f("pk_dropped_lines")),
    )
    op.create_index(
        op.f("ix_entries_revision_id_is_labeled_position"),
        "entries",
        ["revision_id", "is_labeled", "position"],
    )
    op.create_index(
        "ix_entries_with_errors",
        "entries",
        ["revision_id", "position"],
        sqlite_where=sa.text("errors IS NOT NULL"),
        postgresql_where=sa.text("errors IS NOT NULL"),
    )
    op.create_table(
        "ref_blocks",
        sa.Column("revision_id", sa.Text(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("refs", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["revisions.id"], name=op.f("fk_ref_blocks_revision_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("revision_id", "first", name=op.f("pk_ref_blocks")),
    )
    op.add_column("versions", sa.Column("evaluation", sa.Text()))
    op.add_column("versions", sa.Column("source_arn", sa.Text()))
    op.create_index(
        op.f("ix_versions_project_arn_created_at_arn"), "versions", ["project_arn", "created_at", "arn"]
    )
    _fill_blocks()
    _move_evaluations()


def _fill_blocks() -> None:
    """The blocks of revisions that were made without: a search looks at nothing else."""
    connection = op.get_bind()
    entries = sa.table("entries", *map(sa.column, ("revision_id", "position", "source_ref")))
    blocks = sa.table("ref_blocks", *map(sa.column, ("revision_id", "first", "last", "refs")))
    for (revision_id,) in connection.execute(sa.select(entries.c.revision_id).distinct()).all():
        position = -1
        while True:
            piece = sa.select(entries.c.position, entries.c.source_ref).where(
                entries.c.revision_id == revision_id, entries.c.position > position
            )
            rows = connection.execute(piece.order_by(entries.c.position).limit(1000)).all()
            if not rows:
                break
            first, position = rows[0].position, rows[-1].position
            refs = "\n".join(row.source_ref for row in rows)
            block = {"revision_id": revision_id, "first": first, "last": position, "refs": refs}
            connection.execute(sa.insert(blocks), block)


def _move_evaluations() -> None:
    """From the details of a version to a column of their own."""
    connection = op.get_bind()
    versions = sa.table("versions", *map(sa.column, ("arn", "details", "evaluation")))
    for arn, text in connection.execute(sa.select(versions.c.arn, versions.c.details)).all():
        details = json.loads(text)
        if evaluation := details.pop("Evaluation", None):
            change = {"details": json.dumps(details), "evaluation": json.dumps(evaluation)}
            connection.execute(sa.update(versions).where(versions.c.arn == arn).values(change))
