"""The tables of customers, contacts, processes and opportunities."""

from __future__ import annotations

from plugins.crm_sales.models.customers import OTHER, SIZES, SOURCES, Contact, Customer
from plugins.crm_sales.models.opportunities import (
    CURRENCIES,
    LOST_REASON,
    STATUSES,
    WON_REASON,
    Opportunity,
    StageVisit,
)
from plugins.crm_sales.models.processes import NEEDS, SalesProcess, Stage

__all__ = [
    "CURRENCIES",
    "LOST_REASON",
    "NEEDS",
    "OTHER",
    "SIZES",
    "SOURCES",
    "STATUSES",
    "WON_REASON",
    "Contact",
    "Customer",
    "Opportunity",
    "SalesProcess",
    "Stage",
    "StageVisit",
]
