"""Who may do what with pools, and what a change of pooled records must keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities.changes import Change
from core.errors import Problem
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Permission, RoleTemplate
from core.pools.changes import check_hands, check_masks, check_pools
from plugins.crm_sales.pools.declared import CUSTOMERS, OPPORTUNITIES
from plugins.crm_sales.pools.models import OF_CONTACT, VEILABLE, VEILABLE_OPPORTUNITY

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["PERMISSIONS", "SEE_RETURNS", "roles_with", "validate"]

SEE_RETURNS = CUSTOMERS.returns_right
PERMISSIONS = (
    Permission(SEE_RETURNS, _l("See which customers and opportunities go back to their pools")),
)

_AT_ONCE = 900
_POOLS = ("customer_pool", "opportunity_pool")
_OWN = {"read": ["own", "pool"], "create": ["own", "pool"], "claim": "pool", "release": "own"}
_BELOW = ["department_below", "pool"]
_LED = {
    **dict.fromkeys(("read", "create", "update", "import", "assign"), _BELOW),
    "claim": "pool",
    "release": "department_below",
}
_ROLES = (
    RoleTemplate(
        "sales",
        _l("Sales"),
        {
            "customer": _OWN,
            "opportunity": _OWN,
            **{name: {"read": "all"} for name in _POOLS},
        },
    ),
    RoleTemplate(
        "sales_manager",
        _l("Sales manager"),
        {
            "customer": {**_LED, CUSTOMERS.move: "pool"},
            "opportunity": {**_LED, OPPORTUNITIES.move: "pool"},
            **{name: {"read": "all", "update": "administered"} for name in _POOLS},
        },
    ),
)


def roles_with(others: Sequence[RoleTemplate]) -> list[RoleTemplate]:
    """The roles of the module, which say here what they may do with pools too."""
    found = {role.name: role for role in others}
    for role in _ROLES:
        known = found[role.name]
        grants = {
            name: _together(known.grants.get(name, {}), new) for name, new in role.grants.items()
        }
        found[role.name] = replace(
            known,
            grants={**known.grants, **grants},
            permissions=(*known.permissions, SEE_RETURNS),
        )
    return list(found.values())


def _together(known: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What two grants of one entity give together: pools take nothing away, e.g. of teams."""
    found = dict(known)
    for verb, scopes in new.items():
        both = [*_listed(known.get(verb, [])), *_listed(scopes)]
        distinct = list(dict.fromkeys(both))
        found[verb] = distinct[0] if len(distinct) == 1 else distinct
    return found


def _listed(scopes: Any) -> list[Any]:
    return scopes if isinstance(scopes, list) else [scopes]


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Problems of changes to pools and to what lies in them; none for other entities."""
    match changes[0].entity.name:
        case "customer":
            yield from check_hands(CUSTOMERS, changes, uow)
            own = [choice for choice in VEILABLE if not choice.value.startswith(OF_CONTACT)]
            yield from check_masks(changes, uow, own)
        case "contact":
            theirs = [choice for choice in VEILABLE if choice.value.startswith(OF_CONTACT)]
            yield from check_masks(changes, uow, theirs, OF_CONTACT)
        case "opportunity":
            yield from check_hands(OPPORTUNITIES, changes, uow)
            yield from check_masks(changes, uow, VEILABLE_OPPORTUNITY)
            yield from _check_claimed(changes, uow)
        case "quote":
            yield from _check_claimed(changes, uow)
        case "customer_pool":
            yield from check_pools(CUSTOMERS, changes, uow)
            yield from _check_levels(changes)
        case "opportunity_pool":
            yield from check_pools(OPPORTUNITIES, changes, uow)


def _check_claimed(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Nobody sells to a customer that lies in a pool, and so goes round what the pool asks of claims; but
    for who may assign it.

    A verb writes with more rights than its user has, and hands over no more for that: asked is the person
    for whom it writes. The system itself, e.g. a job of the night, is asked nothing.
    """
    spec, person = CUSTOMERS.spec(uow), uow.actor.as_person()
    if person.is_system or person.access(spec).may(CUSTOMERS.assign):
        return
    touched = [c for c in changes if c.kind in ("create", "update") and c.changed("customer")]
    table, free = spec.table, set[int]()
    wanted = sorted({c.after["customer"] for c in touched if c.after["customer"] is not None})
    for start in range(0, len(wanted), _AT_ONCE):
        asked = select(table.c.id).where(
            table.c.id.in_(wanted[start : start + _AT_ONCE]),
            table.c.owner_id.is_(None),
            table.c.pool_id.is_not(None),
        )
        free.update(uow.execute(asked).scalars())
    for change in touched:
        if change.after["customer"] in free:
            message = _("This customer lies in a pool. Claim it first.")
            yield change.problem("customer", "unclaimed", message)


def _check_levels(changes: Sequence[Change]) -> Iterable[Problem]:
    """The lines of a pool are given together: each level has one."""
    for change in changes:
        lines = change.detached.get("levels") or ()
        levels = [line["level"] for line in lines if line.get("level")]
        if len(set(levels)) < len(levels):
            yield change.problem("levels", "second", _("Say the days of a level once."))
