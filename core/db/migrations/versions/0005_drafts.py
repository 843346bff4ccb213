"""Drafts of forms"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, Json, PlainText, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_draft",
        sa.Column("id", BigId, nullable=False),
        sa.Column("user_id", BigId, nullable=False),
        sa.Column("entity", PlainText(63), nullable=False),
        sa.Column("record_id", BigId, nullable=False),
        sa.Column("key", PlainText(60), nullable=False),
        sa.Column("inputs", Json, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_draft")),
        sa.UniqueConstraint(
            "user_id",
            "entity",
            "record_id",
            "key",
            name=op.f("uq_core_draft_user_id_entity_record_id_key"),
        ),
    )


def downgrade() -> None:
    op.drop_table("core_draft")
