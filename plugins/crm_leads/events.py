"""What has happened to leads; other plugins subscribe through ``api.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.work.events import Event

__all__ = ["LeadConverted", "LeadsAssigned", "LeadsClaimed", "LeadsLost", "LeadsReleased"]


@dataclass(frozen=True)
class LeadsClaimed(Event):
    """Somebody took leads out of their pools."""

    name: ClassVar[str] = "crm_leads.LeadsClaimed"
    ids: tuple[int, ...]
    owner: int
    entity: str = "lead"


@dataclass(frozen=True)
class LeadsReleased(Event):
    """Leads lie in a pool again."""

    name: ClassVar[str] = "crm_leads.LeadsReleased"
    ids: tuple[int, ...]
    reason: str
    entity: str = "lead"


@dataclass(frozen=True)
class LeadsAssigned(Event):
    """Somebody was given leads by another."""

    name: ClassVar[str] = "crm_leads.LeadsAssigned"
    ids: tuple[int, ...]
    owner: int
    entity: str = "lead"


@dataclass(frozen=True)
class LeadConverted(Event):
    """A lead has become business; one event a lead."""

    name: ClassVar[str] = "crm_leads.LeadConverted"
    lead: int
    owner: int | None
    entity: str = "lead"


@dataclass(frozen=True)
class LeadsLost(Event):
    """Leads were given up."""

    name: ClassVar[str] = "crm_leads.LeadsLost"
    ids: tuple[int, ...]
    reason: str
    entity: str = "lead"
