"""What entered a stage in a period is found without looking at all that ever did"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_TABLE = "crm_sales_stage_visit"
_OLD, _NEW = f"ix_{_TABLE}_stage_id", f"ix_{_TABLE}_stage_id_entered_at"


def upgrade() -> None:
    op.create_index(_NEW, _TABLE, ["stage_id", "entered_at"])
    op.drop_index(_OLD, _TABLE)


def downgrade() -> None:
    op.create_index(_OLD, _TABLE, ["stage_id"])
    op.drop_index(_NEW, _TABLE)
