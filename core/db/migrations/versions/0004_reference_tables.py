"""Reference tables, the company's calendar, and how often each moved"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem

from core.db.types import BigId, PlainText, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LIVING = sa.text("archived_at IS NULL")


def _entity(name: str, *columns: SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        *columns,
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{name}_created_at_id", name, ["created_at", "id"])


def _unique_among_living(name: str, *columns: str) -> None:
    op.create_index(
        f"uq_{name}_{'_'.join(columns)}",
        name,
        list(columns),
        unique=True,
        sqlite_where=LIVING,
        postgresql_where=LIVING,
    )


def upgrade() -> None:
    revisions = op.create_table(
        "core_reference_revision",
        sa.Column("source", PlainText(20), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_core_reference_revision")),
    )
    op.bulk_insert(
        revisions,
        [{"source": "lookup", "revision": 1}, {"source": "calendar", "revision": 1}],
    )
    _entity(
        "core_lookup_table",
        sa.Column("name", PlainText(60), nullable=True),
        sa.Column("label", PlainText(100), nullable=True),
        sa.Column("key_label", PlainText(60), nullable=True),
        *(sa.Column(f"column_{n}", PlainText(60), nullable=True) for n in range(1, 9)),
        sa.UniqueConstraint("name", name=op.f("uq_core_lookup_table_name")),
    )
    _entity(
        "core_lookup_row",
        sa.Column("table_id", BigId, nullable=True),
        sa.Column("key", PlainText(120), nullable=True),
        *(sa.Column(f"value_{n}", PlainText(255), nullable=True) for n in range(1, 9)),
        sa.ForeignKeyConstraint(
            ["table_id"],
            ["core_lookup_table.id"],
            name=op.f("fk_core_lookup_row_table_id_core_lookup_table"),
            ondelete="RESTRICT",
        ),
    )
    op.create_index(op.f("ix_core_lookup_row_table_id"), "core_lookup_row", ["table_id"])
    _unique_among_living("core_lookup_row", "table_id", "key")
    _entity(
        "core_calendar_day",
        sa.Column("date", sa.Date(), nullable=True),
        sa.Column("kind", PlainText(64), nullable=True),
        sa.Column("name", PlainText(100), nullable=True),
    )
    _unique_among_living("core_calendar_day", "date")


def downgrade() -> None:
    op.drop_table("core_calendar_day")
    op.drop_table("core_lookup_row")
    op.drop_table("core_lookup_table")
    op.drop_table("core_reference_revision")
