"""Who sees the rules and has them asked again: as with those of leads. Administrators change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.plugins.contributions import RoleTemplate

__all__ = ["roles_with"]


def roles_with(others: Sequence[RoleTemplate]) -> list[RoleTemplate]:
    """The roles of the module, which say here what they may do with assignment rules too."""
    return [_managing(role) if role.name == "sales_manager" else role for role in others]


def _managing(role: RoleTemplate) -> RoleTemplate:
    customer = {**role.grants["customer"], "distribute": "pool"}
    rules = {"customer_assignment_rule": {"read": "all"}}
    return replace(role, grants={**role.grants, "customer": customer, **rules})
