"""Add goals"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, ExactDecimal, PlainText, UtcDateTime

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "crm_sales_goal",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", PlainText(120), nullable=True),
        sa.Column("measure", PlainText(64), nullable=True),
        sa.Column("baseline", ExactDecimal(18, 2), nullable=True),
        sa.Column("target", ExactDecimal(18, 2), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("person_id", BigId, nullable=True),
        sa.Column("department_id", BigId, nullable=True),
        sa.Column("note", PlainText(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["department_id"],
            ["core_department.id"],
            name=op.f("fk_crm_sales_goal_department_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["core_user.id"],
            name=op.f("fk_crm_sales_goal_person_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crm_sales_goal")),
        sqlite_autoincrement=True,
    )
    for column in ("person_id", "department_id"):
        op.create_index(op.f(f"ix_crm_sales_goal_{column}"), "crm_sales_goal", [column])
    op.create_index("ix_crm_sales_goal_created_at_id", "crm_sales_goal", ["created_at", "id"])
    op.create_index("ix_crm_sales_goal_ends_on", "crm_sales_goal", ["ends_on"])


def downgrade() -> None:
    op.drop_table("crm_sales_goal")
