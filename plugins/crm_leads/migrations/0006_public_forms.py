"""Public forms, and by which of them a lead came in"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, Json, PlainText, UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_FORM = "crm_leads_lead_form"
_LEAD = "crm_leads_lead"
_BY_FORM = sa.text("form_id IS NOT NULL")


def _reference(column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{_FORM}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete="RESTRICT")


def upgrade() -> None:
    op.create_table(
        _FORM,
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", PlainText(60), nullable=True),
        sa.Column("pool_id", BigId, nullable=True),
        sa.Column("source", PlainText(64), nullable=True),
        sa.Column("campaign_id", BigId, nullable=True),
        sa.Column("is_open", sa.Boolean(), nullable=True),
        sa.Column("key", PlainText(40), nullable=True),
        sa.Column("title", PlainText(80), nullable=True),
        sa.Column("intro", PlainText(), nullable=True),
        sa.Column("fields", Json(), nullable=True),
        sa.Column("thanks", PlainText(300), nullable=True),
        sa.Column("sites", Json(), nullable=True),
        sa.Column("welcome_subject", PlainText(150), nullable=True),
        sa.Column("welcome_text", PlainText(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        _reference("pool_id", "crm_leads_lead_pool"),
        _reference("campaign_id", "crm_leads_campaign"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{_FORM}")),
        sa.UniqueConstraint("name", name=op.f(f"uq_{_FORM}_name")),
        sa.UniqueConstraint("key", name=op.f(f"uq_{_FORM}_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{_FORM}_created_at_id", _FORM, ["created_at", "id"])
    op.create_index(op.f(f"ix_{_FORM}_campaign_id"), _FORM, ["campaign_id"])
    op.add_column(_LEAD, sa.Column("form_id", BigId, nullable=True))
    op.add_column(_LEAD, sa.Column("origin", PlainText(300), nullable=True))
    op.add_column(_LEAD, sa.Column("welcome", PlainText(64), nullable=True))
    op.create_index(
        f"ix_{_LEAD}_form_id_created_at",
        _LEAD,
        ["form_id", "created_at"],
        sqlite_where=_BY_FORM,
        postgresql_where=_BY_FORM,
    )


def downgrade() -> None:
    op.drop_index(f"ix_{_LEAD}_form_id_created_at", _LEAD)
    for name in ("welcome", "origin", "form_id"):
        op.drop_column(_LEAD, name)
    op.drop_table(_FORM)
