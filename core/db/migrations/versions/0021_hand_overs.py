"""What became of each record of a hand-over"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_hand_over_line",
        sa.Column("bulk_id", BigId, nullable=False),
        sa.Column("record_id", BigId, autoincrement=False, nullable=False),
        sa.Column("successor_id", BigId, nullable=True),
        sa.Column("reason", PlainText(), nullable=True),
        sa.ForeignKeyConstraint(
            ["bulk_id"],
            ["core_bulk.id"],
            name=op.f("fk_core_hand_over_line_bulk_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("bulk_id", "record_id", name=op.f("pk_core_hand_over_line")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("core_hand_over_line")
