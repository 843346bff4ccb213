"""The page on which one lead is converted: the customers that it may be stand there to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flask import flash, redirect, request, url_for

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound, Problem, Refused
from core.http.addresses import list_url, read_number, record_url
from core.http.forms import KeptForm
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from plugins.crm_sales import conversion, duplicates
from plugins.crm_sales.models import SOURCES
from plugins.crm_sales.views import blueprint

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["blueprint"]

CONVERSION = KeptForm("lead", "crm_sales.show_conversion", known_by="opportunity", verb="convert")
_NEW, _OTHER = "new", "other"


@blueprint.get("/leads/convert")
@signed_in
def convert_lead() -> Any:
    """To the page of the lead that the verb is used on. Without a lead, to their list."""
    key = read_number(request.args.get("ids"))
    if key is None:
        return redirect(list_url("lead"))
    return redirect(url_for("crm_sales.show_conversion", lead_id=key))


@blueprint.get("/leads/<int:lead_id>/convert")
@signed_in
def show_conversion(lead_id: int) -> Any:
    """Ask for the customer and the opportunity that a lead becomes."""
    with unit_of_work(write=False) as uow:
        return _page(uow, lead_id, CONVERSION.draft(uow))


@blueprint.post("/leads/<int:lead_id>/convert")
@signed_in
@CONVERSION.taken
def do_convert_lead(lead_id: int) -> Any:
    """Convert it, or say at the field what stands against it."""

    def make(uow: UnitOfWork) -> str:
        service.act(uow, "lead", "convert", [lead_id], _params(request.form))
        flash(_("Converted."), "good")
        return record_url("lead", lead_id)

    try:
        return CONVERSION.save_once(make)
    except (Invalid, Refused) as error:
        with unit_of_work(write=False) as uow:
            return _page(uow, lead_id, request.form, error), error.status


def _params(sent: Mapping[str, str]) -> dict[str, Any]:
    """What the verb is given. Raises `Invalid` when no customer was chosen."""
    choice = sent.get("choice", "")
    customer = _number(sent.get("customer") if choice == _OTHER else choice) or None
    if choice != _NEW and customer is None:
        message = _("Choose the customer, or a new one.")
        raise Invalid(message, [Problem("choice", "required", message)])
    return {
        "customer": customer,
        "separate": choice == _NEW,
        "source": sent.get("source") or None,
        "without_opportunity": bool(sent.get("without_opportunity")),
        "opportunity": sent.get("opportunity", "").strip() or None,
        "process": _number(sent.get("process")) or None,
        "expected_close_on": sent.get("expected_close_on") or None,
    }


def _number(text: str | None) -> int:
    return read_number(text) or 0


def _page(
    uow: UnitOfWork,
    key: int,
    typed: Mapping[str, str] | None,
    error: Invalid | Refused | None = None,
) -> str:
    """The form, empty or as it was ``typed``."""
    sent = typed or {}
    if not query.select_ids(uow, "lead", ListQuery(ids=(key,)), action="convert", limit=1):
        raise NotFound(_("There is no such page."))
    lead = query.get(uow, "lead", key).values
    hits = conversion.matches(uow, lead, with_alike=True)
    mine = [hit for hit in hits if hit.is_readable]
    marks: dict[str, str] = {}
    for problem in error.problems if error is not None else ():
        name = "choice" if problem.field in ("customer", "separate") else problem.field
        marks.setdefault(name, problem.message)
    labels = {
        "choice": _("Customer"),
        "source": _("Source"),
        "opportunity": _("Opportunity"),
        "process": _("Sales process"),
        "expected_close_on": _("Expected close"),
    }
    return render(
        "crm_sales/convert.html",
        kept=CONVERSION.drawn(uow, typed, lead),
        convert_url=url_for("crm_sales.do_convert_lead", lead_id=key),
        lead_name=lead.get("company") or f"#{key}",
        plural=str(uow.entity("lead").label_plural),
        values=sent,
        chosen=sent.get("choice", _first_choice(hits)),
        choices=[(str(hit.id), hit.name, duplicates.said(hit), hit.owner) for hit in mine],
        masked=[duplicates.said(hit) for hit in hits if not hit.is_readable],
        picked=_label(uow, sent.get("customer")),
        sources=[(choice.value, str(choice.label)) for choice in SOURCES],
        source=conversion.source_of(uow, lead) or "",
        processes=_processes(uow),
        marks=marks,
        errors=[(name, labels.get(name, name), text) for name, text in marks.items()],
        message=error.message if error is not None and not marks else "",
        cancel_url=url_for("web.show_record", entity="lead", record_id=key),
    )


def _first_choice(hits: Sequence[duplicates.Hit]) -> str:
    """What is chosen to begin with: the only one of that name, or a new one where there is none at all."""
    sure = [hit for hit in hits if hit.why != "alike"]
    if not sure:
        return _NEW
    named = [hit for hit in sure if hit.is_readable and hit.why != "mobile"]
    return str(named[0].id) if len(named) == len(sure) == 1 else ""


def _label(uow: UnitOfWork, given: Any) -> str:
    """What the customer is called that was picked."""
    key = _number(given)
    try:
        asked = ListQuery(fields=("name",), ids=(key,), labels=False)
        rows = query.page(uow, "customer", asked).items if key else []
    except (Forbidden, Invalid):
        return ""
    return rows[0].get("name") or "" if rows else ""


def _processes(uow: UnitOfWork) -> list[tuple[int, str]]:
    """The sales processes, where there is more than one to choose from."""
    in_use = {"field": "is_active", "op": "eq", "value": True}
    asked = ListQuery(fields=("name",), filter=in_use, sort="id", limit=50, labels=False)
    try:
        rows = query.page(uow, "sales_process", asked).items
    except (Forbidden, Invalid):
        return []
    return [(row["id"], row["name"]) for row in rows] if len(rows) > 1 else []
