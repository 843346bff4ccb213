"""Notifications"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText, UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_notification",
        sa.Column("id", BigId, nullable=False),
        sa.Column("user_id", BigId, nullable=False),
        sa.Column("kind", PlainText(63), nullable=False),
        sa.Column("actor_id", BigId, nullable=True),
        sa.Column("entity", PlainText(63), nullable=True),
        sa.Column("record_id", BigId, nullable=True),
        sa.Column("count", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("read_at", UtcDateTime, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["core_user.id"],
            name=op.f("fk_core_notification_user_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["actor_id"],
            ["core_user.id"],
            name=op.f("fk_core_notification_actor_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_notification")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_core_notification_actor_id"), "core_notification", ["actor_id"])
    op.create_index(
        "ix_core_notification_user_id_read_at_due_at",
        "core_notification",
        ["user_id", "read_at", "due_at"],
    )


def downgrade() -> None:
    op.drop_table("core_notification")
