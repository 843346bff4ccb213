"""Send quotes, and let customers answer them by a link"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText, UtcDateTime

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("sent_to", PlainText(254), nullable=True),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("answered_by", PlainText(80), nullable=True),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.Column("answer_note", PlainText(), nullable=True),
    ):
        op.add_column("crm_sales_quote", column)
    op.create_table(
        "crm_sales_quote_link",
        sa.Column("token_hash", PlainText(64), nullable=False),
        sa.Column("quote_id", BigId, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["quote_id"],
            ["crm_sales_quote.id"],
            name=op.f("fk_crm_sales_quote_link_quote_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_crm_sales_quote_link")),
    )
    op.create_index("ix_crm_sales_quote_link_quote_id", "crm_sales_quote_link", ["quote_id"])


def downgrade() -> None:
    op.drop_index("ix_crm_sales_quote_link_quote_id", "crm_sales_quote_link")
    op.drop_table("crm_sales_quote_link")
    for name in ("answer_note", "answered_at", "answered_by", "sent_at", "sent_to"):
        op.drop_column("crm_sales_quote", name)
