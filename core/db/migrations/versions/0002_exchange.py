"""Keys of duplicates, refused rows of imports, and the field that a file was given to"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("core_file", sa.Column("field", PlainText(63), nullable=True))
    op.create_table(
        "core_duplicate_key",
        sa.Column("entity", PlainText(63), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entity", "key", "record_id", name=op.f("pk_core_duplicate_key")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "core_import_refusal",
        sa.Column("job_id", BigId, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("field", PlainText(), nullable=False),
        sa.Column("reason", PlainText(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "line", name=op.f("pk_core_import_refusal")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("core_import_refusal")
    op.drop_table("core_duplicate_key")
    with op.batch_alter_table("core_file") as batch_op:
        batch_op.drop_column("field")
