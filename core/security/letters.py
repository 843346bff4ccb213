"""What people are told by mail about signing in, in their own language, and the jobs that send it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.i18n import use_locale
from core.i18n.formats import format_datetime
from core.mail import MailError, MailMessage, one_line
from core.plugins.contributions import Job
from core.security.actor import SYSTEM, Actor
from core.security.devices import browser_name
from core.security.directory import find_user, load_actor
from core.security.models import credential_table, session_table
from core.security.reset import make_link, withdraw
from core.settings.service import get_setting
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.work.jobs import JobContext

__all__ = ["SEND_PASSWORD_LINK", "TELL_NEW_DEVICE"]

_JOB = Origin("job")


def send_password_link(
    context: JobContext, email: str = "", user_id: int | None = None
) -> dict[str, int]:
    """Mail a link to the person of an address or an id; says how many letters went out."""
    runtime = context.runtime
    with UnitOfWork(runtime, SYSTEM, origin=_JOB) as uow:
        key = user_id if user_id is not None else find_user(uow, email)
        person = None if key is None else load_actor(uow, key)
        token = None if person is None or key is None else make_link(uow, key)
        if person is None or token is None:
            return {"sent": 0}
        letter = _password_letter(uow, person, f"{runtime.config.base_url}/password/{token}")
    try:
        runtime.mailer.send(letter)
    except MailError:
        with UnitOfWork(runtime, SYSTEM, origin=_JOB) as uow:
            withdraw(uow, token)
        raise
    return {"sent": 1}


def _password_letter(uow: UnitOfWork, person: Actor, address: str) -> MailMessage:
    stored = select(credential_table.c.user_id).where(credential_table.c.user_id == person.user_id)
    is_first = uow.execute(stored).first() is None
    words = {
        "name": person.name,
        "company": get_setting(uow, "core", "company_name"),
        "minutes": get_setting(uow, "core_sign_in", "link_minutes"),
        "forgotten": f"{uow.runtime.config.base_url}/forgotten",
    }
    with use_locale(person.locale):
        if is_first:
            subject = _("Your account at %(company)s", **words)
            opening = _("Hello %(name)s, an account was made for you at %(company)s.", **words)
            what = _("Choose a password here:")
        else:
            subject = _("A new password for %(company)s", **words)
            opening = _("Hello %(name)s, somebody asked for a new password for you.", **words)
            what = _("If that was you, choose it here:")
        lasting = _(
            "The link works once and for %(minutes)s minutes. After that ask for another one: %(forgotten)s",
            **words,
        )
        unasked = _("If it was not you, do nothing: your password stays as it is.")
    closing = () if is_first else (unasked,)
    text = "\n\n".join((opening, what, address, lasting, *closing))
    return MailMessage((person.email,), one_line(subject), text + "\n")


def tell_new_device(context: JobContext, session_id: int) -> dict[str, int]:
    """Mail a person that somebody signed in as them with a browser not seen before."""
    runtime = context.runtime
    with UnitOfWork(runtime, SYSTEM, origin=_JOB, write=False) as uow:
        row = uow.execute(select(session_table).where(session_table.c.id == session_id)).one()
        person = load_actor(uow, row.user_id)
        assert person is not None  # the job is theirs: none runs for who has left
        company = get_setting(uow, "core", "company_name")
        letter = _device_letter(person, row, company, runtime)
    runtime.mailer.send(letter)
    return {"sent": 1}


def _device_letter(person: Actor, row: Any, company: str, runtime: Runtime) -> MailMessage:
    with use_locale(person.locale):
        words = {
            "company": company,
            "name": person.name,
            "device": browser_name(row.agent),
            "address": row.address,
            "when": format_datetime(row.created_at, runtime.clock.timezone),
            "profile": f"{runtime.config.base_url}/profile",
        }
        subject = _("A new device signed in at %(company)s", **words)
        text = _(
            "Hello %(name)s, somebody signed in as you with a browser not seen before: %(device)s, "
            "from %(address)s, %(when)s.",
            **words,
        )
        advice = _(
            "If that was you, all is well. If not, change your password now; that ends all "
            "sessions: %(profile)s",
            **words,
        )
    return MailMessage((person.email,), one_line(subject), f"{text}\n\n{advice}\n")


SEND_PASSWORD_LINK = Job(
    "core.send_password_link", send_password_link, title=_l("Send a link that sets a password")
)
TELL_NEW_DEVICE = Job(
    "core.tell_new_device", tell_new_device, title=_l("Tell of a sign-in with a new device")
)
