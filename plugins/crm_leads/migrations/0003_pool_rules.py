"""Rules of pools, since when leads are in the same hands, and which returns were warned of"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, Json, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NUMBERS = (
    *("department_limit", "cool_down_days", "wait_hours"),
    *("idle_days", "unconverted_days", "warn_days"),
)
_IN_HANDS = sa.text("owner_id IS NOT NULL AND pool_id IS NOT NULL")


def upgrade() -> None:
    for name in _NUMBERS:
        op.add_column("crm_leads_lead_pool", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("crm_leads_lead_pool", sa.Column("veiled", Json(), nullable=True))
    op.add_column("crm_leads_lead", sa.Column("held_since", UtcDateTime(), nullable=True))
    op.execute(
        "UPDATE crm_leads_lead SET held_since = COALESCE((SELECT MAX(created_at)"
        " FROM crm_leads_lead_transfer WHERE lead_id = crm_leads_lead.id), created_at)"
    )
    op.create_index(
        "ix_crm_leads_lead_pool_id_held_since",
        "crm_leads_lead",
        ["pool_id", "held_since"],
        sqlite_where=_IN_HANDS,
        postgresql_where=_IN_HANDS,
    )
    op.create_table(
        "crm_leads_return_warning",
        sa.Column("lead_id", BigId, autoincrement=False, nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lead_id"],
            ["crm_leads_lead.id"],
            name=op.f("fk_crm_leads_return_warning_lead_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("pk_crm_leads_return_warning")),
    )


def downgrade() -> None:
    op.drop_table("crm_leads_return_warning")
    op.drop_index("ix_crm_leads_lead_pool_id_held_since", "crm_leads_lead")
    op.drop_column("crm_leads_lead", "held_since")
    op.drop_column("crm_leads_lead_pool", "veiled")
    for name in reversed(_NUMBERS):
        op.drop_column("crm_leads_lead_pool", name)
