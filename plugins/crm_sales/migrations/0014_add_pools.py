"""Pools of customers and opportunities: who belongs to them, their rules, and who had what when"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, Json, PlainText, UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_POOLED = ("customer", "opportunity")
_LINKS = {
    "members": "core_user",
    "departments": "core_department",
    "administrators": "core_user",
}
_DAYS = {
    "customer": ("no_opportunity_days", "not_won_days", "spare_won_days"),
    "opportunity": ("not_won_days",),
}
_IN_POOL = sa.text("owner_id IS NULL AND pool_id IS NOT NULL")
_IN_HANDS = sa.text("owner_id IS NOT NULL AND pool_id IS NOT NULL")


def upgrade() -> None:
    for record in _POOLED:
        _create_pool(record)
        _create_transfer(record)
        op.create_table(
            f"crm_sales_{record}_warning",
            sa.Column("record_id", BigId, autoincrement=False, nullable=False),
            sa.Column("due_on", sa.Date(), nullable=False),
            _foreign(f"crm_sales_{record}_warning", "record_id", f"crm_sales_{record}", "CASCADE"),
            sa.PrimaryKeyConstraint("record_id", name=op.f(f"pk_crm_sales_{record}_warning")),
        )
        table = f"crm_sales_{record}"
        for column in (
            sa.Column("pool_id", BigId, nullable=True),
            sa.Column("last_followed_at", UtcDateTime(), nullable=True),
            sa.Column("held_since", UtcDateTime(), nullable=True),
            sa.Column("release_reason", PlainText(300), nullable=True),
        ):
            op.add_column(table, column)
        for name, columns, where in (
            ("in_pool", ["pool_id", "created_at", "id"], _IN_POOL),
            ("pool_id_held_since", ["pool_id", "held_since"], _IN_HANDS),
        ):
            op.create_index(
                f"ix_{table}_{name}", table, columns, sqlite_where=where, postgresql_where=where
            )
    level = "crm_sales_customer_pool_level"
    op.create_table(
        level,
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("pool_id", BigId, nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("level", PlainText(64), nullable=True),
        sa.Column("idle_days", sa.BigInteger(), nullable=True),
        sa.Column("no_opportunity_days", sa.BigInteger(), nullable=True),
        sa.Column("not_won_days", sa.BigInteger(), nullable=True),
        sa.Column("stays", sa.Boolean(), nullable=True),
        *_stamps(),
        _foreign(level, "pool_id", "crm_sales_customer_pool", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{level}")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{level}_created_at_id", level, ["created_at", "id"])
    op.create_index(op.f(f"ix_{level}_pool_id"), level, ["pool_id"])


def _create_pool(record: str) -> None:
    pool = f"crm_sales_{record}_pool"
    op.create_table(
        pool,
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", PlainText(60), nullable=True),
        sa.Column("description", PlainText(), nullable=True),
        *(
            sa.Column(name, sa.BigInteger(), nullable=True)
            for name in (
                *("daily_claims", "holding_limit", "department_limit"),
                *("cool_down_days", "wait_hours", "idle_days", "warn_days"),
                *_DAYS[record],
            )
        ),
        sa.Column("veiled", Json(), nullable=True),
        sa.Column("takes_new", sa.Boolean(), nullable=True),
        *(
            [sa.Column("spare_ongoing", sa.Boolean(), nullable=True)]
            if record == "customer"
            else []
        ),
        sa.Column("is_active", sa.Boolean(), nullable=True),
        *_stamps(),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{pool}")),
        sa.UniqueConstraint("name", name=op.f(f"uq_{pool}_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{pool}_created_at_id", pool, ["created_at", "id"])
    for name, target in _LINKS.items():
        links = f"{pool}__{name}"
        op.create_table(
            links,
            sa.Column("source_id", BigId, nullable=False),
            sa.Column("target_id", BigId, nullable=False),
            sa.Column("position", sa.Integer(), nullable=False),
            _foreign(links, "source_id", pool, "CASCADE"),
            _foreign(links, "target_id", target, "CASCADE"),
            sa.PrimaryKeyConstraint("source_id", "target_id", name=op.f(f"pk_{links}")),
        )
        op.create_index(f"ix_{links}_target_id", links, ["target_id"])


def _create_transfer(record: str) -> None:
    table = f"crm_sales_{record}_transfer"
    op.create_table(
        table,
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column(f"{record}_id", BigId, nullable=True),
        sa.Column("kind", PlainText(64), nullable=True),
        sa.Column("from_owner_id", BigId, nullable=True),
        sa.Column("to_owner_id", BigId, nullable=True),
        sa.Column("pool_id", BigId, nullable=True),
        sa.Column("reason", PlainText(300), nullable=True),
        *_stamps(),
        _foreign(table, f"{record}_id", f"crm_sales_{record}", "CASCADE"),
        _foreign(table, "from_owner_id", "core_user", "RESTRICT"),
        _foreign(table, "to_owner_id", "core_user", "RESTRICT"),
        _foreign(table, "pool_id", f"crm_sales_{record}_pool", "RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{table}_created_at_id", table, ["created_at", "id"])
    op.create_index(op.f(f"ix_{table}_{record}_id"), table, [f"{record}_id"])
    op.create_index(f"ix_{table}_to_owner_id_created_at", table, ["to_owner_id", "created_at"])


def _stamps() -> list[sa.Column]:
    return [
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
    ]


def _foreign(table: str, column: str, target: str, ondelete: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete=ondelete)


def downgrade() -> None:
    op.drop_table("crm_sales_customer_pool_level")
    for record in reversed(_POOLED):
        table = f"crm_sales_{record}"
        for name in ("pool_id_held_since", "in_pool"):
            op.drop_index(f"ix_{table}_{name}", table)
        for name in ("release_reason", "held_since", "last_followed_at", "pool_id"):
            op.drop_column(table, name)
        op.drop_table(f"{table}_warning")
        op.drop_table(f"{table}_transfer")
        for name in reversed(_LINKS):
            op.drop_table(f"{table}_pool__{name}")
        op.drop_table(f"{table}_pool")
