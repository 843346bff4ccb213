"""Signing in as another person: administrators alone, with a reason, for an hour, in the open.

What is done meanwhile carries both names in the audit trail, jobs included. It reaches what the person
reaches, never more: nobody signs in as an administrator or, signed in so, as a third. The person is
told by mail and on their own page.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from core.audit.models import AuditEntry
from core.audit.recorder import record_act
from core.errors import Forbidden, Invalid, NotFound, Problem, Refused
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.i18n import use_locale
from core.mail import MailMessage
from core.plugins.contributions import Job
from core.security.actor import Actor
from core.security.directory import load_actor
from core.security.models import session_table
from core.settings.service import get_setting

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = [
    "LASTS",
    "TELL_SIGNED_IN_AS",
    "BehindSession",
    "Visit",
    "begin",
    "end",
    "holds",
    "own_session_until",
    "visits",
]

LASTS = timedelta(hours=1)
SHOWN_VISITS = 5
ACT = "sign_in_as"


@dataclass(frozen=True)
class BehindSession:
    """A session under another's name; ``token`` goes into the cookie and nowhere else."""

    token: str
    user_id: int
    expires_at: datetime


@dataclass(frozen=True)
class Visit:
    """One time that an administrator signed in as somebody."""

    by: int
    at: datetime
    reason: str


def begin(uow: UnitOfWork, user_id: int, reason: str, *, address: str, agent: str) -> BehindSession:
    """Sign in as a person, from one's own session.

    Raises `Forbidden` for who does not administer or is signed in as another already, `Refused`
    where the company forbids it or the person administers, `Invalid` without a reason.
    """
    me = uow.actor
    if not me.manages_security or me.session_id is None or me.user_id is None:
        raise Forbidden(_("You do not have the right to do this."))
    if not get_setting(uow, "core_security", "sign_in_as"):
        raise Refused(_("Signing in as another person is switched off in the settings."))
    person = load_actor(uow, user_id)
    if person is None:
        raise NotFound(_("There is no such person, or they do not sign in any more."))
    if person.is_admin:
        raise Refused(_("Nobody signs in as an administrator."))
    reason = " ".join(reason.split())[:200]
    if not reason:
        message = _("Please fill this in.")
        raise Invalid(message, [Problem("reason", "required", message)])
    token, now = secrets.token_urlsafe(32), uow.now()
    values = {"user_id": user_id, "behind_id": me.user_id, "csrf": secrets.token_urlsafe(24)}
    values |= {"created_at": now, "seen_at": now, "expires_at": now + LASTS}
    values |= {"address": address[:64], "agent": agent[:300]}
    uow.execute(insert(session_table).values(token_hash=_hash(token), **values))
    record_act(uow, ACT, entity="user", record_ids=[user_id], details={"reason": reason})
    uow.enqueue(TELL_SIGNED_IN_AS.name, {"user_id": user_id, "by": me.name, "reason": reason})
    return BehindSession(token, user_id, now + LASTS)


def end(uow: UnitOfWork) -> None:
    """End the session under another's name that this is."""
    actor = uow.actor
    if actor.behind is None:
        raise Forbidden(_("You are signed in as yourself."))
    table = session_table
    ended = update(table).where(table.c.id == actor.session_id).values(revoked_at=uow.now())
    uow.execute(ended)
    record_act(uow, "sign_in_as_ended", entity="user", record_ids=[actor.user_id])


def own_session_until(uow: UnitOfWork, token: str, behind: int) -> datetime | None:
    """Until when a session lasts, if it is one of the person's own who stood behind another's."""
    table = session_table
    found: datetime | None = uow.execute(
        select(table.c.expires_at).where(
            table.c.token_hash == _hash(token),
            table.c.user_id == behind,
            table.c.behind_id.is_(None),
            table.c.revoked_at.is_(None),
            table.c.expires_at > uow.now(),
        )
    ).scalar_one_or_none()
    return found


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def holds(uow: UnitOfWork, person: Actor, behind: int | None) -> bool:
    """True while whoever stands behind a session still may; asked at every request."""
    if behind is None:
        return True
    administrator = load_actor(uow, behind)
    return (
        administrator is not None
        and administrator.is_admin
        and not person.is_admin
        and bool(get_setting(uow, "core_security", "sign_in_as"))
    )


def visits(uow: UnitOfWork, user_id: int) -> list[Visit]:
    """The last times that an administrator signed in as the person, newest first."""
    table = AuditEntry.__table__
    mine = (table.c.entity == "user") & (table.c.record_id == user_id) & (table.c.action == ACT)
    asked = select(table.c.actor_id, table.c.at, table.c.changes).where(mine)
    rows = uow.execute(asked.order_by(table.c.id.desc()).limit(SHOWN_VISITS))
    return [
        Visit(row.actor_id, row.at, (row.changes or {}).get("reason", ["", ""])[1]) for row in rows
    ]


def tell_signed_in_as(context: JobContext, user_id: int, by: str, reason: str) -> dict[str, int]:
    """Mail the person that an administrator signed in as them."""
    with context.unit_of_work(write=False) as uow:
        person = load_actor(uow, user_id)
    if person is None:
        return {"sent": 0}
    with use_locale(person.locale):
        subject = _("An administrator signed in as you")
        text = _(
            "%(by)s signed in as you. The reason given: %(reason)s. What was done then carries both"
            " your names in the audit trail.",
            by=by,
            reason=reason,
        )
    context.runtime.mailer.send(MailMessage((person.email,), subject, f"{text}\n"))
    return {"sent": 1}


TELL_SIGNED_IN_AS = Job(
    "core.tell_signed_in_as", tell_signed_in_as, title=_l("Tell a person who signed in as them")
)
