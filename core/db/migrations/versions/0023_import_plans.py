"""Import plans that are kept, and the files that somebody has uploaded for one"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, Json, PlainText, UtcDateTime

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_import_plan",
        sa.Column("id", BigId, nullable=False),
        sa.Column("owner_id", BigId, nullable=False),
        sa.Column("title", PlainText(120), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["core_user.id"],
            name=op.f("fk_core_import_plan_owner_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_import_plan")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_core_import_plan_owner_id", "core_import_plan", ["owner_id"])
    op.create_table(
        "core_import_plan_file",
        sa.Column("plan_id", BigId, autoincrement=False, nullable=False),
        sa.Column("user_id", BigId, autoincrement=False, nullable=False),
        sa.Column("name", PlainText(200), nullable=False),
        sa.Column("file_id", BigId, nullable=False),
        sa.ForeignKeyConstraint(
            ["plan_id"],
            ["core_import_plan.id"],
            name=op.f("fk_core_import_plan_file_plan_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["core_user.id"],
            name=op.f("fk_core_import_plan_file_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "plan_id", "user_id", "name", name=op.f("pk_core_import_plan_file")
        ),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("core_import_plan_file")
    op.drop_index("ix_core_import_plan_owner_id", "core_import_plan")
    op.drop_table("core_import_plan")
