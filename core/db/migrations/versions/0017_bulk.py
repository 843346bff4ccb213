"""Acts on many records"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, Json, PlainText, UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_bulk",
        sa.Column("id", BigId, nullable=False),
        sa.Column("user_id", BigId, nullable=True),
        sa.Column("entity", PlainText(63), nullable=False),
        sa.Column("act", Json, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("undone_at", UtcDateTime, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["core_user.id"], name=op.f("fk_core_bulk_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_bulk")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_core_bulk_user_id"), "core_bulk", ["user_id"])
    op.create_index(op.f("ix_core_bulk_at"), "core_bulk", ["at"])
    op.create_table(
        "core_bulk_change",
        sa.Column("bulk_id", BigId, nullable=False),
        sa.Column("record_id", BigId, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("old", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["bulk_id"],
            ["core_bulk.id"],
            name=op.f("fk_core_bulk_change_bulk_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("bulk_id", "record_id", name=op.f("pk_core_bulk_change")),
    )


def downgrade() -> None:
    op.drop_table("core_bulk_change")
    op.drop_table("core_bulk")
