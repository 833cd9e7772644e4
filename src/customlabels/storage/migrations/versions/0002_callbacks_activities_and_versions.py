"""Callbacks, activities, versions and aliases of state machines, redrive"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "activities",
        sa.Column("arn", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name=op.f("pk_activities")),
    )
    op.create_table(
        "machine_aliases",
        sa.Column("arn", sa.Text(), nullable=False),
        sa.Column("machine_arn", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("routes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name=op.f("pk_machine_aliases")),
        sa.UniqueConstraint("machine_arn", "name", name=op.f("uq_machine_aliases_machine_arn_name")),
    )
    op.create_table(
        "machine_versions",
        sa.Column("arn", sa.Text(), nullable=False),
        sa.Column("machine_arn", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("revision_id", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("role_arn", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name=op.f("pk_machine_versions")),
        sa.UniqueConstraint("machine_arn", "number", name=op.f("uq_machine_versions_machine_arn_number")),
    )
    op.add_column("state_machines", sa.Column("updated_at", sa.Float(), nullable=True))
    op.add_column(
        "state_machines", sa.Column("last_version", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("executions", sa.Column("stopping", sa.Text(), nullable=True))
    op.add_column("executions", sa.Column("redrive_count", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("executions", sa.Column("redriven_at", sa.Float(), nullable=True))
    op.add_column("tasks", sa.Column("answer", sa.Text(), nullable=True))
    op.add_column("tasks", sa.Column("awaits", sa.Text(), nullable=True))
    op.create_index(op.f("ix_tasks_awaits"), "tasks", ["awaits"], unique=False)
    op.create_index(
        op.f("ix_tasks_resource_status_created_at"),
        "tasks",
        ["resource", "status", "created_at"],
        unique=False,
    )
