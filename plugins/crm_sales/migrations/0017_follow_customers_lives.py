"""Follow customers' lives: what they bought, whom they introduced"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText

revision = "0017"
down_revision = "0013"
branch_labels = None
depends_on = None

_TABLE = "crm_sales_customer"
_WON = (
    " FROM crm_sales_opportunity AS deal WHERE deal.customer_id = crm_sales_customer.id"
    " AND deal.status = 'won' AND deal.archived_at IS NULL AND deal.closed_on IS NOT NULL"
)


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
    op.execute(
        f"UPDATE {_TABLE} SET won_count = (SELECT count(*){_WON}),"
        f" first_won_on = (SELECT min(deal.closed_on){_WON}),"
        f" last_won_on = (SELECT max(deal.closed_on){_WON})"
    )
    second = f"(SELECT deal.closed_on{_WON} ORDER BY deal.closed_on LIMIT 1 OFFSET 1)"
    op.execute(
        f"UPDATE {_TABLE} SET lifecycle = CASE won_count WHEN 0 THEN 'prospect'"
        f" WHEN 1 THEN 'first_deal' ELSE 'repeat' END, lifecycle_on = CASE won_count"
        f" WHEN 0 THEN date(created_at) WHEN 1 THEN first_won_on ELSE {second} END"
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
