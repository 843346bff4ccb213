"""Questions to those who help, and how long forms take"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText, UtcDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_help_question",
        sa.Column("id", BigId, nullable=False),
        sa.Column("subject", PlainText(80), nullable=True),
        sa.Column("question", PlainText(), nullable=True),
        sa.Column("page", PlainText(200), nullable=True),
        sa.Column("asked_by_id", BigId, nullable=True),
        sa.Column("answered_at", UtcDateTime, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime, nullable=True),
        sa.ForeignKeyConstraint(
            ["asked_by_id"],
            ["core_user.id"],
            name=op.f("fk_core_help_question_asked_by_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_help_question")),
        sqlite_autoincrement=True,
    )
    for name, columns in (
        ("created_at_id", ["created_at", "id"]),
        ("asked_by_id_created_at", ["asked_by_id", "created_at"]),
        ("answered_at_created_at", ["answered_at", "created_at"]),
    ):
        op.create_index(f"ix_core_help_question_{name}", "core_help_question", columns)
    op.create_table(
        "core_form_time",
        sa.Column("entity", PlainText(63), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("entity", "month", "seconds", name=op.f("pk_core_form_time")),
    )


def downgrade() -> None:
    op.drop_table("core_form_time")
    op.drop_table("core_help_question")
