"""Pages of prices and quotes: lines that are worked out while one types, why a price is what it is,
and what changed between versions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flask import flash, jsonify, request, url_for
from werkzeug.datastructures import MultiDict

from core.entities import query, service
from core.entities.query import ListQuery, Record
from core.entities.values import BadValue, check_value
from core.errors import Conflict, Forbidden, Invalid, NotFound, Problem, Refused
from core.fields import Date, Number
from core.http.addresses import read_number, record_url
from core.http.forms import KeptForm
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_date, format_datetime
from core.settings.service import get_setting
from plugins.crm_sales.deals.cards import told_rivals
from plugins.crm_sales.models import CURRENCIES
from plugins.crm_sales.products import form_pages as pages
from plugins.crm_sales.products import forms, parameters
from plugins.crm_sales.products.prices import Price, price_for, read_book, said
from plugins.crm_sales.products.versions import compare, labelled
from plugins.crm_sales.views import blueprint

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["blueprint"]

_HEAD = ("customer", "opportunity", "currency", "price_list", "valid_until")
_REFERENCES = ("customer", "opportunity", "price_list")
NEW_QUOTE = KeptForm("quote", "crm_sales.new_quote")
QUOTE_LINES = KeptForm("quote", "crm_sales.edit_quote_lines")


# The form


@blueprint.get("/quotes/new")
@signed_in
def new_quote() -> Any:
    """A quote with its lines on one page; the address may name customer and opportunity, whose
    currency and products it begins with."""
    with unit_of_work(write=False) as uow:
        pages.require_lines(uow, "quote", "create")
        if (draft := NEW_QUOTE.draft(uow)) is not None:
            return _new_page(uow, _head(draft), forms.read_rows(draft), sent=draft)
        head = _head(request.args)
        rows = _begun(uow, head) if head["opportunity"] else []
        return _new_page(uow, head, rows)


@blueprint.post("/quotes/new")
@signed_in
@NEW_QUOTE.taken
def create_quote() -> Any:
    """Make the quote with its lines, or show what stands against it."""
    sent, rows = request.form, forms.read_rows(request.form)
    head = _head(sent)
    if pages.wants_lines(sent):
        with unit_of_work(write=False) as uow:
            pages.require_lines(uow, "quote", "create")
            return _new_page(uow, head, pages.with_another(rows, sent), sent=sent)

    def make(uow: UnitOfWork) -> str:
        pages.require_lines(uow, "quote", "create")
        values: dict[str, Any] = {name: value or None for name, value in head.items()}
        values["lines"] = forms.values_of(uow, rows, {})
        (key,) = service.create(uow, "quote", [values])
        flash(_("Saved."), "good")
        return record_url("quote", key)

    try:
        return NEW_QUOTE.save_once(make)
    except (Invalid, Refused) as error:
        with unit_of_work(write=False) as uow:
            return _new_page(uow, head, rows, error, sent), error.status


def _head(sent: Mapping[str, str]) -> dict[str, str]:
    return {name: sent.get(name, "").strip()[:40] for name in _HEAD}


@blueprint.get("/quotes/<int:quote_id>/lines")
@signed_in
def edit_quote_lines(quote_id: int) -> Any:
    """The lines of a draft."""
    return pages.show_lines(QUOTE_LINES, quote_id, _draft, _lines_page)


@blueprint.post("/quotes/<int:quote_id>/lines")
@signed_in
@QUOTE_LINES.taken
def save_quote_lines(quote_id: int) -> Any:
    """Save the lines, unless somebody else was faster."""
    return pages.save_lines(QUOTE_LINES, quote_id, _draft, _lines_page)


@blueprint.post("/quotes/calculate")
@signed_in
def calculate_quote() -> str:
    """What the lines come to as they stand in the form; nothing is saved."""
    sent = request.form
    with unit_of_work(write=False) as uow:
        key = read_number(sent.get("quote", ""))
        if key is not None:
            record = _draft(uow, key)
            head, stored = forms.head_of(uow, record.values), pages.stored_lines(record)
        else:
            pages.require_lines(uow, "quote", "create")
            head, stored = forms.head_of(uow, sent), {}
        rows = forms.read_rows(sent)
        return render(
            "crm_sales/quote_worked.html",
            **forms.draw(uow, head, rows, stored),
            beside=_beside(uow, sent),
        )


def _require_prices(uow: UnitOfWork) -> None:
    pages.require(uow, "product", "read")
    spec = uow.entity("product")
    if not uow.actor.access(spec).can_use(spec["list_price"]):
        raise Forbidden(_("You do not have the right to do this."))


def _draft(uow: UnitOfWork, quote_id: int) -> Record:
    """The quote, which its reader may change now."""
    record = query.get(uow, "quote", quote_id)
    pages.require_lines(uow, "quote", "update")
    asked = ListQuery(ids=(quote_id,))
    if not query.select_ids(uow, "quote", asked, action="update", limit=1):
        raise Forbidden(_("You do not have the right to do this."))
    if record.values.get("status") != "draft":
        raise Refused(_("A quote that was submitted stays as it is; make a new version of it."))
    return record


def _number(record: Record) -> str:
    """What the quote is called for its reader, who may not see its number."""
    return record.values.get("number") or f"#{record.values['id']}"


def _begun(uow: UnitOfWork, head: dict[str, str]) -> list[forms.Row]:
    """Fill in what the opportunity of the address says, and answer its products as lines.

    What the reader may not see of it is left to them.
    """
    key = read_number(head["opportunity"])
    if key is None:
        return []
    try:
        record = query.get(uow, "opportunity", key)
    except (Forbidden, NotFound):
        return []
    values = record.values
    if not head["customer"]:
        head["customer"] = str(values.get("customer") or "")
    if not head["currency"] and not head["price_list"]:
        head["currency"] = values.get("currency") or ""
    rows = forms.rows_of(values, record.labels.get("product", {}))
    return [replace(row, id="") for row in rows]


def _new_page(
    uow: UnitOfWork,
    head: Mapping[str, str],
    rows: list[forms.Row],
    error: Invalid | Refused | None = None,
    sent: Mapping[str, str] | None = None,
) -> str:
    marks = pages.marks_of(error)
    return pages.draw_page(
        uow,
        "quote",
        rows or [forms.blank_row()],
        forms.head_of(uow, head),
        {},
        marks,
        error,
        record=None,
        kept=NEW_QUOTE.drawn(uow, sent),
        title=_("New quotation"),
        action=url_for("crm_sales.create_quote"),
        cancel_url=url_for("web.list_records", entity="quote"),
        form_head=head,
        labels=pages.labels_picked(uow, _REFERENCES, head),
        currencies=[(choice.value, str(choice.label)) for choice in CURRENCIES],
        company_currency=get_setting(uow, "core", "currency"),
        beside=_beside(uow, head),
    )


def _beside(uow: UnitOfWork, head: Mapping[str, str]) -> str:
    """Who else sells to the customer of a new quote: others than whose opportunity it is for."""
    about: dict[str, Any] = {"customer": forms.readable(uow, "customer", head.get("customer"))}
    key = read_number(head.get("opportunity", ""))
    if about["customer"] is not None and key is not None:
        asked = ListQuery(fields=("owner",), ids=(key,), labels=False)
        with suppress(Forbidden, Invalid):
            about |= next(iter(query.page(uow, "opportunity", asked).items), {})
    return told_rivals(uow, about)


def _lines_page(
    uow: UnitOfWork,
    record: Record,
    rows: list[forms.Row],
    error: Invalid | Refused | Conflict | None = None,
    sent: Mapping[str, str] | None = None,
) -> str:
    values = record.values
    head = forms.head_of(uow, values)
    return pages.draw_page(
        uow,
        "quote",
        rows,
        head,
        pages.stored_lines(record),
        pages.marks_of(error),
        error,
        **pages.of_record(uow, QUOTE_LINES, record, head, error, sent),
        title=_("Lines of %(quote)s", quote=_number(record)),
        number=_number(record),
        action=url_for("crm_sales.save_quote_lines", quote_id=values["id"]),
        cancel_url=record_url("quote", values["id"]),
        form_head={},
        labels={},
        beside="",
    )


# Why a price is what it is


@blueprint.get("/quotes/<int:quote_id>/prices")
@signed_in
def explain_quote(quote_id: int) -> Any:
    """How each price of a quote came about, as it is kept."""
    with unit_of_work(write=False) as uow:
        record = query.get(uow, "quote", quote_id)
        values = record.values
        labels = record.labels.get("product", {})
        currency = values.get("currency") or get_setting(uow, "core", "currency")
        lines = [
            {
                "name": labels.get(line["product"], _("Not visible to you")),
                "specification": line.get("specification") or "",
                "price": forms.money(line["unit_price"], currency)
                if line.get("unit_price") is not None
                else "",
                "reasons": forms.told_reasons(line.get("reasons") or ()),
            }
            for line in values.get("lines") or ()
        ]
        return render(
            "crm_sales/quote_prices.html",
            number=_number(record),
            record_id=quote_id,
            lines=lines,
        )


@blueprint.get("/price")
@signed_in
def show_price() -> Any:
    """What a product costs whom, and why."""
    with unit_of_work(write=False) as uow:
        _require_prices(uow)
        sent = request.args
        context: dict[str, Any] = {
            "values": MultiDict(sent),
            "labels": pages.labels_picked(uow, ("product", "customer"), sent),
            "currencies": [(choice.value, str(choice.label)) for choice in CURRENCIES],
            "today": uow.clock.today().isoformat(),
            "company_currency": get_setting(uow, "core", "currency"),
            "asked": [],
            "marks": {},
            "found": None,
            "reasons": [],
            "price": "",
        }
        if (product := read_number(sent.get("product", ""))) is not None:
            context |= _priced(uow, sent, product)
        return render("crm_sales/price.html", **context)


@blueprint.get("/price.json")
@signed_in
def read_price() -> Any:
    """The same for programs: ``?product=7&customer=3&quantity=10&currency=CNY&day=2026-05-01`` and
    ``p.<name>`` for each parameter."""
    with unit_of_work(write=False) as uow:
        _require_prices(uow)
        price, currency = _ask(uow, request.args)
        if price.problem is not None:
            field, code, message = price.problem
            raise Invalid(message, [Problem(field, code, message)])
        reasons = [{**each, "text": said(each)} for each in price.reasons]
        answer = {"unit_price": str(price.unit_price), "currency": currency, "reasons": reasons}
        return jsonify(answer)


def _priced(uow: UnitOfWork, sent: Mapping[str, str], product: int) -> dict[str, Any]:
    _require_readable(uow, {"product": product})
    goods = read_book(uow, [product]).goods[product]
    given = {each.name: sent.get(f"p.{each.name}", each.default) for each in goods.parameters}
    drawn = [
        {
            "name": each.name,
            "kind": each.kind,
            "unit": each.unit,
            "choices": [(choice, choice) for choice in each.choices],
            "value": given[each.name],
            "required": not each.is_optional and each.kind != "yes_no",
        }
        for each in goods.parameters
    ]
    found: dict[str, Any] = {"asked": drawn, "unit": goods.unit}
    try:
        price, currency = _ask(uow, sent)
    except Invalid as error:
        if goods.parameters and not any(key.startswith("p.") for key in sent):
            return found  # first they are asked for
        return found | {"marks": pages.marks_of(error)}
    if price.problem is not None or price.unit_price is None:
        field, _code, message = price.problem or ("unit_price", "", "")
        found["marks"] = {field: message}
    else:
        found["price"] = forms.money(price.unit_price, currency)
    return found | {"found": True, "reasons": forms.told_reasons(price.reasons)}


def _require_readable(uow: UnitOfWork, keys: Mapping[str, int | None]) -> None:
    """Whoever may not read a record learns nothing of its prices: `NotFound`, or `Forbidden`."""
    named = pages.labels_of(uow, keys)
    for entity, key in keys.items():
        if key is not None and entity not in named:
            query.get(uow, entity, key)  # says why


def _ask(uow: UnitOfWork, sent: Mapping[str, str]) -> tuple[Price, str]:
    """The price that was asked for. Raises `Invalid` for what cannot be read, `NotFound`."""
    problems: list[Problem] = []
    keys: dict[str, int | None] = {}
    for name in ("product", "customer", "price_list"):
        text = sent.get(name, "").strip()
        keys[name] = int(text) if text.isdecimal() and len(text) < 18 else None
        if text and keys[name] is None:
            problems.append(Problem(name, "reference", _("This is no number of a record.")))
    if keys["product"] is None and not problems:
        problems.append(Problem("product", "required", _("Please fill this in.")))
    values: dict[str, Any] = {}
    for name, type_, otherwise in (
        ("quantity", Number(14, 3), Decimal(1)),
        ("day", Date(), uow.clock.today()),
    ):
        try:
            given = check_value(type_, sent.get(name, "").strip() or None)
        except BadValue as error:
            problems.append(Problem(name, error.code, str(error)))
        else:
            values[name] = otherwise if given is None else given
    if values.get("quantity", 1) <= 0:
        message = _("A quantity is more than nothing.")
        problems.append(Problem("quantity", "range", message))
    currency = sent.get("currency", "").strip() or get_setting(uow, "core", "currency")
    if currency not in {choice.value for choice in CURRENCIES}:
        problems.append(Problem("currency", "choice", _("This currency is not known.")))
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)
    _require_readable(uow, keys)
    product = keys["product"]
    assert product is not None
    goods = read_book(uow, [product]).goods[product]
    given = {key.removeprefix("p."): value for key, value in sent.items() if key.startswith("p.")}
    typed, wrong = parameters.read(goods.parameters, given)
    if wrong:
        found = [Problem(f"p.{each.name}", each.code, each.message) for each in wrong]
        raise Invalid(_("Please correct what is marked."), found)
    price = price_for(
        uow,
        product,
        customer=keys["customer"],
        quantity=values["quantity"],
        currency=currency,
        day=values["day"],
        price_list=keys["price_list"],
        parameters=typed,
    )
    spec = uow.entity("product")
    if not uow.actor.access(spec).can_use(spec["price_formula"]):
        hidden = ("formula", "steps")
        reasons = [{n: v for n, v in each.items() if n not in hidden} for each in price.reasons]
        price = replace(price, reasons=reasons)
    return price, currency


# Versions


@blueprint.get("/quotes/<int:quote_id>/versions")
@signed_in
def compare_quote(quote_id: int) -> Any:
    """The versions of a quote, and what is different between two of them."""
    with unit_of_work(write=False) as uow:
        record = query.get(uow, "quote", quote_id)
        versions = labelled(uow, record)
        if not versions:
            raise NotFound(_("This quote has no versions yet."))
        keys = [each.key for each in versions]
        after = request.args.get("after", "")
        after = after if after in keys else keys[-1]
        before = request.args.get("before", "")
        before = before if before in keys else keys[max(0, keys.index(after) - 1)]
        one = next(each for each in versions if each.key == before)
        two = next(each for each in versions if each.key == after)
        zone = uow.clock.timezone
        return render(
            "crm_sales/quote_versions.html",
            number=_number(record),
            record_id=quote_id,
            versions=[
                {
                    "key": each.key,
                    "title": each.title,
                    "at": format_datetime(each.at, zone) if each.at else "",
                    "by": each.by,
                    "total": forms.money(each.total, each.currency),
                    "until": format_date(each.until) if each.until else "",
                }
                for each in versions
            ],
            options=[(each.key, each.title) for each in versions],
            before=before,
            after=after,
            titles=(one.title, two.title),
            difference=compare(uow, one, two),
        )
