"""Campaigns below campaigns, their cost and steps, and how quickly leads were called"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, ExactDecimal, PlainText, UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_CAMPAIGN = "crm_leads_campaign"
_STEP = "crm_leads_campaign_step"


def _reference(column: str, target: str, on_delete: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{_STEP}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete=on_delete)


def upgrade() -> None:
    op.add_column(_CAMPAIGN, sa.Column("parent_id", BigId, nullable=True))
    op.add_column(_CAMPAIGN, sa.Column("source", PlainText(64), nullable=True))
    op.add_column(_CAMPAIGN, sa.Column("cost", ExactDecimal(18, 2), nullable=True))
    op.add_column(_CAMPAIGN, sa.Column("target", PlainText(), nullable=True))
    op.add_column(_CAMPAIGN, sa.Column("result", PlainText(), nullable=True))
    op.create_index(op.f(f"ix_{_CAMPAIGN}_parent_id"), _CAMPAIGN, ["parent_id"])
    op.create_table(
        _STEP,
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("campaign_id", BigId, nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("name", PlainText(120), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("person_id", BigId, nullable=True),
        sa.Column("is_done", sa.Boolean(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        _reference("campaign_id", _CAMPAIGN, "CASCADE"),
        _reference("person_id", "core_user", "RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{_STEP}")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{_STEP}_created_at_id", _STEP, ["created_at", "id"])
    op.create_index(op.f(f"ix_{_STEP}_campaign_id"), _STEP, ["campaign_id"])
    op.add_column(
        "crm_leads_lead", sa.Column("first_contact_minutes", sa.BigInteger(), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("crm_leads_lead", "first_contact_minutes")
    op.drop_table(_STEP)
    op.drop_index(f"ix_{_CAMPAIGN}_parent_id", _CAMPAIGN)
    for name in ("result", "target", "cost", "source", "parent_id"):
        op.drop_column(_CAMPAIGN, name)
