"""Remember the weeks of which people were told that the quota is not reached"""

import sqlalchemy as sa
from alembic import op

from core.db.types import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "activities_quota_week",
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("week", name=op.f("pk_activities_quota_week")),
    )


def downgrade() -> None:
    op.drop_table("activities_quota_week")
