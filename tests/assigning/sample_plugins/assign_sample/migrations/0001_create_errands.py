"""Create the sample's tables, as its models say: this plugin has no history"""

from alembic import op

from core.db.base import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _tables():
    return [table for name, table in metadata.tables.items() if name.startswith("assign_sample_")]


def upgrade() -> None:
    metadata.create_all(op.get_bind(), tables=_tables())


def downgrade() -> None:
    metadata.drop_all(op.get_bind(), tables=_tables())
