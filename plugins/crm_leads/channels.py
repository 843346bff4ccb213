"""Channel policies: how important a new lead is by where it came from, and by when somebody is to call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from core.entities.changes import Change
from plugins.crm_leads.models import OPEN

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Policy", "apply_policy", "note_first_contact", "policies_of"]


@dataclass(frozen=True)
class Policy:
    """What one source asks for."""

    priority: str
    first_contact: timedelta | None


def policies_of(uow: UnitOfWork) -> Mapping[str, Policy]:
    """The policies by source."""
    kept = uow.access.memo if uow.sees_what_holds else uow.memo
    if "channel policies" not in kept:
        table = uow.snapshot.installed_entities["channel_policy"].table
        rows = uow.execute(select(table).where(table.c.archived_at.is_(None)))
        kept["channel policies"] = {
            row.source: Policy(
                row.priority,
                None
                if row.first_contact_hours is None
                else timedelta(hours=row.first_contact_hours),
            )
            for row in rows
        }
    found: Mapping[str, Policy] = kept["channel policies"]
    return found


def apply_policy(change: Change, uow: UnitOfWork) -> None:
    """A new lead gets the importance of its source, unless one was given, and its first appointment."""
    policy = policies_of(uow).get(change.after["source"] or "")
    if change.after["priority"] is None:
        change.set("priority", policy.priority if policy is not None else "normal")
    if policy is None or policy.first_contact is None:
        return
    if change.after["status"] not in OPEN or change.after["last_followed_at"] is not None:
        return
    due = change.after["created_at"] + policy.first_contact
    change.set("first_contact_due_at", due)
    if change.after["owner"] is not None and change.after["next_follow_at"] is None:
        change.set("next_follow_at", due)


def note_first_contact(change: Change) -> None:
    """When somebody first followed it up; taken back with that follow-up."""
    last, first = change.after["last_followed_at"], change.after["first_contacted_at"]
    if last is None and first is not None:
        change.set("first_contacted_at", None)
        change.set("first_contact_minutes", None)
        return
    if last is not None and first is None:
        change.set("first_contacted_at", first := last)
    if first is not None and change.after["first_contact_minutes"] is None:
        passed = (first - change.after["created_at"]).total_seconds() // 60
        change.set("first_contact_minutes", max(0, int(passed)))
