"""Create the workshop's tables"""

from alembic import op

from core.db.base import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    names = ("workshop_site", "workshop_order", "workshop_part", "workshop_order__watchers")
    metadata.create_all(op.get_bind(), tables=[metadata.tables[name] for name in names])


def downgrade() -> None:
    for name in ("workshop_order__watchers", "workshop_part", "workshop_order", "workshop_site"):
        op.drop_table(name)
