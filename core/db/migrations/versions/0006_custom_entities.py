"""Custom entities"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, Json, PlainText, UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_custom_entity",
        sa.Column("id", BigId, nullable=False),
        sa.Column("name", PlainText(63), nullable=False),
        sa.Column("labels", Json, nullable=False),
        sa.Column("plural_labels", Json, nullable=False),
        sa.Column("icon", PlainText(40), nullable=False),
        sa.Column("owned", sa.Boolean(), nullable=False),
        sa.Column("parent", PlainText(63), nullable=True),
        sa.Column("label_field", PlainText(63), nullable=False),
        sa.Column("list_columns", Json, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("retired_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_custom_entity")),
        sa.UniqueConstraint("name", name=op.f("uq_core_custom_entity_name")),
        sqlite_autoincrement=True,
    )
    op.add_column("core_custom_field", sa.Column("retired_at", UtcDateTime, nullable=True))


def downgrade() -> None:
    op.drop_column("core_custom_field", "retired_at")
    op.drop_table("core_custom_entity")
