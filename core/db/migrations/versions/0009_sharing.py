"""Shares, deputies of absent people, and who stands behind a session or a job"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText, UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_share",
        sa.Column("id", BigId, nullable=False),
        sa.Column("entity", PlainText(63), nullable=False),
        sa.Column("record_id", BigId, nullable=False),
        sa.Column("user_id", BigId, nullable=True),
        sa.Column("department_id", BigId, nullable=True),
        sa.Column("level", PlainText(8), nullable=False),
        sa.Column("by_id", BigId, nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["core_user.id"], name=op.f("fk_core_share_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["department_id"],
            ["core_department.id"],
            name=op.f("fk_core_share_department_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_share")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_core_share_record", "core_share", ["entity", "record_id"])
    for name in ("user", "department"):
        columns = [f"{name}_id", "entity", "record_id"]
        op.create_index(f"ix_core_share_{name}", "core_share", columns, unique=True)
    op.add_column("core_absence", sa.Column("deputy_id", BigId, nullable=True))
    op.create_index("ix_core_absence_deputy_id", "core_absence", ["deputy_id"])
    op.add_column("core_session", sa.Column("behind_id", BigId, nullable=True))
    op.add_column("core_job", sa.Column("behind_id", BigId, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("core_job") as batch_op:
        batch_op.drop_column("behind_id")
    with op.batch_alter_table("core_session") as batch_op:
        batch_op.drop_column("behind_id")
    op.drop_index("ix_core_absence_deputy_id", "core_absence")
    with op.batch_alter_table("core_absence") as batch_op:
        batch_op.drop_column("deputy_id")
    op.drop_table("core_share")
