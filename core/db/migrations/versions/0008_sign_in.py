"""Signing in: second factors, half-done sign-ins, links that set a password, locks"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, Json, PlainText, UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = (
    "core_sign_in_lock",
    "core_recovery_code",
    "core_second_factor",
    "core_password_link",
    "core_sign_in_step",
)


def upgrade() -> None:
    op.add_column(
        "core_credential",
        sa.Column("must_change", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("core_credential", sa.Column("previous", Json))
    op.add_column("core_session", sa.Column("device", PlainText(64)))
    op.create_table(
        "core_sign_in_step",
        sa.Column("token_hash", PlainText(64), nullable=False),
        _user("core_sign_in_step"),
        sa.Column("version", PlainText(64), nullable=False),
        sa.Column("is_proven", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("instead_of", BigId),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_core_sign_in_step")),
    )
    op.create_table(
        "core_password_link",
        sa.Column("token_hash", PlainText(64), nullable=False),
        _user("core_password_link"),
        sa.Column("version", PlainText(64), nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_core_password_link")),
    )
    op.create_index("ix_core_password_link_user_id", "core_password_link", ["user_id"])
    op.create_table(
        "core_second_factor",
        _user("core_second_factor"),
        sa.Column("secret", PlainText(500), nullable=False),
        sa.Column("confirmed_at", UtcDateTime),
        sa.Column("last_step", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_core_second_factor")),
    )
    op.create_table(
        "core_recovery_code",
        sa.Column("code_hash", PlainText(64), nullable=False),
        _user("core_recovery_code"),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_core_recovery_code")),
    )
    op.create_index("ix_core_recovery_code_user_id", "core_recovery_code", ["user_id"])
    op.create_table(
        "core_sign_in_lock",
        sa.Column("key", PlainText(64), nullable=False),
        _user("core_sign_in_lock", nullable=True),
        sa.Column("place", PlainText(64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.Column("locked_at", UtcDateTime),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_core_sign_in_lock")),
    )


def _user(table: str, *, nullable: bool = False) -> sa.Column[int]:
    name = op.f(f"fk_{table}_user_id")
    person = sa.ForeignKey("core_user.id", name=name, ondelete="CASCADE")
    return sa.Column("user_id", BigId, person, nullable=nullable)


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    for table, column in (
        ("core_session", "device"),
        ("core_credential", "previous"),
        ("core_credential", "must_change"),
    ):
        op.drop_column(table, column)
