"""${message}"""

from alembic import op
import sqlalchemy as sa

from core.db.types import BigId, ExactDecimal, Json, PlainText, UtcDateTime  # noqa: F401

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
