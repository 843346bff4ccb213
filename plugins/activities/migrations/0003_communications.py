"""What other systems log of calls, mails and messages"""

import sqlalchemy as sa
from alembic import op

from core.db.types import PlainText

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLE = "activities_follow_up"
_COLUMNS = (
    ("direction", PlainText(64)),
    ("seconds", sa.Integer()),
    ("party", PlainText(254)),
    ("own_party", PlainText(254)),
    ("consent", sa.Boolean()),
    ("external_id", PlainText(120)),
)
_LOGGED = sa.text("external_id IS NOT NULL")


def upgrade() -> None:
    for name, kind in _COLUMNS:
        op.add_column(_TABLE, sa.Column(name, kind, nullable=True))
    op.create_index(
        f"ix_{_TABLE}_external_id",
        _TABLE,
        ["external_id"],
        unique=True,
        sqlite_where=_LOGGED,
        postgresql_where=_LOGGED,
    )


def downgrade() -> None:
    op.drop_index(f"ix_{_TABLE}_external_id", table_name=_TABLE)
    for name, _kind in reversed(_COLUMNS):
        op.drop_column(_TABLE, name)
