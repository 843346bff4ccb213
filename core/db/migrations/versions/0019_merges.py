"""Records that became one"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, Json, PlainText, UtcDateTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_merge",
        sa.Column("id", BigId, nullable=False),
        sa.Column("user_id", BigId, nullable=True),
        sa.Column("entity", PlainText(63), nullable=False),
        sa.Column("record_id", BigId, nullable=False),
        sa.Column("merged", Json, nullable=False),
        sa.Column("memo", Json, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("undone_at", UtcDateTime, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["core_user.id"], name=op.f("fk_core_merge_user_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_merge")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_core_merge_user_id"), "core_merge", ["user_id"])
    op.create_index(op.f("ix_core_merge_at"), "core_merge", ["at"])
    op.create_index("ix_core_merge_entity_record_id", "core_merge", ["entity", "record_id"])


def downgrade() -> None:
    op.drop_table("core_merge")
