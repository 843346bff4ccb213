"""Saved views of lists"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText, UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_list_view",
        sa.Column("id", BigId, nullable=False),
        sa.Column("entity", PlainText(63), nullable=False),
        sa.Column("title", PlainText(40), nullable=False),
        sa.Column("query", PlainText(8000), nullable=False),
        sa.Column("owner_id", BigId, nullable=True),
        sa.Column("shared", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("is_first", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["core_user.id"],
            name=op.f("fk_core_list_view_owner_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_list_view")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_core_list_view_entity_title", "core_list_view", ["entity", "title"])
    op.create_index(op.f("ix_core_list_view_owner_id"), "core_list_view", ["owner_id"])


def downgrade() -> None:
    op.drop_table("core_list_view")
