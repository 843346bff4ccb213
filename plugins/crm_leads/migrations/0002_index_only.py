"""Indexes that answer counts and sums by themselves"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_crm_leads_lead_status_created_at_id_company",
        "crm_leads_lead",
        ["status", "created_at", "id", "company", "archived_at"],
    )
    op.create_index(
        "ix_crm_leads_lead_status_owner_id_expected_amount",
        "crm_leads_lead",
        ["status", "owner_id", "expected_amount", "archived_at"],
    )
    op.drop_index("ix_crm_leads_lead_status_created_at_id", "crm_leads_lead")


def downgrade() -> None:
    op.create_index(
        "ix_crm_leads_lead_status_created_at_id",
        "crm_leads_lead",
        ["status", "created_at", "id"],
    )
    op.drop_index("ix_crm_leads_lead_status_owner_id_expected_amount", "crm_leads_lead")
    op.drop_index("ix_crm_leads_lead_status_created_at_id_company", "crm_leads_lead")
