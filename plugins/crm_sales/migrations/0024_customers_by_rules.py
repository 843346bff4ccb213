"""Rules that say who looks after which customers, whose turn it is, and what rules moved"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, Json, PlainText, UtcDateTime

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_RULE = "crm_sales_customer_assignment_rule"
_TEST = "crm_sales_customer_assignment_condition"
_ROTATION, _MOVE = "crm_sales_customer_rotation", "crm_sales_customer_move"


def _stamps() -> list[sa.Column]:
    return [
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
    ]


def _reference(table: str, column: str, target: str, on_delete: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete=on_delete)


def upgrade() -> None:
    op.add_column(
        "crm_sales_customer", sa.Column("assignment_reason", PlainText(300), nullable=True)
    )
    op.create_table(
        _RULE,
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", PlainText(60), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=True),
        sa.Column("pool_id", BigId, nullable=True),
        sa.Column("on_change", sa.Boolean(), nullable=True),
        sa.Column("target", PlainText(64), nullable=True),
        sa.Column("person_id", BigId, nullable=True),
        sa.Column("department_id", BigId, nullable=True),
        sa.Column("to_pool_id", BigId, nullable=True),
        sa.Column("capacity", sa.BigInteger(), nullable=True),
        *_stamps(),
        _reference(_RULE, "pool_id", "crm_sales_customer_pool", "RESTRICT"),
        _reference(_RULE, "person_id", "core_user", "RESTRICT"),
        _reference(_RULE, "department_id", "core_department", "RESTRICT"),
        _reference(_RULE, "to_pool_id", "crm_sales_customer_pool", "RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{_RULE}")),
        sa.UniqueConstraint("name", name=op.f(f"uq_{_RULE}_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{_RULE}_created_at_id", _RULE, ["created_at", "id"])
    people = f"{_RULE}__people"
    op.create_table(
        people,
        sa.Column("source_id", BigId, nullable=False),
        sa.Column("target_id", BigId, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        _reference(people, "source_id", _RULE, "CASCADE"),
        _reference(people, "target_id", "core_user", "CASCADE"),
        sa.PrimaryKeyConstraint("source_id", "target_id", name=op.f(f"pk_{people}")),
    )
    op.create_index(f"ix_{people}_target_id", people, ["target_id"])
    op.create_table(
        _TEST,
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("rule_id", BigId, nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("field_name", PlainText(64), nullable=True),
        sa.Column("op", PlainText(64), nullable=True),
        sa.Column("value", PlainText(500), nullable=True),
        *_stamps(),
        _reference(_TEST, "rule_id", _RULE, "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{_TEST}")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{_TEST}_created_at_id", _TEST, ["created_at", "id"])
    op.create_index(op.f(f"ix_{_TEST}_rule_id"), _TEST, ["rule_id"])
    op.create_table(
        _ROTATION,
        sa.Column("rule_id", BigId, autoincrement=False, nullable=False),
        sa.Column("person_id", BigId, nullable=False),
        _reference(_ROTATION, "rule_id", _RULE, "CASCADE"),
        sa.PrimaryKeyConstraint("rule_id", name=op.f(f"pk_{_ROTATION}")),
    )
    op.create_table(
        _MOVE,
        sa.Column("record_id", BigId, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("old", Json(), nullable=False),
        _reference(_MOVE, "record_id", "crm_sales_customer", "CASCADE"),
        sa.PrimaryKeyConstraint("record_id", name=op.f(f"pk_{_MOVE}")),
    )


def downgrade() -> None:
    for table in (_MOVE, _ROTATION, _TEST, f"{_RULE}__people", _RULE):
        op.drop_table(table)
    op.drop_column("crm_sales_customer", "assignment_reason")
