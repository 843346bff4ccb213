"""The verbs on leads, and what follows from a change of hands. All take many leads at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import query, service
from core.entities.changes import Change
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery
from core.errors import Invalid, Problem, Refused
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.notifications import notify
from core.plugins.contributions import NotificationKind
from core.settings.service import get_setting
from plugins.crm_leads import assignment, follow_ups
from plugins.crm_leads.channels import apply_policy, note_first_contact
from plugins.crm_leads.events import (
    LeadConverted,
    LeadsAssigned,
    LeadsClaimed,
    LeadsLost,
    LeadsReleased,
)
from plugins.crm_leads.models import OPEN
from plugins.crm_leads.pools import check_limits, default_pool, lock_claimant, pools_of
from plugins.crm_leads.public_forms import give_keys
from plugins.crm_leads.scoring import keep_score, rescore_later

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "GIVEN",
    "assign",
    "assign_by_rules",
    "claim",
    "convert",
    "distribute",
    "ensure_pool",
    "mark_converted",
    "mark_lost",
    "move",
    "prepare",
    "record_transfers",
    "release",
    "settle",
    "why_not_claim",
    "why_not_move",
    "why_not_release",
    "why_not_work",
]

Lead = Mapping[str, Any]

GIVEN = NotificationKind(
    "crm_leads.given",
    _l("A lead becomes mine by a rule"),
    _l("%(record)s is yours by a rule."),
    icon="target-arrow",
)

# Verbs: the service has checked the right, and has locked the rows.


def claim(uow: UnitOfWork, leads: Sequence[Lead], params: Mapping[str, Any]) -> dict[str, Any]:
    """The actor becomes the owner of leads that lie in pools of theirs.

    All or none: `Refused` names who was first, or the limit that would be passed.
    """
    me = uow.actor.user_id
    if me is None:
        raise Refused(_("Only a person claims leads."))
    why_not_claim(uow, leads)
    mine = pools_of(uow)
    for lead in leads:
        if lead["pool"] not in mine:
            raise Refused(_("%(company)s lies in no pool of yours.", company=lead["company"]))
    lock_claimant(uow, leads)
    check_limits(uow, leads)
    due = _first_contact(uow)
    values = {lead["id"]: {"owner": me, "next_follow_at": _due(uow, lead, due)} for lead in leads}
    ids = tuple(service.update(uow, "lead", values))
    uow.publish(LeadsClaimed(ids, me))
    return {"claimed": list(ids)}


def release(uow: UnitOfWork, leads: Sequence[Lead], params: Mapping[str, Any]) -> dict[str, Any]:
    """Leads go back into a pool: the one given, else the one they came from, else the default."""
    why_not_release(uow, leads)
    pool, reason = params.get("pool"), params["reason"]
    if pool is not None:
        _require_open_pool(uow, pool)
    values = {}
    for lead in leads:
        values[lead["id"]] = {
            "owner": None,
            "department": None,
            "pool": pool or lead["pool"] or _some_pool(uow),
            "status": "new",
            "next_follow_at": None,
            "release_reason": reason,
        }
    ids = tuple(service.update(uow, "lead", values))
    uow.publish(LeadsReleased(ids, reason))
    return {"released": list(ids)}


def assign(uow: UnitOfWork, leads: Sequence[Lead], params: Mapping[str, Any]) -> dict[str, Any]:
    """Leads get a new owner. The limits of pools bind who claims, not who assigns."""
    owner = params["owner"]
    for lead in leads:
        if lead["status"] == "converted":
            raise Refused(_("%(company)s is converted and locked.", company=lead["company"]))
    _require_active(uow, owner)
    due = _first_contact(uow)
    values = {
        lead["id"]: {"owner": owner, "next_follow_at": _due(uow, lead, due)}
        for lead in leads
        if lead["owner"] != owner
    }
    ids = tuple(service.update(uow, "lead", values)) if values else ()
    if ids:
        uow.publish(LeadsAssigned(ids, owner))
    return {"assigned": list(ids)}


def move(uow: UnitOfWork, leads: Sequence[Lead], params: Mapping[str, Any]) -> dict[str, Any]:
    """Leads that nobody owns go into another pool."""
    pool = params["pool"]
    _require_open_pool(uow, pool)
    ids = [lead["id"] for lead in leads if lead["pool"] != pool]
    if ids:
        service.update(uow, "lead", {key: {"pool": pool} for key in ids})
    return {"moved": ids}


def distribute(uow: UnitOfWork, leads: Sequence[Lead], params: Mapping[str, Any]) -> dict[str, Any]:
    """The assignment rules are asked again about leads that nobody owns."""
    return {"assigned": assign_by_rules(uow, [lead["id"] for lead in leads])}


def assign_by_rules(uow: UnitOfWork, ids: Sequence[int]) -> list[int]:
    """What the rules decide of leads that nobody owns; those that found an owner.

    Each keeps the reason. Owners are told, where the core does not tell them already because a
    person has given them the lead.
    """
    if not ids or not assignment.rules_of(uow):
        return []
    with uow.elevated():
        decisions = assignment.decide(uow, ids)
        due, leads = _first_contact(uow), _appointments(uow, [one.lead for one in decisions])
        values: dict[int, dict[str, Any]] = {}
        by_owner: dict[int, list[int]] = {}
        for one in decisions:
            values[one.lead] = {"assignment_reason": one.reason}
            if one.owner is not None:
                planned = _due(uow, leads[one.lead], due)
                values[one.lead] |= {"owner": one.owner, "next_follow_at": planned}
                by_owner.setdefault(one.owner, []).append(one.lead)
            elif one.pool is not None:
                values[one.lead]["pool"] = one.pool
        if values:
            service.update(uow, "lead", values)
    for owner, keys in by_owner.items():
        uow.publish(LeadsAssigned(tuple(keys), owner))
        if uow.actor.user_id is None:
            notify(uow, GIVEN.name, [owner], entity="lead", record_ids=keys)
    return [key for keys in by_owner.values() for key in keys]


def _appointments(uow: UnitOfWork, ids: Sequence[int]) -> dict[int, Lead]:
    """What `_due` looks at, by lead."""
    fields = ("status", "next_follow_at", "first_contact_due_at", "first_contacted_at")
    wanted = ListQuery(fields=fields, ids=tuple(ids), sort="id")
    pages = query.stream(uow, "lead", wanted, action="read") if ids else ()
    return {row["id"]: row for page in pages for row in page.items}


def convert(uow: UnitOfWork, leads: Sequence[Lead], params: Mapping[str, Any]) -> dict[str, Any]:
    """The verb of `mark_converted`."""
    return {"converted": mark_converted(uow, leads)}


def mark_converted(uow: UnitOfWork, leads: Sequence[Lead]) -> list[int]:
    """Mark leads as converted, which locks them, and say so by one event each.

    Whoever makes customers of leads in the same transaction calls this with rows that
    `core.entities.service` has locked for it, within ``uow.elevated()``.
    """
    _require_open(leads)
    ids = service.update(uow, "lead", {lead["id"]: {"status": "converted"} for lead in leads})
    for lead in leads:
        uow.publish(LeadConverted(lead["id"], lead["owner"]))
    return ids


def mark_lost(uow: UnitOfWork, leads: Sequence[Lead], params: Mapping[str, Any]) -> dict[str, Any]:
    """Leads are given up, with the reason."""
    _require_open(leads)
    reason = params["reason"]
    lost = {"status": "lost", "lost_reason": reason, "next_follow_at": None}
    ids = tuple(service.update(uow, "lead", {lead["id"]: lost for lead in leads}))
    uow.publish(LeadsLost(ids, reason))
    return {"lost": list(ids)}


def why_not_claim(uow: UnitOfWork, leads: Sequence[Lead]) -> None:
    """Raise `Refused` for leads that are not worked on, or that somebody owns: by name."""
    _require_open(leads)
    _require_unowned(uow, leads)


def why_not_release(uow: UnitOfWork, leads: Sequence[Lead]) -> None:
    """Raise `Refused` for leads that are not worked on, or that nobody owns."""
    _require_open(leads)
    for lead in leads:
        if lead["owner"] is None:
            raise Refused(_("%(company)s lies in a pool already.", company=lead["company"]))


def why_not_move(uow: UnitOfWork, leads: Sequence[Lead]) -> None:
    """Raise `Refused` for leads that somebody owns: they are released into a pool."""
    _require_unowned(uow, leads)


def why_not_work(uow: UnitOfWork, leads: Sequence[Lead]) -> None:
    """Raise `Refused` for leads that are not worked on."""
    _require_open(leads)


def _require_open(leads: Sequence[Lead]) -> None:
    for lead in leads:
        if lead["status"] == "converted":
            raise Refused(_("%(company)s is converted and locked.", company=lead["company"]))
        if lead["status"] not in OPEN:
            raise Refused(_("%(company)s is not being worked on.", company=lead["company"]))


def _require_unowned(uow: UnitOfWork, leads: Sequence[Lead]) -> None:
    owned = [lead for lead in leads if lead["owner"] is not None]
    if not owned:
        return
    lead = owned[0]
    if lead["owner"] == uow.actor.user_id:
        raise Refused(_("%(company)s is yours already.", company=lead["company"]))
    names = resolve_labels(uow, {"user": {lead["owner"]}})
    name = names.get("user", {}).get(lead["owner"], "")
    raise Refused(
        _("%(name)s has claimed %(company)s already.", name=name, company=lead["company"])
    )


def _require_active(uow: UnitOfWork, user_id: int) -> None:
    user = uow.snapshot.installed_entities["user"].table
    is_active = select(user.c.is_active).where(user.c.id == user_id)
    if not uow.execute(is_active).scalar_one():
        message = _("This person is no longer active.")
        raise Invalid(message, [Problem("owner", "inactive", message)])


def _require_open_pool(uow: UnitOfWork, pool_id: int) -> None:
    pool = uow.snapshot.installed_entities["lead_pool"].table
    if not uow.execute(select(pool.c.is_active).where(pool.c.id == pool_id)).scalar_one():
        message = _("This pool is no longer active.")
        raise Invalid(message, [Problem("pool", "inactive", message)])


def _some_pool(uow: UnitOfWork) -> int:
    found = default_pool(uow)
    if found is None:
        raise Refused(_("There is no active pool."))
    return found


def _first_contact(uow: UnitOfWork) -> datetime:
    return uow.now() + timedelta(days=get_setting(uow, "crm_leads", "first_contact_days"))


def _due(uow: UnitOfWork, lead: Lead, first_contact: datetime) -> datetime | None:
    """When the new owner is to follow up; an appointment still ahead stands."""
    if lead["status"] not in OPEN:
        return None
    planned: datetime | None = lead["next_follow_at"]
    if planned is not None and planned > uow.now():
        return planned
    promised: datetime | None = lead["first_contact_due_at"]
    if promised is not None and lead["first_contacted_at"] is None and promised > uow.now():
        return promised
    return first_contact


def ensure_pool(uow: UnitOfWork) -> None:
    """One pool, open to everybody, where the company has none: leads without owner need a place."""
    pool = uow.entity("lead_pool").table
    if uow.execute(select(pool.c.id).limit(1)).first() is None:
        service.create(uow, "lead_pool", [{"name": _("Public pool")}])


# What follows from changes, whoever makes them.


def prepare(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Derived values of leads: the pool of those without an owner, the day of entry, conversion."""
    if changes[0].entity.name == "lead_form":
        give_keys(changes)
    if changes[0].entity.name != "lead":
        return
    days: dict[datetime, date] = {}
    for change in changes:
        if change.kind in ("create", "update"):
            note_first_contact(change)
        if change.kind == "create":
            _prepare_new(change, uow, days)
        if change.after["owner"] is None and change.changed("owner"):
            change.set("department", None)
        if change.after["owner"] is None and change.after["pool"] is None:
            change.set("pool", default_pool(uow))
        if change.kind == "create":
            change.set("held_since", change.after["created_at"])
            apply_policy(change, uow)
        elif _changes_hands(change):
            change.set("held_since", uow.now())
        if change.kind == "update" and change.changed("owner") and not _by_rule(change):
            change.set("assignment_reason", None)
        if change.changed("status"):
            status = change.after["status"]
            if status == "converted" and change.after["converted_at"] is None:
                change.set("converted_at", uow.now())
            if status != "lost":
                change.set("lost_reason", None)
            if change.kind == "update" and status not in OPEN:
                change.set("next_follow_at", None)  # nobody is to follow it up any more
    keep_score(changes, uow)


def _by_rule(change: Change) -> bool:
    return change.changed("assignment_reason") and bool(change.after["assignment_reason"])


def _changes_hands(change: Change) -> bool:
    """Another owner, or another pool while there is none."""
    return change.changed("owner") or (change.after["owner"] is None and change.changed("pool"))


def _prepare_new(change: Change, uow: UnitOfWork, days: dict[datetime, date]) -> None:
    """``days`` keeps the day of each moment: all records of a call are made at the same."""
    if change.after["pool"] is not None and "owner" not in change.given:
        change.set("owner", None)  # who names a pool means the pool, not the one who types
        change.set("department", None)
    if change.after["entered_on"] is None:
        moment = change.after["created_at"]
        if moment not in days:
            days[moment] = moment.astimezone(uow.clock.timezone).date()
        change.set("entered_on", days[moment])


def settle(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """What follows from changes of leads, and from follow-ups of them."""
    if changes[0].entity.name == follow_ups.ENTITY:
        follow_ups.follow(changes, uow)
    if changes[0].entity.name == "score_rule":
        rescore_later(uow)
    record_transfers(changes, uow)
    if changes[0].entity.name == "lead" and changes[0].kind == "create":
        free = [
            change.id
            for change in changes
            if change.id is not None
            and change.after["owner"] is None
            and change.after["status"] in OPEN
        ]
        assign_by_rules(uow, free)


def record_transfers(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Keep who had a lead when; the claims of a day are counted from it."""
    if changes[0].entity.name != "lead" or changes[0].kind != "update":
        return
    rows = [
        {
            "lead": change.id,
            "kind": _kind(change, uow),
            "from_owner": change.before["owner"],
            "to_owner": change.after["owner"],
            "pool": change.after["pool"],
            "reason": change.after[
                "release_reason" if _is_release(change) else "assignment_reason"
            ],
        }
        for change in changes
        if _changes_hands(change)
    ]
    if rows:
        service.create(uow, "lead_transfer", rows)


def _is_release(change: Change) -> bool:
    return change.changed("owner") and change.after["owner"] is None


def _kind(change: Change, uow: UnitOfWork) -> str:
    if not change.changed("owner"):
        return "move"
    if _is_release(change):
        return "release"
    if _by_rule(change):
        return "assign"
    took = change.before["owner"] is None and change.after["owner"] == uow.actor.user_id
    return "claim" if took else "assign"
