"""What has happened to opportunities and quotes; other plugins subscribe through ``api.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.work.events import Event

__all__ = [
    "OpportunityLost",
    "OpportunityMoved",
    "OpportunityWon",
    "QuoteAccepted",
    "QuoteSubmitted",
]


@dataclass(frozen=True)
class OpportunityMoved(Event):
    """An opportunity stands in another stage."""

    name: ClassVar[str] = "crm_sales.OpportunityMoved"
    id: int
    from_stage: int | None
    to_stage: int
    entity: str = "opportunity"


@dataclass(frozen=True)
class OpportunityWon(Event):
    """An opportunity became a deal."""

    name: ClassVar[str] = "crm_sales.OpportunityWon"
    id: int
    customer: int
    owner: int | None
    entity: str = "opportunity"


@dataclass(frozen=True)
class OpportunityLost(Event):
    """An opportunity was given up, or went to somebody else."""

    name: ClassVar[str] = "crm_sales.OpportunityLost"
    id: int
    customer: int
    reason: str
    entity: str = "opportunity"


@dataclass(frozen=True)
class QuoteSubmitted(Event):
    """A version of a quote went out."""

    name: ClassVar[str] = "crm_sales.QuoteSubmitted"
    id: int
    customer: int
    revision: int
    entity: str = "quote"


@dataclass(frozen=True)
class QuoteAccepted(Event):
    """A customer agreed to a quote."""

    name: ClassVar[str] = "crm_sales.QuoteAccepted"
    id: int
    customer: int
    opportunity: int | None
    entity: str = "quote"
