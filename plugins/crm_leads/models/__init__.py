"""The tables of leads, pools, rules, forms and campaigns."""

from __future__ import annotations

from plugins.crm_leads.models.campaigns import TARGET_STATES, Campaign, CampaignStep, CampaignTarget
from plugins.crm_leads.models.forms import ASKED, LeadForm
from plugins.crm_leads.models.leads import (
    OPEN,
    SOURCES,
    STATUSES,
    Lead,
    LeadOutcome,
    LeadTransfer,
    lead_alert_table,
    return_warning_table,
)
from plugins.crm_leads.models.pools import VEILABLE, ChannelPolicy, LeadPool
from plugins.crm_leads.models.rules import (
    AssignmentCondition,
    AssignmentRule,
    ScoreRule,
    rotation_table,
)

__all__ = [
    "ASKED",
    "OPEN",
    "SOURCES",
    "STATUSES",
    "TARGET_STATES",
    "VEILABLE",
    "AssignmentCondition",
    "AssignmentRule",
    "Campaign",
    "CampaignStep",
    "CampaignTarget",
    "ChannelPolicy",
    "Lead",
    "LeadForm",
    "LeadOutcome",
    "LeadPool",
    "LeadTransfer",
    "ScoreRule",
    "lead_alert_table",
    "return_warning_table",
    "rotation_table",
]
