"""Pages of a quote on its way out: the mail, the link, and what the customer opens by it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from flask import flash, redirect, request, url_for

from core.entities import query, service
from core.errors import Forbidden, Invalid, NotFound, Refused
from core.http.addresses import list_url, record_url
from core.http.rendering import render
from core.http.requests import actor, public, signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n import use_locale
from core.i18n.formats import format_date, format_datetime
from plugins.crm_sales.products import links, sending
from plugins.crm_sales.products.cards import reaches
from plugins.crm_sales.products.documents import line_table
from plugins.crm_sales.products.forms import money
from plugins.crm_sales.products.views import blueprint

if TYPE_CHECKING:
    from core.entities.query import Record
    from core.work.uow import UnitOfWork
    from plugins.crm_sales.products.links import Offer

__all__ = ["blueprint"]

_LANGUAGES = [("zh_CN", "中文"), ("en", "English")]


# The mail


@blueprint.get("/quotes/send")
@signed_in
def write_quote_mail() -> Any:
    """The mail that a quote goes out by, with what is usual filled in; without one, the quotes."""
    if "ids" not in request.args:
        return redirect(list_url("quote"))
    with unit_of_work(write=False) as uow:
        record = _sendable(uow, _key())
        return _mail_page(record, sending.beginning(uow, record))


@blueprint.post("/quotes/send")
@signed_in
def send_quote() -> Any:
    """Leave the mail to the worker, or show what stands against it."""
    key, sent = _key(), request.form
    values: dict[str, Any] = {
        name: sent.get(name, "").strip() for name in ("to", "subject", "message", "language")
    }
    values["with_link"] = "with_link" in sent
    try:
        with unit_of_work() as uow:
            _sendable(uow, key)
            given = values | {"language": values["language"] or None}
            service.act(uow, "quote", "send", [key], given)
    except (Invalid, Refused) as error:
        with unit_of_work(write=False) as uow:
            return _mail_page(_sendable(uow, key), values, error), error.status
    flash(_("The quotation is on its way to %(to)s.", to=values["to"]), "good")
    return redirect(record_url("quote", key), 303)


def _key() -> int:
    text = request.values.get("ids", "")
    if not text.isdecimal() or len(text) > 17:
        raise NotFound(_("There is no such page."))
    return int(text)


def _sendable(uow: UnitOfWork, key: int) -> Record:
    """The quote, which its reader may send."""
    record = query.get(uow, "quote", key)
    if not reaches(uow, key, "send"):
        raise Forbidden(_("You do not have the right to do this."))
    return record


def _mail_page(
    record: Record, values: Mapping[str, Any], error: Invalid | Refused | None = None
) -> str:
    marks: dict[str, str] = {}
    for problem in getattr(error, "problems", ()):
        marks.setdefault(problem.field, problem.message)
    labels = {each.name: str(each.label) for each in sending.PARAMS}
    return render(
        "crm_sales/quote_mail.html",
        number=_number(record),
        record_id=record.values["id"],
        values=values,
        labels=labels,
        languages=_LANGUAGES,
        marks=marks,
        errors=[(name, labels.get(name, name), text) for name, text in marks.items()],
        message=error.message if error is not None and not marks else "",
    )


def _number(record: Record) -> str:
    return record.values.get("number") or f"#{record.values['id']}"


# The link


@blueprint.get("/quotes/<int:quote_id>/link")
@signed_in
def quote_link(quote_id: int) -> Any:
    """What a link for the customer is good for, and the button that makes one."""
    with unit_of_work(write=False) as uow:
        return _link_page(_sendable(uow, quote_id), "")


@blueprint.post("/quotes/<int:quote_id>/link")
@signed_in
def make_quote_link(quote_id: int) -> Any:
    """Make a link and show it, this once."""
    with unit_of_work() as uow:
        record = _sendable(uow, quote_id)
        with uow.elevated():
            token = links.make_link(uow, query.get(uow, "quote", quote_id).values)
        address = links.address(uow, token)
    return _link_page(record, address)


def _link_page(record: Record, address: str) -> str:
    until = record.values.get("valid_until")
    return render(
        "crm_sales/quote_link.html",
        number=_number(record),
        record_id=record.values["id"],
        address=address,
        until=format_date(until) if until else "",
    )


# What the customer opens


@blueprint.get("/offers/<token>")
@public
def show_offer(token: str) -> Any:
    """A quote for whoever has its link."""
    with _visitors_language(), unit_of_work(write=False) as uow:
        return _offer_page(uow, links.find_offer(uow, token), token, {})


@blueprint.post("/offers/<token>")
@public
def answer_offer(token: str) -> Any:
    """Accept or decline it, once; the core counts how often one place sends forms."""
    sent = request.form
    with _visitors_language():
        try:
            with unit_of_work() as uow:
                links.answer(
                    uow,
                    token,
                    accepts=sent.get("answer") == "accept",
                    name=sent.get("name", ""),
                    note=sent.get("note", ""),
                )
        except Invalid as error:
            marks = {problem.field: problem.message for problem in error.problems}
            with unit_of_work(write=False) as uow:
                found = links.find_offer(uow, token)
                return _offer_page(uow, found, token, sent, marks), error.status
        except Refused:
            pass  # the page says what became of it
    return redirect(url_for("crm_sales.show_offer", token=token), 303)


def _visitors_language() -> AbstractContextManager[None]:
    """The language that the visitor chose, else that of their browser, else the company's."""
    if actor().is_anonymous and "locale" not in request.cookies:
        best = request.accept_languages.best_match(["zh-CN", "zh", "en"])
        if best is not None:
            return use_locale("en" if best == "en" else "zh_CN")
    return nullcontext()


def _offer_page(
    uow: UnitOfWork,
    offer: Offer,
    token: str,
    sent: Mapping[str, str],
    marks: Mapping[str, str] | None = None,
) -> str:
    with uow.elevated():
        lines = [{**line, "product": line["name"]} for line in offer.contents["lines"]]
        table, spec = line_table(uow, lines, offer.currency), uow.entity("quote")
        totals = [
            (str(spec[name].label), money(getattr(offer, name), offer.currency))
            for name in ("net_total", "tax_total", "total")
        ]
    at = offer.answered_at
    return render(
        "crm_sales/offer.html",
        offer=offer,
        token=token,
        columns=table.columns,
        rows=table.rows,
        totals=totals,
        terms=offer.contents["quote"].get("terms") or "",
        until=format_date(links.last_day(uow, offer)),
        answered_at=format_datetime(at, uow.clock.timezone) if at else "",
        values={"name": sent.get("name", ""), "note": sent.get("note", "")},
        marks=marks or {},
    )
