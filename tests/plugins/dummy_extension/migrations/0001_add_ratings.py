"""Add ratings"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "dummy_plugin_specimen", sa.Column("dummy_extension_rating", PlainText(10), nullable=True)
    )
    op.add_column(
        "dummy_plugin_specimen",
        sa.Column("dummy_extension_told_to", PlainText(254), nullable=True),
    )
    op.add_column(
        "dummy_plugin_specimen",
        sa.Column(
            "dummy_extension_rated_by",
            BigId,
            sa.ForeignKey("core_user.id", name="fk_dummy_plugin_specimen_dummy_extension_rated_by"),
            nullable=True,
        ),
        inline_references=True,
    )


def downgrade() -> None:
    with op.batch_alter_table("dummy_plugin_specimen", schema=None) as batch_op:
        batch_op.drop_column("dummy_extension_rated_by")
        batch_op.drop_column("dummy_extension_told_to")
        batch_op.drop_column("dummy_extension_rating")
