"""Imports that can be undone, are listed, and are set up by saved presets"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, Json, PlainText, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OF_IMPORTS = sa.text("channel = 'import'")
_IMPORTS = sa.text("kind = 'core.import'")


def upgrade() -> None:
    op.create_index(
        "ix_core_audit_entry_import",
        "core_audit_entry",
        ["request_id", "id"],
        postgresql_where=_OF_IMPORTS,
        sqlite_where=_OF_IMPORTS,
    )
    op.create_index(
        "ix_core_job_import",
        "core_job",
        ["id"],
        postgresql_where=_IMPORTS,
        sqlite_where=_IMPORTS,
    )
    op.create_table(
        "core_import_kept",
        sa.Column("job_id", BigId, nullable=False),
        sa.Column("entity", PlainText(63), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", PlainText(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "entity", "record_id", name=op.f("pk_core_import_kept")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "core_import_preset",
        sa.Column("id", BigId, nullable=False),
        sa.Column("entity", PlainText(63), nullable=False),
        sa.Column("name", PlainText(80), nullable=False),
        sa.Column("owner_id", BigId, nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["core_user.id"],
            name=op.f("fk_core_import_preset_owner_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_import_preset")),
        sa.UniqueConstraint(
            "entity", "owner_id", "name", name=op.f("uq_core_import_preset_entity_owner_id_name")
        ),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("core_import_preset")
    op.drop_table("core_import_kept")
    op.drop_index("ix_core_job_import", "core_job")
    op.drop_index("ix_core_audit_entry_import", "core_audit_entry")
