"""Assignment rules, their conditions, and who got the last lead in turn"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, PlainText, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


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
    op.add_column("crm_leads_lead", sa.Column("assignment_reason", PlainText(300), nullable=True))
    rule = "crm_leads_assignment_rule"
    op.create_table(
        rule,
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", PlainText(60), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=True),
        sa.Column("pool_id", BigId, nullable=True),
        sa.Column("target", PlainText(64), nullable=True),
        sa.Column("person_id", BigId, nullable=True),
        sa.Column("department_id", BigId, nullable=True),
        sa.Column("to_pool_id", BigId, nullable=True),
        sa.Column("capacity", sa.BigInteger(), nullable=True),
        *_stamps(),
        _reference(rule, "pool_id", "crm_leads_lead_pool", "RESTRICT"),
        _reference(rule, "person_id", "core_user", "RESTRICT"),
        _reference(rule, "department_id", "core_department", "RESTRICT"),
        _reference(rule, "to_pool_id", "crm_leads_lead_pool", "RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{rule}")),
        sa.UniqueConstraint("name", name=op.f(f"uq_{rule}_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{rule}_created_at_id", rule, ["created_at", "id"])
    people = f"{rule}__people"
    op.create_table(
        people,
        sa.Column("source_id", BigId, nullable=False),
        sa.Column("target_id", BigId, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        _reference(people, "source_id", rule, "CASCADE"),
        _reference(people, "target_id", "core_user", "CASCADE"),
        sa.PrimaryKeyConstraint("source_id", "target_id", name=op.f(f"pk_{people}")),
    )
    op.create_index(f"ix_{people}_target_id", people, ["target_id"])
    test = "crm_leads_assignment_condition"
    op.create_table(
        test,
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("rule_id", BigId, nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("field_name", PlainText(64), nullable=True),
        sa.Column("op", PlainText(64), nullable=True),
        sa.Column("value", PlainText(500), nullable=True),
        *_stamps(),
        _reference(test, "rule_id", rule, "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{test}")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{test}_created_at_id", test, ["created_at", "id"])
    op.create_index(op.f(f"ix_{test}_rule_id"), test, ["rule_id"])
    op.create_table(
        "crm_leads_rotation",
        sa.Column("rule_id", BigId, autoincrement=False, nullable=False),
        sa.Column("person_id", BigId, nullable=False),
        _reference("crm_leads_rotation", "rule_id", rule, "CASCADE"),
        sa.PrimaryKeyConstraint("rule_id", name=op.f("pk_crm_leads_rotation")),
    )


def downgrade() -> None:
    op.drop_table("crm_leads_rotation")
    op.drop_table("crm_leads_assignment_condition")
    op.drop_table("crm_leads_assignment_rule__people")
    op.drop_table("crm_leads_assignment_rule")
    op.drop_column("crm_leads_lead", "assignment_reason")
