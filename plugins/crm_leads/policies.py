"""Who may do what: delivered roles, data scopes of pools, and rules that a change must keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from core.assigning.changes import check_rules
from core.entities.changes import Change
from core.errors import Problem
from core.http.requests import SITE
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import RoleTemplate
from core.pools.changes import check_hands, check_masks, check_pools
from core.security.actor import FieldAccess
from plugins.crm_leads.assignment import LEADS as RULES
from plugins.crm_leads.campaigns import in_circles
from plugins.crm_leads.criteria import problem
from plugins.crm_leads.duplicates import check_leads
from plugins.crm_leads.models import VEILABLE
from plugins.crm_leads.pools import LEADS
from plugins.crm_leads.public_forms import unfillable

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["ROLES", "validate"]

_VERBS = ("claim", "release", "convert", "mark_lost", "target")
#: Of targets: who they are about narrows it to what one may read.
_TARGETS = dict.fromkeys(("read", "create", "update", "delete"), "all")
_ORDINARY = ("read", "create", "update", "delete", "import", "export")

ROLES = (
    RoleTemplate(
        "sales",
        _l("Sales"),
        {
            "lead": {
                **dict.fromkeys((*_ORDINARY, *_VERBS), "own"),
                "read": ["own", "pool"],
                "create": ["own", "pool"],
                "claim": "pool",
            },
            "lead_pool": {"read": "all"},
            "campaign": {"read": "all"},
            "campaign_target": _TARGETS,
        },
        permissions=("crm_leads.see_returns",),
    ),
    RoleTemplate(
        "sales_manager",
        _l("Sales manager"),
        {
            "lead": {
                **dict.fromkeys((*_ORDINARY, *_VERBS), "department_below"),
                "read": ["department_below", "pool"],
                "create": ["department_below", "pool"],
                "update": ["department_below", "pool"],
                "import": ["department_below", "pool"],
                "claim": "pool",
                "assign": ["department_below", "pool"],
                "move": "pool",
                "distribute": "pool",
            },
            "lead_pool": {"read": "all", "update": "administered"},
            "assignment_rule": {"read": "all"},
            "channel_policy": {"read": "all"},
            "score_rule": {"read": "all"},
            "lead_form": {"read": "all"},
            "campaign": {"read": "all"},
            "campaign_target": _TARGETS,
        },
        permissions=("crm_leads.see_returns", "crm_leads.see_channels"),
    ),
    RoleTemplate(
        "marketing",
        _l("Marketing"),
        {
            "lead": {
                "read": "all",
                "create": "all",
                "import": "all",
                "update": ["own", "pool"],
                "export": "own",
                "move": "all",
                "distribute": "all",
                "nurture": "all",
                "stop_nurturing": "all",
                "target": "all",
            },
            "lead_pool": {"read": "all"},
            "nurture_plan": dict.fromkeys(_ORDINARY, "all"),
            "assignment_rule": {"read": "all"},
            "channel_policy": dict.fromkeys(_ORDINARY, "all"),
            "score_rule": dict.fromkeys(_ORDINARY, "all"),
            "lead_form": dict.fromkeys(_ORDINARY, "all"),
            "campaign": dict.fromkeys(_ORDINARY, "all"),
            "campaign_target": dict.fromkeys(_ORDINARY, "all"),
        },
        permissions=("crm_leads.see_channels",),
    ),
)

#: What people may change by hand; the verbs ``convert`` and ``mark_lost`` do the rest.
_TRANSITIONS = {
    None: ("new", "following", "invalid", "lost"),
    "new": ("following", "invalid", "lost"),
    "following": ("new", "invalid", "lost"),
    "invalid": ("new", "following"),
    "lost": ("new", "following"),
    "converted": (),
}


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Problems of changes to leads, pools and campaigns; none for other entities."""
    check = _CHECKS.get(changes[0].entity.name)
    return () if check is None else check(changes, uow)


def _validate_leads(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    if uow.actor.is_system:  # a verb, which has asked what it must
        return
    for change in changes:
        if change.before.get("status") == "converted":
            message = _("A converted lead is locked.")
            yield change.problem("status", "locked", message)
        elif change.kind in ("create", "update"):
            yield from _check_status(change)
    yield from check_masks(changes, uow, VEILABLE)
    yield from check_hands(LEADS, changes, uow, always=True)
    yield from check_leads(changes, uow)


def _check_status(change: Change) -> Iterable[Problem]:
    old, new = change.before.get("status"), change.after["status"]
    if old == new:
        return
    if new not in _TRANSITIONS[old]:
        message = _("The status cannot be changed to this by hand.")
        yield change.problem("status", "transition", message)
    elif new == "lost" and not change.after["lost_reason"]:
        yield change.problem("lost_reason", "required", _("Say why the lead is lost."))


def _validate_conditions(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    for change in changes:
        if change.kind in ("create", "update") and (wrong := problem(uow, change.after)):
            yield change.problem(*wrong)


def _validate_forms(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    for change in changes:
        if change.kind not in ("create", "update"):
            continue
        asked = set(change.after["fields"] or ())
        if not asked & {"company", "contact_name"}:
            message = _("Ask for the company or for the contact person.")
            yield change.problem("fields", "nameless", message)
        elif not asked & {"mobile", "email", "wechat"}:
            message = _("Ask for a mobile number, an e-mail address or WeChat.")
            yield change.problem("fields", "unreachable", message)
        if hidden := _out_of_reach(uow, asked - set(change.before.get("fields") or ())):
            message = _("There is no field %(name)s.", name=hidden)
            yield change.problem("fields", "unknown_field", message)
        for site in change.after["sites"] or ():
            if not SITE.fullmatch(site):
                message = _(
                    "“%(site)s” is no site. Write it as https://www.example.com.", site=site
                )
                yield change.problem("sites", "site", message)
                break
        for name in ("welcome_subject", "welcome_text"):
            if unknown := sorted(unfillable(change.after[name] or "")):
                message = _("There is nothing to fill in for {%(name)s}.", name=unknown[0])
                yield change.problem(name, "unknown_field", message)


def _out_of_reach(uow: UnitOfWork, names: set[str]) -> str:
    """One of the fields of leads that whoever makes the form may not fill in; else empty."""
    if uow.actor.is_system:
        return ""
    spec = uow.entity("lead")
    access = uow.actor.access(spec)
    found = (
        name
        for name in sorted(names)
        if name in spec and spec[name].custom and access.field(name) < FieldAccess.WRITE
    )
    return next(found, "")


def _validate_campaigns(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    for change in changes:
        starts, ends = change.after["starts_on"], change.after["ends_on"]
        if starts is not None and ends is not None and ends < starts:
            yield change.problem("ends_on", "range", _("The end lies before the beginning."))
        for name in ("budget", "cost"):
            if change.after[name] is not None and change.after[name] < 0:
                yield change.problem(name, "range", _("An amount is not negative."))
    for change in in_circles(uow, changes):
        message = _("A campaign is not part of itself, or of one below it.")
        yield change.problem("parent", "circle", message)


_CHECKS: dict[str, Callable[..., Iterable[Problem]]] = {
    "lead": _validate_leads,
    "lead_pool": partial(check_pools, LEADS),
    "assignment_rule": partial(check_rules, RULES),
    "assignment_condition": partial(check_rules, RULES),
    "score_rule": _validate_conditions,
    "lead_form": _validate_forms,
    "campaign": _validate_campaigns,
}
