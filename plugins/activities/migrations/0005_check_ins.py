"""Where and when a visit was checked in"""

import sqlalchemy as sa
from alembic import op

from core.db.types import ExactDecimal, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLE = "activities_follow_up"
_COLUMNS = (
    ("checked_in_at", UtcDateTime()),
    ("latitude", ExactDecimal(8, 6)),
    ("longitude", ExactDecimal(9, 6)),
    ("accuracy", sa.Integer()),
)


def upgrade() -> None:
    for name, kind in _COLUMNS:
        op.add_column(_TABLE, sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    for name, _kind in reversed(_COLUMNS):
        op.drop_column(_TABLE, name)
