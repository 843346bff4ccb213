"""Nurture leads, and hand those of finished campaigns to sales"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText, UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_PLAN, _TOUCH, _STATE = (
    *("crm_leads_nurture_plan", "crm_leads_nurture_touch"),
    "crm_leads_nurturing",
)


def _entity(table: str, *columns: sa.Column, keys: tuple = ()) -> None:
    op.create_table(
        table,
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        *columns,
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        *keys,
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{table}_created_at_id", table, ["created_at", "id"])


def _reference(table: str, column: str, target: str, on_delete: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete=on_delete)


def upgrade() -> None:
    _entity(
        _PLAN,
        sa.Column("name", PlainText(60), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=True),
        sa.Column("from_pool_id", BigId, nullable=True),
        sa.Column("threshold", sa.BigInteger(), nullable=True),
        sa.Column("to_pool_id", BigId, nullable=True),
        sa.Column("person_id", BigId, nullable=True),
        keys=(
            _reference(_PLAN, "from_pool_id", "crm_leads_lead_pool", "RESTRICT"),
            _reference(_PLAN, "to_pool_id", "crm_leads_lead_pool", "RESTRICT"),
            _reference(_PLAN, "person_id", "core_user", "RESTRICT"),
            sa.UniqueConstraint("name", name=op.f(f"uq_{_PLAN}_name")),
        ),
    )
    for column in ("from_pool_id", "to_pool_id"):
        op.create_index(op.f(f"ix_{_PLAN}_{column}"), _PLAN, [column])
    _entity(
        _TOUCH,
        sa.Column("plan_id", BigId, nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("wait_days", sa.BigInteger(), nullable=True),
        sa.Column("kind", PlainText(64), nullable=True),
        sa.Column("subject", PlainText(150), nullable=True),
        sa.Column("body", PlainText(), nullable=True),
        keys=(_reference(_TOUCH, "plan_id", _PLAN, "CASCADE"),),
    )
    op.create_index(op.f(f"ix_{_TOUCH}_plan_id"), _TOUCH, ["plan_id"])
    _entity(
        _STATE,
        sa.Column("lead_id", BigId, nullable=True),
        sa.Column("plan_id", BigId, nullable=True),
        sa.Column("state", PlainText(64), nullable=True),
        sa.Column("done", sa.BigInteger(), nullable=True),
        sa.Column("skipped", sa.BigInteger(), nullable=True),
        sa.Column("next_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        keys=(
            _reference(_STATE, "lead_id", "crm_leads_lead", "CASCADE"),
            _reference(_STATE, "plan_id", _PLAN, "CASCADE"),
        ),
    )
    for column in ("lead_id", "plan_id"):
        op.create_index(op.f(f"ix_{_STATE}_{column}"), _STATE, [column])
    running = sa.text("state = 'running'")
    op.create_index(
        f"ix_{_STATE}_running",
        _STATE,
        ["next_at", "id"],
        sqlite_where=running,
        postgresql_where=running,
    )
    op.add_column("crm_leads_campaign", sa.Column("to_pool_id", BigId, nullable=True))
    op.add_column("crm_leads_campaign", sa.Column("ready_score", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("crm_leads_campaign", "ready_score")
    op.drop_column("crm_leads_campaign", "to_pool_id")
    for table in (_STATE, _TOUCH, _PLAN):
        op.drop_table(table)
