"""The list of backups"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText, UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_backup",
        sa.Column("id", BigId, nullable=False),
        sa.Column("name", PlainText(120), nullable=False),
        sa.Column("folder", PlainText(1000), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("size", BigId, nullable=False),
        sa.Column("row_count", BigId, nullable=False),
        sa.Column("file_count", sa.Integer(), nullable=False),
        sa.Column("encrypted", sa.Boolean(), nullable=False),
        sa.Column("verified_at", UtcDateTime(), nullable=True),
        sa.Column("problem", PlainText(500), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_backup")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_core_backup_made_at"), "core_backup", ["made_at"])


def downgrade() -> None:
    op.drop_table("core_backup")
