"""Channel policies, importance and first contact of leads, score rules, and of what somebody was told"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_IMPORTANT = sa.text("priority = 'high'")


def _stamps() -> list[sa.Column]:
    return [
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
    ]


def _create(table: str, *columns: sa.Column, unique: str) -> None:
    op.create_table(
        table,
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        *columns,
        *_stamps(),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint(unique, name=op.f(f"uq_{table}_{unique}")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{table}_created_at_id", table, ["created_at", "id"])


def upgrade() -> None:
    lead = "crm_leads_lead"
    op.add_column(lead, sa.Column("priority", PlainText(64), nullable=True))
    op.add_column(lead, sa.Column("first_contact_due_at", UtcDateTime(), nullable=True))
    op.add_column(lead, sa.Column("first_contacted_at", UtcDateTime(), nullable=True))
    op.create_index(
        "ix_crm_leads_lead_important",
        lead,
        ["held_since"],
        sqlite_where=_IMPORTANT,
        postgresql_where=_IMPORTANT,
    )
    _create(
        "crm_leads_channel_policy",
        sa.Column("source", PlainText(64), nullable=True),
        sa.Column("priority", PlainText(64), nullable=True),
        sa.Column("first_contact_hours", sa.BigInteger(), nullable=True),
        unique="source",
    )
    _create(
        "crm_leads_score_rule",
        sa.Column("name", PlainText(60), nullable=True),
        sa.Column("field_name", PlainText(64), nullable=True),
        sa.Column("op", PlainText(64), nullable=True),
        sa.Column("value", PlainText(500), nullable=True),
        sa.Column("points", sa.BigInteger(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=True),
        unique="name",
    )
    op.create_table(
        "crm_leads_alert",
        sa.Column("lead_id", BigId, autoincrement=False, nullable=False),
        sa.Column("kind", PlainText(64), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lead_id"],
            ["crm_leads_lead.id"],
            name=op.f("fk_crm_leads_alert_lead_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("lead_id", "kind", name=op.f("pk_crm_leads_alert")),
    )


def downgrade() -> None:
    op.drop_table("crm_leads_alert")
    op.drop_table("crm_leads_score_rule")
    op.drop_table("crm_leads_channel_policy")
    op.drop_index("ix_crm_leads_lead_important", "crm_leads_lead")
    for name in ("first_contacted_at", "first_contact_due_at", "priority"):
        op.drop_column("crm_leads_lead", name)
