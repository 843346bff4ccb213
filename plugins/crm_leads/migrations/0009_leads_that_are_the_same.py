"""Find leads of one company or one number, keep what became of a lead, and whom campaigns are for"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText, UtcDateTime
from core.tabular.cleaning import company_key

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_LEAD, _OUTCOME = "crm_leads_lead", "crm_leads_outcome"
_CAMPAIGN, _TARGET = "crm_leads_campaign", "crm_leads_target"
_AT_ONCE = 5_000
_NUMBERS = {"mobile": sa.text("mobile IS NOT NULL"), "phone": sa.text("phone IS NOT NULL")}
_lead = sa.table(_LEAD, sa.column("id", BigId), sa.column("company"), sa.column("name_key"))
_deal = sa.table(
    "crm_sales_opportunity",
    *(sa.column(name) for name in ("id", "lead_id", "customer_id", "created_at")),
)


def upgrade() -> None:
    op.add_column(_LEAD, sa.Column("name_key", PlainText(120), nullable=True))
    connection = op.get_bind()
    _give_keys(connection)
    op.create_index(f"ix_{_LEAD}_name_key", _LEAD, ["name_key"])
    if connection.dialect.name == "postgresql":
        op.create_index(
            f"ix_{_LEAD}_name_backwards",
            _LEAD,
            [sa.text("reverse(name_key)")],
            postgresql_include=["name_key", "id"],
        )
    for column, there in _NUMBERS.items():
        op.create_index(
            f"ix_{_LEAD}_{column}", _LEAD, [column], sqlite_where=there, postgresql_where=there
        )
    _about(_OUTCOME, "lead_id", _LEAD)
    _about(
        _TARGET,
        *("campaign_id", _CAMPAIGN),
        sa.Column("state", PlainText(64), nullable=True),
        sa.Column("note", PlainText(300), nullable=True),
    )
    _take_over(connection)


def _about(table: str, parent: str, target: str, *columns: sa.Column) -> None:
    """A table of rows about records of any entity, each of which belongs to one of ``target``."""
    op.create_table(
        table,
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column(parent, BigId, nullable=True),
        sa.Column("related_entity", PlainText(63), nullable=True),
        sa.Column("related_id", sa.BigInteger(), nullable=True),
        *columns,
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            [parent], [f"{target}.id"], name=op.f(f"fk_{table}_{parent}"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{table}_created_at_id", table, ["created_at", "id"])
    op.create_index(op.f(f"ix_{table}_{parent}"), table, [parent])
    op.create_index(f"ix_{table}_related", table, ["related_entity", "related_id"])


def _give_keys(connection: sa.Connection) -> None:
    """Half a minute for a million leads."""
    changed = (
        sa.update(_lead)
        .where(_lead.c.id == sa.bindparam("key"))
        .values(name_key=sa.bindparam("made"))
    )
    last = 0
    while True:
        asked = sa.select(_lead.c.id, _lead.c.company).where(_lead.c.id > last)
        rows = connection.execute(asked.order_by(_lead.c.id).limit(_AT_ONCE)).all()
        if not rows:
            return
        made = [{"key": row.id, "made": company_key(row.company)[:120] or None} for row in rows]
        connection.execute(changed, made)
        last = rows[-1].id


def _take_over(connection: sa.Connection) -> None:
    """What the module of sales knows of earlier conversions, where it is."""
    if not sa.inspect(connection).has_table(_deal.name):
        return
    names = ("lead_id", "related_entity", "related_id", "version", "created_at", "updated_at")
    outcome = sa.table(_OUTCOME, *(sa.column(name) for name in names))
    for entity, key in (("opportunity", _deal.c.id), ("customer", _deal.c.customer_id)):
        rows = sa.select(
            _deal.c.lead_id,
            sa.literal(entity),
            key,
            sa.literal(1),
            *(sa.func.min(_deal.c.created_at) for _name in ("created_at", "updated_at")),
        )
        rows = rows.join(_lead, _lead.c.id == _deal.c.lead_id).where(key.is_not(None))
        connection.execute(
            sa.insert(outcome).from_select(names, rows.group_by(_deal.c.lead_id, key))
        )


def downgrade() -> None:
    op.drop_table(_TARGET)
    op.drop_table(_OUTCOME)
    names = [*_NUMBERS, "name_key"]
    if op.get_bind().dialect.name == "postgresql":
        names.append("name_backwards")
    for name in names:
        op.drop_index(f"ix_{_LEAD}_{name}", _LEAD)
    op.drop_column(_LEAD, "name_key")
