"""Links by which a customer looks at a quote and answers it, without signing in.

A link is for one version of one quote. It works once, until the quote is no longer valid, and not after
the quote got a new version or the links were withdrawn. Of its token only the hash is stored.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import delete, insert, select, update

from core.entities import service
from core.errors import Invalid, NotFound, Problem, Refused
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.notifications import notify
from core.plugins.contributions import NotificationKind
from plugins.crm_sales.products.models import quote_link_table
from plugins.crm_sales.products.quotes import require_valid

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "KINDS",
    "Offer",
    "address",
    "answer",
    "find_offer",
    "forget",
    "last_day",
    "make_link",
    "withdraw",
]

Row = Mapping[str, Any]
State = Literal["open", "answered", "replaced", "over"]

KINDS = (
    NotificationKind(
        "crm_sales.quote_accepted",
        _l("A customer accepts a quote by its link"),
        _l("The customer accepted %(record)s."),
        icon="circle-check",
    ),
    NotificationKind(
        "crm_sales.quote_declined",
        _l("A customer declines a quote by its link"),
        _l("The customer declined %(record)s."),
        icon="file-invoice",
    ),
)


@dataclass(frozen=True)
class Offer:
    """A version of a quote as its link shows it; ``contents`` as `quotes.contents_of` made them."""

    quote: int
    state: State
    number: str
    revision: int
    currency: str
    net_total: Decimal
    tax_total: Decimal
    total: Decimal
    contents: Mapping[str, Any]
    expires_at: datetime
    is_accepted: bool
    answered_by: str
    answered_at: datetime | None


def make_link(uow: UnitOfWork, quote: Row) -> str:
    """The token of a new link for a submitted quote. Who asks for it has the right to send the quote.

    Raises `Refused` for a quote that is not valid any more, or not submitted.
    """
    require_valid(quote, uow.clock.today())
    if quote["status"] != "submitted" or quote["valid_until"] is None:
        raise Refused(_("%(number)s is not submitted.", number=quote["number"]))
    ends = datetime.combine(
        quote["valid_until"] + timedelta(days=1), time(), tzinfo=uow.clock.timezone
    )
    token = secrets.token_urlsafe(32)
    uow.execute(
        insert(quote_link_table).values(
            token_hash=_hash(token),
            quote_id=quote["id"],
            revision=quote["revision"],
            expires_at=ends,
        )
    )
    return token


def address(uow: UnitOfWork, token: str) -> str:
    """Where the page of a link is."""
    return f"{uow.runtime.config.base_url}/crm_sales/offers/{token}"


def forget(uow: UnitOfWork, token: str) -> None:
    """End a link that did not reach anybody."""
    uow.execute(delete(quote_link_table).where(quote_link_table.c.token_hash == _hash(token)))


def withdraw(uow: UnitOfWork, quotes: Sequence[Row], params: Row) -> dict[str, Any]:
    """End all links of quotes that nobody has answered by."""
    table = quote_link_table
    keys = [quote["id"] for quote in quotes]
    gone = uow.execute(delete(table).where(table.c.quote_id.in_(keys), table.c.used_at.is_(None)))
    return {"withdrawn": gone.rowcount}


def find_offer(uow: UnitOfWork, token: str, *, lock: bool = False) -> Offer:
    """What a link shows; `NotFound` for one that there is not, or that was withdrawn."""
    table = quote_link_table
    entities = uow.snapshot.installed_entities
    quote, version = entities["quote"].table, entities["quote_version"].table
    asked = (
        select(
            table.c.revision,
            table.c.expires_at,
            table.c.used_at,
            quote.c.id,
            quote.c.number,
            quote.c.status,
            quote.c.revision.label("current"),
            quote.c.answered_by,
            quote.c.answered_at,
            version.c.currency,
            version.c.net_total,
            version.c.tax_total,
            version.c.total,
            version.c.contents,
        )
        .select_from(table)
        .join(quote, quote.c.id == table.c.quote_id)
        .join(
            version,
            (version.c.quote_id == quote.c.id) & (version.c.revision == table.c.revision),
        )
        .where(table.c.token_hash == _hash(token), quote.c.archived_at.is_(None))
        .order_by(version.c.id.desc())
        .limit(1)
    )
    if lock:
        mine = select(table.c.token_hash).where(table.c.token_hash == _hash(token))
        uow.execute(mine.with_for_update()).one_or_none()
    row = uow.execute(asked).one_or_none()
    if row is None:
        raise NotFound(_("There is no such page."))
    return Offer(
        quote=row.id,
        state=_state(row, uow.now()),
        number=row.number or "",
        revision=row.revision,
        currency=row.currency or "",
        net_total=row.net_total or Decimal(0),
        tax_total=row.tax_total or Decimal(0),
        total=row.total or Decimal(0),
        contents=row.contents,
        expires_at=row.expires_at,
        is_accepted=row.status == "accepted",
        answered_by=row.answered_by or "",
        answered_at=row.answered_at,
    )


def last_day(uow: UnitOfWork, offer: Offer) -> date:
    """The last day on which an offer can be answered, in the company's zone."""
    return (offer.expires_at - timedelta(seconds=1)).astimezone(uow.clock.timezone).date()


def _state(row: Any, now: datetime) -> State:
    if row.current != row.revision or row.status in ("draft", "in_approval"):
        return "replaced"
    if row.used_at is not None or row.status != "submitted":
        return "answered"
    return "open" if now < row.expires_at else "over"


def answer(uow: UnitOfWork, token: str, *, accepts: bool, name: str, note: str) -> Offer:
    """Note what the customer says, in the name of nobody here; tell the quote's owner.

    Raises `Invalid` with a problem at each field, `Refused` for a link by which nobody answers any more.
    """
    offer = find_offer(uow, token, lock=True)
    if offer.state != "open":
        raise Refused(_("This quotation cannot be answered any more."))
    name, note = " ".join(name.split()), note.strip()
    problems = list(_problems(accepts, name, note))
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)
    with uow.elevated():
        service.act(uow, "quote", "accept" if accepts else "decline", [offer.quote])
        said = {"answered_by": name, "answered_at": uow.now(), "answer_note": note or None}
        service.update(uow, "quote", {offer.quote: said})
        table = quote_link_table
        uow.execute(
            update(table).where(table.c.token_hash == _hash(token)).values(used_at=uow.now())
        )
        quote = uow.entity("quote").table
        owner = uow.execute(select(quote.c.owner_id).where(quote.c.id == offer.quote)).scalar_one()
        if owner is not None:
            kind = KINDS[0] if accepts else KINDS[1]
            notify(uow, kind.name, [owner], entity="quote", record_ids=[offer.quote])
    return offer


def _problems(accepts: bool, name: str, note: str) -> list[Problem]:
    found = []
    if not name:
        found.append(Problem("name", "required", _("Please fill this in.")))
    if not accepts and not note:
        found.append(Problem("note", "required", _("Please tell us why.")))
    for field, text, longest in (("name", name, 80), ("note", note, 1000)):
        if len(text) > longest:
            message = _("At most %(n)s characters.", n=longest)
            found.append(Problem(field, "too_long", message))
        elif any(not each.isprintable() and each not in "\r\n\t" for each in text):
            message = _("There are characters in it that cannot be stored.")
            found.append(Problem(field, "characters", message))
    return found


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
