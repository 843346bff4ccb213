"""Seals over the audit trail, and what was erased of whom"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, Json, PlainText, UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_audit_seal",
        sa.Column("id", BigId, autoincrement=False, nullable=False),
        sa.Column("first_id", BigId, nullable=False),
        sa.Column("last_id", BigId, nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("root", PlainText(64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("previous", PlainText(64), nullable=False),
        sa.Column("hash", PlainText(64), nullable=False),
        sa.Column("signature", PlainText(80), nullable=False),
        sa.Column("leaves", sa.LargeBinary(), nullable=True),
        sa.Column("salts", sa.LargeBinary(), nullable=True),
        sa.Column("dropped_at", UtcDateTime(), nullable=True),
        sa.Column("dropped_signature", PlainText(80), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_audit_seal")),
    )
    op.create_table(
        "core_audit_redaction",
        sa.Column("entry_id", BigId, autoincrement=False, nullable=False),
        sa.Column("seal_id", BigId, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("digest", PlainText(64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("signature", PlainText(80), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_core_audit_redaction")),
    )
    op.create_table(
        "core_erasure",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("key", PlainText(32), nullable=False),
        sa.Column("entity", PlainText(63), nullable=False),
        sa.Column("record_id", BigId, nullable=False),
        sa.Column("records", Json(), nullable=False),
        sa.Column("counts", Json(), nullable=False),
        sa.Column("actor_id", BigId, nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_erasure")),
        sa.UniqueConstraint("key", name=op.f("uq_core_erasure_key")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("core_erasure")
    op.drop_table("core_audit_redaction")
    op.drop_table("core_audit_seal")
