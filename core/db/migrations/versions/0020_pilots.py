"""Modules that are open to some departments only"""

import sqlalchemy as sa
from alembic import op

from core.db.types import Json

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("core_plugin", sa.Column("departments", Json, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("core_plugin") as table:
        table.drop_column("departments")
