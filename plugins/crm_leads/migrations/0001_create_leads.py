"""Create leads, pools and campaigns"""

import sqlalchemy as sa
from alembic import op

from core.db.types import BigId, ExactDecimal, Json, PlainText, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "crm_leads_campaign",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", PlainText(120), nullable=True),
        sa.Column("status", PlainText(64), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("budget", ExactDecimal(18, 2), nullable=True),
        sa.Column("note", PlainText(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crm_leads_campaign")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("crm_leads_campaign", schema=None) as batch_op:
        batch_op.create_index(
            "ix_crm_leads_campaign_created_at_id", ["created_at", "id"], unique=False
        )

    op.create_table(
        "crm_leads_lead_pool",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", PlainText(60), nullable=True),
        sa.Column("description", PlainText(), nullable=True),
        sa.Column("daily_claims", sa.BigInteger(), nullable=True),
        sa.Column("holding_limit", sa.BigInteger(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crm_leads_lead_pool")),
        sa.UniqueConstraint("name", name=op.f("uq_crm_leads_lead_pool_name")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("crm_leads_lead_pool", schema=None) as batch_op:
        batch_op.create_index(
            "ix_crm_leads_lead_pool_created_at_id", ["created_at", "id"], unique=False
        )

    op.create_table(
        "crm_leads_lead_pool__departments",
        sa.Column("source_id", BigId, nullable=False),
        sa.Column("target_id", BigId, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["crm_leads_lead_pool.id"],
            name=op.f("fk_crm_leads_lead_pool__departments_source_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["target_id"],
            ["core_department.id"],
            name=op.f("fk_crm_leads_lead_pool__departments_target_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "source_id", "target_id", name=op.f("pk_crm_leads_lead_pool__departments")
        ),
    )
    with op.batch_alter_table("crm_leads_lead_pool__departments", schema=None) as batch_op:
        batch_op.create_index(
            "ix_crm_leads_lead_pool__departments_target_id", ["target_id"], unique=False
        )

    op.create_table(
        "crm_leads_lead",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("company", PlainText(120), nullable=True),
        sa.Column("contact_name", PlainText(60), nullable=True),
        sa.Column("mobile", PlainText(32), nullable=True),
        sa.Column("phone", PlainText(32), nullable=True),
        sa.Column("email", PlainText(254), nullable=True),
        sa.Column("wechat", PlainText(60), nullable=True),
        sa.Column("source", PlainText(64), nullable=True),
        sa.Column("campaign_id", BigId, nullable=True),
        sa.Column("province", PlainText(6), nullable=True),
        sa.Column("city", PlainText(6), nullable=True),
        sa.Column("address", PlainText(200), nullable=True),
        sa.Column("industry", PlainText(60), nullable=True),
        sa.Column("expected_amount", ExactDecimal(18, 2), nullable=True),
        sa.Column("status", PlainText(64), nullable=True),
        sa.Column("pool_id", BigId, nullable=True),
        sa.Column("tags", Json(), nullable=True),
        sa.Column("score", sa.BigInteger(), nullable=True),
        sa.Column("last_followed_at", UtcDateTime(), nullable=True),
        sa.Column("next_follow_at", UtcDateTime(), nullable=True),
        sa.Column("entered_on", sa.Date(), nullable=True),
        sa.Column("note", PlainText(), nullable=True),
        sa.Column("lost_reason", PlainText(300), nullable=True),
        sa.Column("release_reason", PlainText(300), nullable=True),
        sa.Column("converted_at", UtcDateTime(), nullable=True),
        sa.Column("owner_id", BigId, nullable=True),
        sa.Column("department_id", BigId, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["crm_leads_campaign.id"],
            name=op.f("fk_crm_leads_lead_campaign_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["department_id"],
            ["core_department.id"],
            name=op.f("fk_crm_leads_lead_department_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["core_user.id"],
            name=op.f("fk_crm_leads_lead_owner_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["pool_id"],
            ["crm_leads_lead_pool.id"],
            name=op.f("fk_crm_leads_lead_pool_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crm_leads_lead")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("crm_leads_lead", schema=None) as batch_op:
        batch_op.create_index(
            "ix_crm_leads_lead_campaign_id",
            ["campaign_id"],
            unique=False,
            sqlite_where=sa.text("campaign_id IS NOT NULL"),
            postgresql_where=sa.text("campaign_id IS NOT NULL"),
        )
        batch_op.create_index("ix_crm_leads_lead_company_id", ["company", "id"], unique=False)
        batch_op.create_index("ix_crm_leads_lead_created_at_id", ["created_at", "id"], unique=False)
        batch_op.create_index(
            "ix_crm_leads_lead_department_id_created_at_id",
            ["department_id", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            "ix_crm_leads_lead_in_pool",
            ["pool_id", "created_at", "id"],
            unique=False,
            sqlite_where=sa.text("owner_id IS NULL"),
            postgresql_where=sa.text("owner_id IS NULL"),
        )
        batch_op.create_index(
            "ix_crm_leads_lead_next_follow_at",
            ["next_follow_at"],
            unique=False,
            sqlite_where=sa.text("next_follow_at IS NOT NULL"),
            postgresql_where=sa.text("next_follow_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_crm_leads_lead_owner_id_created_at_id",
            ["owner_id", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            "ix_crm_leads_lead_source_created_at_id", ["source", "created_at", "id"], unique=False
        )
        batch_op.create_index(
            "ix_crm_leads_lead_status_created_at_id", ["status", "created_at", "id"], unique=False
        )

    op.create_table(
        "crm_leads_lead_pool__administrators",
        sa.Column("source_id", BigId, nullable=False),
        sa.Column("target_id", BigId, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["crm_leads_lead_pool.id"],
            name=op.f("fk_crm_leads_lead_pool__administrators_source_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["target_id"],
            ["core_user.id"],
            name=op.f("fk_crm_leads_lead_pool__administrators_target_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "source_id", "target_id", name=op.f("pk_crm_leads_lead_pool__administrators")
        ),
    )
    with op.batch_alter_table("crm_leads_lead_pool__administrators", schema=None) as batch_op:
        batch_op.create_index(
            "ix_crm_leads_lead_pool__administrators_target_id", ["target_id"], unique=False
        )

    op.create_table(
        "crm_leads_lead_pool__members",
        sa.Column("source_id", BigId, nullable=False),
        sa.Column("target_id", BigId, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["crm_leads_lead_pool.id"],
            name=op.f("fk_crm_leads_lead_pool__members_source_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["target_id"],
            ["core_user.id"],
            name=op.f("fk_crm_leads_lead_pool__members_target_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "source_id", "target_id", name=op.f("pk_crm_leads_lead_pool__members")
        ),
    )
    with op.batch_alter_table("crm_leads_lead_pool__members", schema=None) as batch_op:
        batch_op.create_index(
            "ix_crm_leads_lead_pool__members_target_id", ["target_id"], unique=False
        )

    op.create_table(
        "crm_leads_lead_transfer",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("lead_id", BigId, nullable=True),
        sa.Column("kind", PlainText(64), nullable=True),
        sa.Column("from_owner_id", BigId, nullable=True),
        sa.Column("to_owner_id", BigId, nullable=True),
        sa.Column("pool_id", BigId, nullable=True),
        sa.Column("reason", PlainText(300), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", BigId, nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["from_owner_id"],
            ["core_user.id"],
            name=op.f("fk_crm_leads_lead_transfer_from_owner_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["lead_id"],
            ["crm_leads_lead.id"],
            name=op.f("fk_crm_leads_lead_transfer_lead_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["pool_id"],
            ["crm_leads_lead_pool.id"],
            name=op.f("fk_crm_leads_lead_transfer_pool_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["to_owner_id"],
            ["core_user.id"],
            name=op.f("fk_crm_leads_lead_transfer_to_owner_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crm_leads_lead_transfer")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("crm_leads_lead_transfer", schema=None) as batch_op:
        batch_op.create_index(
            "ix_crm_leads_lead_transfer_created_at_id", ["created_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_crm_leads_lead_transfer_lead_id"), ["lead_id"], unique=False
        )
        batch_op.create_index(
            "ix_crm_leads_lead_transfer_to_owner_id_created_at",
            ["to_owner_id", "created_at"],
            unique=False,
        )


def downgrade() -> None:
    with op.batch_alter_table("crm_leads_lead_transfer", schema=None) as batch_op:
        batch_op.drop_index("ix_crm_leads_lead_transfer_to_owner_id_created_at")
        batch_op.drop_index(batch_op.f("ix_crm_leads_lead_transfer_lead_id"))
        batch_op.drop_index("ix_crm_leads_lead_transfer_created_at_id")

    op.drop_table("crm_leads_lead_transfer")
    with op.batch_alter_table("crm_leads_lead_pool__members", schema=None) as batch_op:
        batch_op.drop_index("ix_crm_leads_lead_pool__members_target_id")

    op.drop_table("crm_leads_lead_pool__members")
    with op.batch_alter_table("crm_leads_lead_pool__administrators", schema=None) as batch_op:
        batch_op.drop_index("ix_crm_leads_lead_pool__administrators_target_id")

    op.drop_table("crm_leads_lead_pool__administrators")
    with op.batch_alter_table("crm_leads_lead", schema=None) as batch_op:
        batch_op.drop_index("ix_crm_leads_lead_status_created_at_id")
        batch_op.drop_index("ix_crm_leads_lead_source_created_at_id")
        batch_op.drop_index("ix_crm_leads_lead_owner_id_created_at_id")
        batch_op.drop_index(
            "ix_crm_leads_lead_next_follow_at",
            sqlite_where=sa.text("next_follow_at IS NOT NULL"),
            postgresql_where=sa.text("next_follow_at IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_crm_leads_lead_in_pool",
            sqlite_where=sa.text("owner_id IS NULL"),
            postgresql_where=sa.text("owner_id IS NULL"),
        )
        batch_op.drop_index("ix_crm_leads_lead_department_id_created_at_id")
        batch_op.drop_index("ix_crm_leads_lead_created_at_id")
        batch_op.drop_index("ix_crm_leads_lead_company_id")
        batch_op.drop_index(
            "ix_crm_leads_lead_campaign_id",
            sqlite_where=sa.text("campaign_id IS NOT NULL"),
            postgresql_where=sa.text("campaign_id IS NOT NULL"),
        )

    op.drop_table("crm_leads_lead")
    with op.batch_alter_table("crm_leads_lead_pool__departments", schema=None) as batch_op:
        batch_op.drop_index("ix_crm_leads_lead_pool__departments_target_id")

    op.drop_table("crm_leads_lead_pool__departments")
    with op.batch_alter_table("crm_leads_lead_pool", schema=None) as batch_op:
        batch_op.drop_index("ix_crm_leads_lead_pool_created_at_id")

    op.drop_table("crm_leads_lead_pool")
    with op.batch_alter_table("crm_leads_campaign", schema=None) as batch_op:
        batch_op.drop_index("ix_crm_leads_campaign_created_at_id")

    op.drop_table("crm_leads_campaign")
