"""The verbs on leads, and what follows from a change of hands. All take many leads at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.assigning import changes as assigning
from core.assigning import giving
from core.entities import service
from core.entities.changes import Change
from core.i18n import gettext as _
from core.pools import changes as pools
from plugins.crm_leads import assignment, follow_ups
from plugins.crm_leads.channels import apply_policy, note_first_contact
from plugins.crm_leads.duplicates import key_of
from plugins.crm_leads.events import LeadConverted, LeadsLost
from plugins.crm_leads.models import OPEN
from plugins.crm_leads.pools import LEADS, require_open
from plugins.crm_leads.public_forms import give_keys
from plugins.crm_leads.scoring import keep_score, rescore_later

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "assign_by_rules",
    "convert",
    "ensure_pool",
    "mark_converted",
    "mark_lost",
    "prepare",
    "settle",
]

Lead = Mapping[str, Any]

# Verbs: the service has checked the right, and has locked the rows.


def assign_by_rules(uow: UnitOfWork, ids: Sequence[int]) -> list[int]:
    """What the rules decide of leads that nobody owns; those that found an owner."""
    return giving.assign_by_rules(uow, assignment.LEADS, ids)


def convert(uow: UnitOfWork, leads: Sequence[Lead], params: Mapping[str, Any]) -> dict[str, Any]:
    """The verb of `mark_converted`."""
    return {"converted": mark_converted(uow, leads, params.get("became", {}))}


def mark_converted(
    uow: UnitOfWork,
    leads: Sequence[Lead],
    became: Mapping[int, Sequence[tuple[str, int]]] | None = None,
) -> list[int]:
    """Mark leads as converted, which locks them, and say so by one event each.

    ``became`` is by lead what was made of it, entity and number: there the history of the lead goes on.

    Whoever makes customers of leads in the same transaction calls this with rows that
    `core.entities.service` has locked for it, within ``uow.elevated()``.
    """
    require_open(uow, leads)
    ids = service.update(uow, "lead", {lead["id"]: {"status": "converted"} for lead in leads})
    outcomes = [
        {"lead": lead["id"], "related_entity": entity, "related_id": key}
        for lead in leads
        for entity, key in (became or {}).get(lead["id"], ())
    ]
    if outcomes:
        service.create(uow, "lead_outcome", outcomes)
    for lead in leads:
        uow.publish(LeadConverted(lead["id"], lead["owner"]))
    return ids


def mark_lost(uow: UnitOfWork, leads: Sequence[Lead], params: Mapping[str, Any]) -> dict[str, Any]:
    """Leads are given up, with the reason."""
    require_open(uow, leads)
    reason = params["reason"]
    lost = {"status": "lost", "lost_reason": reason, "next_follow_at": None}
    ids = tuple(service.update(uow, "lead", {lead["id"]: lost for lead in leads}))
    uow.publish(LeadsLost(ids, reason))
    return {"lost": list(ids)}


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
    pools.prepare(LEADS, changes, uow)
    days: dict[datetime, date] = {}
    for change in changes:
        if change.kind in ("create", "update"):
            note_first_contact(change)
        if change.kind == "create" or change.changed("company"):
            change.set("name_key", key_of(change.after["company"]))
        if change.kind == "create":
            _note_day(change, uow, days)
            apply_policy(change, uow)
        if change.changed("status"):
            status = change.after["status"]
            if status == "converted" and change.after["converted_at"] is None:
                change.set("converted_at", uow.now())
            if status != "lost":
                change.set("lost_reason", None)
            if change.kind == "update" and status not in OPEN:
                change.set("next_follow_at", None)  # nobody is to follow it up any more
    keep_score(changes, uow)


def _note_day(change: Change, uow: UnitOfWork, days: dict[datetime, date]) -> None:
    """``days`` keeps the day of each moment: all records of a call are made at the same."""
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
    pools.record_transfers(LEADS, changes, uow)
    assigning.settle(assignment.LEADS, changes, uow)
