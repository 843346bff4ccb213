"""Create the sample's tables"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NAMES = ("about_sample_place", "about_sample_remark")


def upgrade() -> None:
    own = {
        NAMES[0]: [sa.Column("name", PlainText(80))],
        NAMES[1]: [
            sa.Column("text", PlainText(80)),
            sa.Column("of_entity", PlainText(63)),
            sa.Column("of_id", sa.BigInteger()),
        ],
    }
    for name in NAMES:
        op.create_table(
            name,
            sa.Column("id", BigId, autoincrement=True, nullable=False),
            *own[name],
            sa.Column("owner_id", BigId, sa.ForeignKey("core_user.id", ondelete="RESTRICT")),
            sa.Column(
                "department_id", BigId, sa.ForeignKey("core_department.id", ondelete="RESTRICT")
            ),
            sa.Column("version", sa.Integer(), nullable=False),
            sa.Column("created_at", UtcDateTime(), nullable=False),
            sa.Column("created_by", BigId),
            sa.Column("updated_at", UtcDateTime(), nullable=False),
            sa.Column("updated_by", BigId),
            sa.Column("archived_at", UtcDateTime()),
            sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
            sqlite_autoincrement=True,
        )


def downgrade() -> None:
    for name in NAMES:
        op.drop_table(name)
