"""Follow customers' lives: what they bought, whom they introduced"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_TABLE = "crm_sales_customer"


def upgrade() -> None:
    for column in (
        sa.Column("referrer_id", BigId, nullable=True),
        sa.Column("lifecycle", PlainText(64), nullable=True),
        sa.Column("lifecycle_on", sa.Date(), nullable=True),
        sa.Column("won_count", sa.BigInteger(), nullable=True),
        sa.Column("first_won_on", sa.Date(), nullable=True),
        sa.Column("last_won_on", sa.Date(), nullable=True),
    ):
        op.add_column(_TABLE, column)
    op.create_index(
        f"ix_{_TABLE}_referrer_id",
        _TABLE,
        ["referrer_id"],
        sqlite_where=sa.text("referrer_id IS NOT NULL"),
        postgresql_where=sa.text("referrer_id IS NOT NULL"),
    )
    # The days of each customer's deals, numbered, so that the first and the second are found.
    op.execute(
        "UPDATE crm_sales_customer SET won_count = 0, lifecycle = 'prospect',"
        " lifecycle_on = date(created_at)"
    )
    op.execute(
        "UPDATE crm_sales_customer SET won_count = won.deals, first_won_on = won.first_on,"
        " last_won_on = won.last_on,"
        " lifecycle = CASE WHEN won.deals > 1 THEN 'repeat' ELSE 'first_deal' END,"
        " lifecycle_on = coalesce(won.second_on, won.first_on) FROM ("
        "SELECT customer_id, count(*) AS deals, min(closed_on) AS first_on,"
        " max(closed_on) AS last_on, max(CASE WHEN place = 2 THEN closed_on END) AS second_on"
        " FROM (SELECT customer_id, closed_on,"
        " row_number() OVER (PARTITION BY customer_id ORDER BY closed_on, id) AS place"
        " FROM crm_sales_opportunity"
        " WHERE status = 'won' AND archived_at IS NULL AND closed_on IS NOT NULL) AS deal"
        " GROUP BY customer_id) AS won WHERE won.customer_id = crm_sales_customer.id"
    )
    op.create_index(f"ix_{_TABLE}_lifecycle_last_won_on", _TABLE, ["lifecycle", "last_won_on"])


def downgrade() -> None:
    op.drop_index(f"ix_{_TABLE}_lifecycle_last_won_on", _TABLE)
    op.drop_index(f"ix_{_TABLE}_referrer_id", _TABLE)
    for name in (
        *("last_won_on", "first_won_on", "won_count"),
        *("lifecycle_on", "lifecycle", "referrer_id"),
    ):
        op.drop_column(_TABLE, name)
