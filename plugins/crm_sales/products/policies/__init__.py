"""Rules that products, prices and quotes keep, and who may do what with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.entities.changes import Change
from core.errors import Problem
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import RoleTemplate
from plugins.crm_sales.products.lines import validate_lines
from plugins.crm_sales.products.policies.prices import (
    validate_items,
    validate_limits,
    validate_price_lists,
    validate_rates,
)
from plugins.crm_sales.products.policies.products import (
    validate_categories,
    validate_parameters,
    validate_products,
)
from plugins.crm_sales.products.policies.quotes import validate_quotes

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["roles_with", "validate"]

_READ = {"read": "all"}
_CATALOGUE = ("product", "product_category", "price_list", "exchange_rate")
_QUOTE_VERBS = ("submit", "send", "accept", "decline", "revise", "copy", "withdraw")
_MANAGED = ("read", "create", "update", "delete", "import", "export")

_ROLES = (
    RoleTemplate(
        "sales",
        _l("Sales"),
        {
            **dict.fromkeys(_CATALOGUE, _READ),
            "quote": dict.fromkeys(("read", "create", "update", "delete", *_QUOTE_VERBS), "own"),
        },
        fields={"product": {"cost": "hidden"}},
    ),
    RoleTemplate(
        "sales_manager",
        _l("Sales manager"),
        {
            **{name: dict.fromkeys(_MANAGED, "all") for name in _CATALOGUE},
            "quote": dict.fromkeys((*_MANAGED, *_QUOTE_VERBS), "department_below"),
            "discount_limit": _READ,
        },
    ),
    RoleTemplate(
        "service_agent",
        _l("Service agent"),
        {"product": _READ, "product_category": _READ},
        fields={"product": {"cost": "hidden"}},
    ),
    RoleTemplate(
        "service_manager",
        _l("Service manager"),
        {"product": _READ, "product_category": _READ},
        fields={"product": {"cost": "hidden"}},
    ),
    RoleTemplate("viewer", _l("Viewer"), fields={"product": {"cost": "hidden"}}),
)


def roles_with(others: Sequence[RoleTemplate]) -> list[RoleTemplate]:
    """The roles of the module: those of customers, which say here what they may do with products too."""
    found = {role.name: role for role in others}
    for role in _ROLES:
        known = found.get(role.name, role)
        found[role.name] = replace(
            known,
            grants={**known.grants, **role.grants},
            fields={**known.fields, **role.fields},
        )
    return list(found.values())


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Problems of changes to what this part keeps; none for other entities."""
    check = _CHECKS.get(changes[0].entity.name)
    return () if check is None else check(changes, uow)


_CHECKS: dict[str, Callable[..., Iterable[Problem]]] = {
    "product_category": validate_categories,
    "product": validate_products,
    "product_parameter": validate_parameters,
    "price_list": validate_price_lists,
    "price_list_item": validate_items,
    "exchange_rate": validate_rates,
    "discount_limit": validate_limits,
    "quote": validate_quotes,
    "quote_line": validate_lines,
}
