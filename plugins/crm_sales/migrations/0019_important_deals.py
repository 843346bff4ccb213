"""Important opportunities, and of which somebody was told that nobody works on them"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText, UtcDateTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_IMPORTANT = sa.text("priority = 'high'")


def upgrade() -> None:
    op.add_column("crm_sales_opportunity", sa.Column("priority", PlainText(64), nullable=True))
    # Those from before there were pools have been with their owners since they came.
    op.execute("UPDATE crm_sales_opportunity SET held_since = created_at WHERE held_since IS NULL")
    op.create_index(
        "ix_crm_sales_opportunity_important",
        "crm_sales_opportunity",
        ["held_since"],
        sqlite_where=_IMPORTANT,
        postgresql_where=_IMPORTANT,
    )
    op.create_table(
        "crm_sales_opportunity_alert",
        sa.Column("record_id", BigId, autoincrement=False, nullable=False),
        sa.Column("kind", PlainText(64), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_id"],
            ["crm_sales_opportunity.id"],
            name=op.f("fk_crm_sales_opportunity_alert_record_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("record_id", "kind", name=op.f("pk_crm_sales_opportunity_alert")),
    )


def downgrade() -> None:
    op.drop_table("crm_sales_opportunity_alert")
    op.drop_index("ix_crm_sales_opportunity_important", "crm_sales_opportunity")
    op.drop_column("crm_sales_opportunity", "priority")
