"""After how many days a deal that does not move is told of"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("crm_sales_stage", sa.Column("quiet_days", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("crm_sales_stage", "quiet_days")
