"""Pages that the generic ones do not give: the short form of a customer, its duplicates, the funnel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Blueprint, flash, redirect, request
from werkzeug.datastructures import MultiDict

from core.entities import service
from core.errors import Forbidden, Invalid, NotFound, Refused
from core.http.addresses import read_number, record_url
from core.http.forms import KeptForm
from core.http.rendering import render
from core.http.reports import send_report
from core.http.requests import requires, signed_in, unit_of_work
from core.i18n import gettext as _
from core.settings.service import get_setting
from plugins.crm_sales import cards, duplicates, funnel, going_on, outcomes, tasks
from plugins.crm_sales.models import SOURCES

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["blueprint"]

blueprint = Blueprint("crm_sales", __name__, url_prefix="/crm_sales")
NEW_CUSTOMER = KeptForm("customer", "crm_sales.new_customer")

_OF_CUSTOMER = ("name", "uscc", "source")
_OF_CONTACT = {"contact_name": "name", "contact_mobile": "mobile", "contact_title": "title"}
_RULES = {"code": "same_code", "name": "same_name", "contact": "same_contact"}


class _Alike(Exception):
    """Some customers may be the same one: to be asked about before anything is saved."""

    def __init__(self, hits: list[duplicates.Hit]) -> None:
        super().__init__()
        self.hits = hits


@blueprint.get("/customers/new")
@signed_in
def new_customer() -> Any:
    """A customer in five fields, with the first person there."""
    with unit_of_work(write=False) as uow:
        draft = NEW_CUSTOMER.draft(uow)
        return _page(uow, request.args if draft is None else draft, draft)


@blueprint.post("/customers/new")
@signed_in
@NEW_CUSTOMER.taken
def create_customer() -> Any:
    """Make the customer and the contact; where one may be the same, ask first."""
    sent = request.form

    def make(uow: UnitOfWork) -> str:
        _require_create(uow)
        if not sent.get("confirmed") and (hits := _warned(uow, sent)):
            raise _Alike(hits)
        key = _create(uow, sent)
        flash(_("Saved."), "good")
        return record_url("customer", key)

    try:
        return NEW_CUSTOMER.save_once(make)
    except _Alike as found:
        with unit_of_work(write=False) as uow:
            return _page(uow, sent, sent, hits=found.hits), 409
    except (Invalid, Refused) as error:
        marks: dict[str, str] = {}
        for problem in error.problems:
            marks.setdefault(problem.field, problem.message)
        with unit_of_work(write=False) as uow:
            return _page(uow, sent, sent, marks, error.message), error.status


def _create(uow: UnitOfWork, sent: Mapping[str, str]) -> int:
    values = {name: sent.get(name, "").strip() or None for name in _OF_CUSTOMER}
    person = {field: sent.get(name, "").strip() or None for name, field in _OF_CONTACT.items()}
    (key,) = service.create(uow, "customer", [values])
    if any(person.values()):
        try:
            service.create(uow, "contact", [{**person, "customer": key}])
        except Invalid as error:
            names = {field: name for name, field in _OF_CONTACT.items()}
            problems = [
                _renamed(problem, names.get(problem.field, problem.field))
                for problem in error.problems
            ]
            raise Invalid(error.message, problems) from error
    return key


def _renamed(problem: Any, name: str) -> Any:
    from dataclasses import replace

    return replace(problem, field=name)


def _warned(uow: UnitOfWork, sent: Mapping[str, str]) -> list[duplicates.Hit]:
    """The customers of which the rules warn; what they refuse is refused by saving."""
    return [
        hit
        for hit in _found(uow, sent)
        if hit.why == "alike" or get_setting(uow, "crm_sales", _RULES[hit.why]) == "warn"
    ]


def _found(
    uow: UnitOfWork, sent: Mapping[str, str], but: int | None = None
) -> list[duplicates.Hit]:
    code = "".join(sent.get("uscc", "").split()).upper()[:40]
    mobile = duplicates.mobile_of(sent.get("contact_mobile"))
    return duplicates.find(uow, name=sent.get("name", "")[:200], uscc=code, mobile=mobile, but=but)


def _require_writing(uow: UnitOfWork, entity: str) -> None:
    access = uow.actor.access(uow.entity(entity))
    if not access.may("create") and not access.may("update"):
        raise Forbidden(_("You do not have the right to do this."))


def _require_create(uow: UnitOfWork) -> None:
    if not uow.actor.access(uow.entity("customer")).may("create"):
        raise Forbidden(_("You do not have the right to do this."))


def _page(
    uow: UnitOfWork,
    sent: Mapping[str, str],
    typed: Mapping[str, str] | None = None,
    marks: Mapping[str, str] | None = None,
    message: str = "",
    hits: list[duplicates.Hit] | None = None,
) -> str:
    """The form with what was ``sent``, by an address or, as it was ``typed``, by itself."""
    _require_create(uow)
    marks = marks or {}
    labels = {
        "name": _("Customer name"),
        "uscc": _("Credit code"),
        "source": _("Source"),
        "contact_name": _("Contact"),
        "contact_title": _("Job title"),
        "contact_mobile": _("Mobile"),
    }
    people = uow.actor.access(uow.entity("contact")).may("create")
    return render(
        "crm_sales/customer.html",
        kept=NEW_CUSTOMER.drawn(uow, typed),
        values=MultiDict(sent),
        sources=[(choice.value, str(choice.label)) for choice in SOURCES],
        marks=marks,
        errors=[(name, labels.get(name, name), text) for name, text in marks.items()],
        message=message if message and not marks else "",
        hits=cards.linked(hits or []),
        has_people=people,
    )


@blueprint.post("/duplicates")
@signed_in
def show_duplicates() -> str:
    """What is there already, beside the form, while somebody types: names and numbers of people are
    in no address."""
    with unit_of_work(write=False) as uow:
        _require_writing(uow, "customer")
        but = read_number(request.args.get("but"))
        return cards.told_same(_found(uow, request.form, but))


@blueprint.post("/duplicates/<entity>")
@signed_in
def show_same(entity: str) -> str:
    """Which customers a lead may be, or of which others a contact may be, as it stands in a form."""
    with unit_of_work(write=False) as uow:
        if entity not in ("lead", "contact"):
            raise NotFound(_("There is no such page."))
        _require_writing(uow, entity)
        return cards.told_typed(uow, entity, request.form)


@blueprint.get("/funnel", endpoint="funnel")
@requires("crm_sales.see_funnel")
def show_funnel() -> Any:
    """What stands in which stage of a process, and how many go on."""
    with unit_of_work(write=False) as uow:
        return render("crm_sales/funnel.html", **funnel.page_of(uow, request.args))


@blueprint.get("/funnel/change", endpoint="funnel_change")
@requires("crm_sales.see_funnel")
def show_funnel_change() -> Any:
    """How many go on from each stage in a period, against the period before it."""
    with unit_of_work(write=False) as uow:
        return render("crm_sales/funnel_change.html", **going_on.page_of(uow, request.args))


@blueprint.post("/funnel/change/export")
@requires("crm_sales.see_funnel")
def export_funnel_change() -> Any:
    """The same as a table for a spreadsheet program."""
    sent = request.form
    with unit_of_work() as uow:
        header, rows = going_on.table_of(uow, sent)
        names = ("kind", "period", "process", "department", "person")
        about = {name: sent[name][:20] for name in names if sent.get(name)}
        spec, title = uow.entity("opportunity"), _("Change of conversion")
        kind = sent.get("format", "")
        return send_report(uow, spec, title, header, rows, kind=kind, details=about)


@blueprint.get("/outcomes", endpoint="outcomes")
@requires("crm_sales.see_funnel")
def show_outcomes() -> Any:
    """Why deals were won and lost in a period, and against whom."""
    with unit_of_work(write=False) as uow:
        return render("crm_sales/outcomes.html", **outcomes.page_of(uow, request.args))


@blueprint.post("/opportunities/<int:key>/tasks")
@signed_in
def tick_tasks(key: int) -> Any:
    """Keep which of the key tasks that were shown are done."""
    sent = request.form
    try:
        with unit_of_work() as uow:
            tasks.tick(uow, key, shown=sent.getlist("shown"), done=sent.getlist("done"))
    except (Invalid, Refused) as error:
        flash(error.problems[0].message if error.problems else error.message, "bad")
    else:
        flash(_("Saved."), "good")
    return redirect(record_url("opportunity", key), 303)
