"""The rights that modules have delivered, so that what a new version brings is told"""

import sqlalchemy as sa
from alembic import op

from core.db.types import Json

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("core_plugin", sa.Column("delivered", Json, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("core_plugin") as table:
        table.drop_column("delivered")
