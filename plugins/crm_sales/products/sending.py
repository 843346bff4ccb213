"""Quotes by e-mail: the PDF attached, and a link by which the customer answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.documents import make_document
from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, Problem
from core.fields import Boolean, Choice, ChoiceField, Email, FieldSpec, LongText, Text
from core.i18n import current_locale, use_locale
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.i18n.formats import format_date
from core.mail import Attachment, MailError, MailMessage, one_line
from core.plugins.contributions import Job
from core.settings.service import get_setting
from plugins.crm_sales.products import links
from plugins.crm_sales.products.quotes import require_valid

if TYPE_CHECKING:
    from core.entities.query import Record
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["PARAMS", "SEND", "beginning", "send"]

Row = Mapping[str, Any]

PARAMS = (
    FieldSpec("to", Email(), _l("Recipient"), required=True),
    FieldSpec("subject", Text(150), _l("Subject"), required=True),
    FieldSpec("message", LongText(4000), _l("Message text"), required=True),
    FieldSpec(
        "language",
        ChoiceField(choices=(Choice("zh_CN", "中文"), Choice("en", "English"))),
        _l("Language of the PDF"),
        help=_l("Empty: your own."),
    ),
    FieldSpec("with_link", Boolean(), _l("With a link to answer by"), default=True),
)


def send(uow: UnitOfWork, quotes: Sequence[Row], params: Row) -> dict[str, Any]:
    """Leave a job that mails a submitted quote; it prints with the rights of who sends."""
    (quote,) = quotes
    require_valid(quote, uow.clock.today())
    try:
        MailMessage((params["to"],), params["subject"], params["message"])
    except MailError as error:
        field = "to" if "address" in str(error) else "subject"
        message = _("This cannot be sent as it is.")
        raise Invalid(message, [Problem(field, "mail", message)]) from error
    language = params["language"] or current_locale()
    arguments = {
        **{name: params[name] for name in ("to", "subject", "message", "with_link")},
        "quote": quote["id"],
        "revision": quote["revision"],
        "language": language,
    }
    uow.enqueue(SEND.name, arguments)
    return {"sending": quote["id"]}


def beginning(uow: UnitOfWork, record: Record) -> dict[str, Any]:
    """What the form for a mail begins with: the primary contact's address, else any, and a text."""
    words = {
        "number": record.values.get("number") or "",
        "company": get_setting(uow, "core", "company_name"),
        "me": uow.actor.name,
    }
    return {
        "to": _address(uow, record.values.get("customer")),
        "subject": one_line(_("Quotation %(number)s from %(company)s", **words)),
        "message": _(
            "Dear customer,\n\nplease find our quotation %(number)s attached.\n\nBest regards\n"
            "%(me)s\n%(company)s",
            **words,
        ),
        "language": current_locale(),
        "with_link": True,
    }


def _address(uow: UnitOfWork, customer: Any) -> str:
    if customer is None:
        return ""
    known = {
        "all": [
            {"field": "customer", "op": "eq", "value": customer},
            {"field": "email", "op": "is_set"},
        ]
    }
    try:
        asked = ListQuery(fields=("email",), filter=known, sort="-is_primary,id", limit=1)
        rows = query.page(uow, "contact", asked).items
    except (Forbidden, Invalid):  # contacts, or their addresses, are not theirs to see
        return ""
    return str(rows[0]["email"]) if rows else ""


def _send(
    context: JobContext,
    quote: int,
    revision: int,
    to: str,
    subject: str,
    message: str,
    language: str,
    with_link: bool,
) -> dict[str, Any]:
    """Print and mail; nothing goes out when the quote is no longer the one that was to be sent."""
    with context.unit_of_work(write=False) as uow:  # printing takes too long to hold up writers
        made = make_document(uow, "quote", quote, "quote", language)
        with uow.elevated():
            stored = query.get(uow, "quote", quote).values
        reply_to = uow.actor.email or None
    if (stored["status"], stored["revision"]) != ("submitted", revision):
        return {"sent": "not wanted any more"}
    token, parts = "", [message]
    if with_link:
        with context.unit_of_work() as uow:
            token = links.make_link(uow, stored)
            address = links.address(uow, token)
        with use_locale(language):
            parts.append(
                _(
                    "Look at it and answer here until %(day)s: %(address)s",
                    day=format_date(stored["valid_until"]),
                    address=address,
                )
            )
    pdf = Attachment(made.filename, "application/pdf", made.content)
    letter = MailMessage(
        (to,), one_line(subject), "\n\n".join(parts) + "\n", attachments=(pdf,), reply_to=reply_to
    )
    try:
        context.runtime.mailer.send(letter)
    except MailError:
        if token:
            with context.unit_of_work() as uow:
                links.forget(uow, token)
        raise
    with context.unit_of_work() as uow, uow.elevated():
        service.update(uow, "quote", {quote: {"sent_to": to, "sent_at": uow.now()}})
        context.finish(uow, {"sent": to})
    return {"sent": to}


SEND = Job("crm_sales.send_quote", _send, title=_l("Mail a quote"))
