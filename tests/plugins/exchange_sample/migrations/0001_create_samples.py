"""Create the sample's tables, as the models declare them"""

from alembic import op

from core.db.base import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
TABLES = (
    "exchange_sample_prospect",
    "exchange_sample_thing",
    "exchange_sample_thing__helpers",
    "exchange_sample_parcel",
    "exchange_sample_parcel_line",
)


def upgrade() -> None:
    metadata.create_all(op.get_bind(), tables=[metadata.tables[name] for name in TABLES])


def downgrade() -> None:
    metadata.drop_all(op.get_bind(), tables=[metadata.tables[name] for name in TABLES])
