"""What other plugins may import."""

from __future__ import annotations

from plugins.crm_leads.events import (
    LeadConverted,
    LeadsAssigned,
    LeadsClaimed,
    LeadsLost,
    LeadsReleased,
)
from plugins.crm_leads.services import mark_converted

__all__ = [
    "LeadConverted",
    "LeadsAssigned",
    "LeadsClaimed",
    "LeadsLost",
    "LeadsReleased",
    "mark_converted",
]
