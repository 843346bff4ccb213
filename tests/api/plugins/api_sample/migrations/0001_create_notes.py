"""Create notes and lines"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, ExactDecimal, Json, PlainText, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _system():
    return [
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId),
        sa.Column("archived_at", UtcDateTime()),
    ]


def upgrade() -> None:
    op.create_table(
        "api_sample_note",
        sa.Column("id", BigId, primary_key=True, autoincrement=True),
        sa.Column("number", PlainText(64)),
        sa.Column("title", PlainText(120)),
        sa.Column("amount", ExactDecimal(18, 2)),
        sa.Column("ratio", ExactDecimal(9, 4)),
        sa.Column("happened_at", UtcDateTime()),
        sa.Column("due_on", sa.Date()),
        sa.Column("status", PlainText(64)),
        sa.Column("tags", Json()),
        sa.Column("urgent", sa.Boolean()),
        sa.Column("phone", PlainText(32)),
        sa.Column("owner_id", BigId, sa.ForeignKey("core_user.id")),
        sa.Column("department_id", BigId, sa.ForeignKey("core_department.id")),
        *_system(),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_api_sample_note_created_at_id", "api_sample_note", ["created_at", "id"], unique=False
    )
    op.create_table(
        "api_sample_note__about",
        sa.Column(
            "source_id",
            BigId,
            sa.ForeignKey("api_sample_note.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column(
            "target_id",
            BigId,
            sa.ForeignKey("core_department.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("position", sa.Integer(), nullable=False),
    )
    op.create_table(
        "api_sample_note_line",
        sa.Column("id", BigId, primary_key=True, autoincrement=True),
        sa.Column("note_id", BigId, sa.ForeignKey("api_sample_note.id", ondelete="CASCADE")),
        sa.Column("text", PlainText(80)),
        sa.Column("quantity", ExactDecimal(12, 2)),
        *_system(),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_api_sample_note_line_note_id", "api_sample_note_line", ["note_id"], unique=False
    )


def downgrade() -> None:
    op.drop_table("api_sample_note_line")
    op.drop_table("api_sample_note__about")
    op.drop_table("api_sample_note")
