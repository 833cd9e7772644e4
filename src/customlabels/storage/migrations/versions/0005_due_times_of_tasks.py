"""Find the tasks that are due without reading all that wait"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply."""
    op.create_index(op.f("ix_tasks_timeout_at"), "tasks", ["timeout_at"], unique=False)
    op.create_index(op.f("ix_tasks_heartbeat_due"), "tasks", ["heartbeat_due"], unique=False)
