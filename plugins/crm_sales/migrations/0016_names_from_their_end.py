"""Find names by their ends"""

from alembic import op
from sqlalchemy import text

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

INDEX = "ix_crm_sales_customer_name_backwards"


def upgrade() -> None:
    # SQLite knows no text backwards, and reads through the index of keys as fast as is asked.
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(
            INDEX,
            "crm_sales_customer",
            [text("reverse(name_key)")],
            postgresql_include=["name_key", "id"],
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index(INDEX, "crm_sales_customer")
