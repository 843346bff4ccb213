"""Search"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, Json, PlainText, UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_search_entity",
        sa.Column("id", BigId, nullable=False),
        sa.Column("entity", PlainText(63), nullable=False),
        sa.Column("content", PlainText(64), nullable=False),
        sa.Column("filled_to", BigId),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_search_entity")),
        sa.UniqueConstraint("entity", name=op.f("uq_core_search_entity_entity")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "core_search_todo",
        sa.Column("id", BigId, nullable=False),
        sa.Column("entity", PlainText(63), nullable=False),
        sa.Column("ids", Json(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_search_todo")),
        sqlite_autoincrement=True,
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE core_search_index USING fts5("
            "tokens, tokenize = 'ascii', detail = none, columnsize = 0)"
        )
        return
    op.execute(
        "CREATE TABLE core_search_index ("
        "entity integer NOT NULL, record_id bigint NOT NULL, tokens tsvector NOT NULL,"
        " CONSTRAINT pk_core_search_index PRIMARY KEY (entity, record_id))"
    )
    # What waits to be put into the index is read by every search: little of it.
    op.execute(
        "CREATE INDEX ix_core_search_index_tokens ON core_search_index USING gin (tokens)"
        " WITH (gin_pending_list_limit = 256)"
    )


def downgrade() -> None:
    op.drop_table("core_search_index")
    op.drop_table("core_search_todo")
    op.drop_table("core_search_entity")
