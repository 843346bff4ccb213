"""Pages that the generic ones do not give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, request, url_for

from core.errors import Forbidden, Invalid
from core.http.addresses import read_number
from core.http.presenting import draw_control, input_context
from core.http.rendering import render
from core.http.requests import framed_by, public, requires, signed_in, unit_of_work
from core.i18n import gettext as _
from core.pools.rehearsal import page_of
from plugins.crm_leads import channel_report, public_forms
from plugins.crm_leads.cards import told_same
from plugins.crm_leads.pools import LEADS
from plugins.crm_leads.public_forms import HONEYPOT, PublicForm, find_form

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["blueprint"]

blueprint = Blueprint("crm_leads", __name__, url_prefix="/crm_leads")


@blueprint.get("/returns", endpoint="returns")
@requires("crm_leads.see_returns")
def show_returns() -> Any:
    """What would go back to its pool, and why."""
    with unit_of_work(write=False) as uow:
        return render("core/pools/returns.html", **page_of(uow, LEADS, request.args))


@blueprint.get("/channels", endpoint="channels")
@requires("crm_leads.see_channels")
def show_channels() -> Any:
    """What each source of leads brought, and what it cost."""
    with unit_of_work(write=False) as uow:
        return render("crm_leads/channels.html", **channel_report.page_of(uow, request.args))


@blueprint.post("/duplicates", endpoint="show_duplicates")
@signed_in
def show_same() -> str:
    """Which leads are the same as what stands in a form: names and numbers are in no address."""
    with unit_of_work(write=False) as uow:
        access = uow.actor.access(uow.entity("lead"))
        if not access.may("create") and not access.may("update"):
            raise Forbidden(_("You do not have the right to do this."))
        return told_same(uow, request.form, read_number(request.args.get("but")))


# Public forms


@blueprint.get("/form/<key>", endpoint="form")
@public
def show_form(key: str) -> Any:
    """The form, or the thanks for one that was sent; also within the sites that it names."""
    with unit_of_work(write=False) as uow:
        form = find_form(uow, key)
        came_from = request.args.get("from") or request.referrer or ""
        return _form_page(uow, form, {"origin": came_from[:300]}, is_done="done" in request.args)


@blueprint.post("/form/<key>", endpoint="submit_form")
@public
def submit_form(key: str) -> Any:
    """Make a lead of it; the core counts how often one place sends forms."""
    with unit_of_work(write=False) as uow:
        form = find_form(uow, key)
    try:
        with unit_of_work() as uow:
            public_forms.submit(uow, form, request.form)
    except Invalid as error:
        marks: dict[str, str] = {}
        for problem in error.problems:
            marks.setdefault(problem.field, problem.message)
        with unit_of_work(write=False) as uow:
            return _form_page(uow, form, request.form, marks), error.status
    framed_by(form.sites)
    return redirect(url_for("crm_leads.form", key=key, done=1), 303)


def _form_page(
    uow: UnitOfWork,
    form: PublicForm,
    sent: Mapping[str, str],
    marks: Mapping[str, str] | None = None,
    *,
    is_done: bool = False,
) -> str:
    framed_by(form.sites)
    spec, marks = uow.entity("lead"), marks or {}
    kinds = {"mobile": "tel", "email": "email"}
    hints = {"contact_name": "name", "company": "organization", "mobile": "tel", "email": "email"}
    fields: list[dict[str, Any]] = [
        {
            "name": name,
            "label": str(spec[name].label),
            "kind": "textarea" if name == "note" else kinds.get(name, "text"),
            "value": sent.get(name, ""),
            "error": marks.get(name, ""),
            "hint": hints.get(name, "on"),
        }
        for name in form.fields
        if name in public_forms.DELIVERED
    ]
    context, typed = input_context(uow), request.form if marks else None
    fields += [
        {"control": draw_control(context, item, None, error=marks.get(item.name, ""), form=typed)}
        for item in public_forms.own_fields(uow)
        if item.name in form.fields
    ]
    return render(
        "crm_leads/public_form.html",
        form=form,
        fields=fields,
        # What the form does not ask for is told above it: it is the company's to put right.
        others=[text for name, text in marks.items() if name not in form.fields],
        origin=sent.get("origin", "")[:300],
        honeypot=HONEYPOT,
        is_done=is_done,
    )
