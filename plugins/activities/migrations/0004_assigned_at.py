"""Since when a task is with who is to do it"""

import sqlalchemy as sa
from alembic import op

from core.db.types import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLE = "activities_task"
_INDEX = "ix_activities_task_assignee_id_status_assigned_at"


def upgrade() -> None:
    op.add_column(_TABLE, sa.Column("assigned_at", UtcDateTime(), nullable=True))
    # Nobody wrote down before when a task came to another.
    op.execute("UPDATE activities_task SET assigned_at = created_at WHERE assignee_id IS NOT NULL")
    op.create_index(_INDEX, _TABLE, ["assignee_id", "status", "assigned_at"])


def downgrade() -> None:
    op.drop_index(_INDEX, table_name=_TABLE)
    op.drop_column(_TABLE, "assigned_at")
