"""What the deals of each customer add up to, in the company's currency"""

from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, ExactDecimal, Json

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_TABLE = "crm_sales_customer"
_customer = sa.table(_TABLE, sa.column("id", BigId), sa.column("won_amount", ExactDecimal()))
_deal = sa.table(
    "crm_sales_opportunity",
    sa.column("customer_id", BigId),
    sa.column("status"),
    sa.column("archived_at"),
    sa.column("closed_on"),
    sa.column("currency"),
    sa.column("amount", ExactDecimal()),
    sa.column("closing_rate", ExactDecimal(18, 8)),
)
_setting = sa.table("core_setting", sa.column("group"), sa.column("key"), sa.column("value", Json))


def upgrade() -> None:
    op.add_column(_TABLE, sa.Column("won_amount", ExactDecimal(), nullable=True))
    connection = op.get_bind()
    connection.execute(sa.update(_customer).values(won_amount=Decimal(0)))
    sums = _sums(connection)
    if sums:
        connection.execute(
            sa.update(_customer)
            .where(_customer.c.id == sa.bindparam("key"))
            .values(won_amount=sa.bindparam("worth")),
            [{"key": key, "worth": worth} for key, worth in sums.items()],
        )
    op.create_index(f"ix_{_TABLE}_won_amount_id", _TABLE, ["won_amount", "id"])


def _sums(connection: sa.Connection) -> dict[int, Decimal]:
    """By customer; deals in other currencies count once they have a rate."""
    mine = (_setting.c.group == "core", _setting.c.key == "currency")
    company = connection.execute(sa.select(_setting.c.value).where(*mine)).scalar() or "CNY"
    kinds = (_deal.c.customer_id, _deal.c.currency, _deal.c.closing_rate)
    won = (_deal.c.status == "won", _deal.c.archived_at.is_(None), _deal.c.closed_on.is_not(None))
    asked = sa.select(*kinds, sa.func.sum(_deal.c.amount).label("amount"))
    sums = defaultdict[int, Decimal](Decimal)
    for row in connection.execute(asked.where(*won).group_by(*kinds)):
        at_par = row.closing_rate is None and row.currency in (None, company)
        rate = Decimal(1) if at_par else row.closing_rate
        if rate is not None and row.amount is not None:
            sums[row.customer_id] += row.amount * rate
    cent = Decimal("0.01")
    return {key: worth.quantize(cent, ROUND_HALF_UP) for key, worth in sums.items()}


def downgrade() -> None:
    op.drop_index(f"ix_{_TABLE}_won_amount_id", _TABLE)
    op.drop_column(_TABLE, "won_amount")
