"""Important customers, and of which somebody was told that nobody looks after them"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText, UtcDateTime

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_IMPORTANT = sa.text("priority = 'high'")


def upgrade() -> None:
    op.add_column("crm_sales_customer", sa.Column("priority", PlainText(64), nullable=True))
    # As important as a new one; those from before there were pools have been in these hands since they came.
    op.execute(
        "UPDATE crm_sales_customer SET priority = 'normal', held_since = coalesce(held_since, created_at)"
    )
    op.create_index(
        "ix_crm_sales_customer_important",
        "crm_sales_customer",
        ["held_since"],
        sqlite_where=_IMPORTANT,
        postgresql_where=_IMPORTANT,
    )
    op.create_table(
        "crm_sales_customer_alert",
        sa.Column("record_id", BigId, autoincrement=False, nullable=False),
        sa.Column("kind", PlainText(64), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_id"],
            ["crm_sales_customer.id"],
            name=op.f("fk_crm_sales_customer_alert_record_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("record_id", "kind", name=op.f("pk_crm_sales_customer_alert")),
    )


def downgrade() -> None:
    op.drop_table("crm_sales_customer_alert")
    op.drop_index("ix_crm_sales_customer_important", "crm_sales_customer")
    op.drop_column("crm_sales_customer", "priority")
