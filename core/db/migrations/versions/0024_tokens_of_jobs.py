"""What the API token is limited to by which a job was asked for"""

import sqlalchemy as sa
from alembic import op

from core.db.types import Json

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("core_job", sa.Column("token_scopes", Json, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("core_job") as batch_op:
        batch_op.drop_column("token_scopes")
