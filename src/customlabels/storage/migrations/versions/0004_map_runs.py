"""Map runs and their children"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "map_runs",
        sa.Column("arn", sa.Text(), nullable=False),
        sa.Column("execution_arn", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("max_concurrency", sa.Integer(), nullable=False),
        sa.Column("tolerated_count", sa.Integer(), nullable=True),
        sa.Column("tolerated_percentage", sa.Float(), nullable=True),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("stopped_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["execution_arn"],
            ["executions.arn"],
            name=op.f("fk_map_runs_execution_arn"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("arn", name=op.f("pk_map_runs")),
        sa.UniqueConstraint("token", name=op.f("uq_map_runs_token")),
    )
    op.create_index(op.f("ix_map_runs_execution_arn_started_at"), "map_runs", ["execution_arn", "started_at"])
    op.create_index(op.f("ix_map_runs_status"), "map_runs", ["status"])
    op.create_table(
        "map_children",
        sa.Column("map_run_arn", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("execution_arn", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["map_run_arn"],
            ["map_runs.arn"],
            name=op.f("fk_map_children_map_run_arn"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("map_run_arn", "position", name=op.f("pk_map_children")),
    )
    op.create_index(op.f("ix_map_children_map_run_arn_status"), "map_children", ["map_run_arn", "status"])
