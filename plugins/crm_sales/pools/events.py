"""What has happened to customers and opportunities in pools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.work.events import Event

__all__ = [
    "CustomersClaimed",
    "CustomersReleased",
    "OpportunitiesAssigned",
    "OpportunitiesClaimed",
    "OpportunitiesReleased",
]


@dataclass(frozen=True)
class CustomersClaimed(Event):
    """Somebody took customers out of their pools."""

    name: ClassVar[str] = "crm_sales.CustomersClaimed"
    ids: tuple[int, ...]
    owner: int
    entity: str = "customer"


@dataclass(frozen=True)
class CustomersReleased(Event):
    """Customers lie in a pool again."""

    name: ClassVar[str] = "crm_sales.CustomersReleased"
    ids: tuple[int, ...]
    reason: str
    entity: str = "customer"


@dataclass(frozen=True)
class OpportunitiesClaimed(Event):
    """Somebody took opportunities out of their pools."""

    name: ClassVar[str] = "crm_sales.OpportunitiesClaimed"
    ids: tuple[int, ...]
    owner: int
    entity: str = "opportunity"


@dataclass(frozen=True)
class OpportunitiesReleased(Event):
    """Opportunities lie in a pool again."""

    name: ClassVar[str] = "crm_sales.OpportunitiesReleased"
    ids: tuple[int, ...]
    reason: str
    entity: str = "opportunity"


@dataclass(frozen=True)
class OpportunitiesAssigned(Event):
    """Somebody was given opportunities by another."""

    name: ClassVar[str] = "crm_sales.OpportunitiesAssigned"
    ids: tuple[int, ...]
    owner: int
    entity: str = "opportunity"
