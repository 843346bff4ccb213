"""Rules of fields"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, Json, PlainText, UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_field_rule",
        sa.Column("id", BigId, nullable=False),
        sa.Column("entity", PlainText(63), nullable=False),
        sa.Column("name", PlainText(63), nullable=False),
        sa.Column("rules", Json, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("changed_by", BigId, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_field_rule")),
        sa.UniqueConstraint("entity", "name", name=op.f("uq_core_field_rule_entity_name")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("core_field_rule")
