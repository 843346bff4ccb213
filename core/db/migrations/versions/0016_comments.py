"""Comments"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText, UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_comment",
        sa.Column("id", BigId, nullable=False),
        sa.Column("entity", PlainText(63), nullable=True),
        sa.Column("record_id", BigId, nullable=True),
        sa.Column("text", PlainText(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_comment")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_core_comment_created_at_id", "core_comment", ["created_at", "id"])
    op.create_index(
        "ix_core_comment_entity_record_id_created_at",
        "core_comment",
        ["entity", "record_id", "created_at"],
    )


def downgrade() -> None:
    op.drop_table("core_comment")
