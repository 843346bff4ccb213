"""The head of the chain by mail, each day: an anchor that no administrator of the server can take back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.audit.sealing import newest_seal
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.i18n.formats import format_datetime
from core.mail import MailMessage, one_line
from core.plugins.contributions import Job, Schedule
from core.settings.service import get_setting

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["HEAD_SENT", "SEND_HEAD"]


def send_head(context: JobContext) -> dict[str, int]:
    """Mail the newest seal to the address in the settings; says how many letters went out."""
    with context.unit_of_work(write=False) as uow:
        letter = _letter(uow)
    if letter is None:
        return {"sent": 0}
    context.runtime.mailer.send(letter)
    return {"sent": 1}


def _letter(uow: UnitOfWork) -> MailMessage | None:
    address, head = get_setting(uow, "core_audit", "head_to"), newest_seal(uow.connection)
    if not address or head is None:
        return None
    words = {
        "company": get_setting(uow, "core", "company_name"),
        "seal": head.id,
        "when": format_datetime(head.at, uow.clock.timezone),
    }
    subject = _("Audit trail of %(company)s: seal %(seal)s", **words)
    text = _(
        "Keep this letter where nobody who runs the server can change it. Sealed %(when)s.", **words
    )
    how = _("Whether the trail still is what it was then, this tells on the server:")
    command = f"dougong audit verify --head {head.id}:{head.hash}"
    return MailMessage((address,), one_line(subject), f"{text}\n\n{how}\n\n{command}\n")


SEND_HEAD = Job("core.send_audit_head", send_head, title=_l("Mail the head of the audit trail"))
HEAD_SENT = Schedule("send_audit_head", SEND_HEAD.name, daily_at="07:00")
