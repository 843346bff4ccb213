"""The page between a quote or an opportunity and its contract: what is taken over, and what is still to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Blueprint, flash, redirect, request

from core.entities import query, service
from core.entities.query import ListQuery
from core.entities.rendering import Reader, display_html
from core.errors import Forbidden, Invalid, NotFound, Refused
from core.http.addresses import list_url, record_url
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.settings.service import get_setting
from plugins.contracts.making import PARAMS, SOURCES, VERB, existing
from plugins.contracts.models import KINDS

if TYPE_CHECKING:
    from core.entities.query import Record
    from core.work.uow import UnitOfWork

__all__ = ["blueprint"]

blueprint = Blueprint("contracts", __name__, url_prefix="/contracts")

#: What is told of a quote or an opportunity before a contract is made of it.
_TOLD = {
    "quote": ("number", "customer", "opportunity", "total", "owner"),
    "opportunity": ("name", "customer", "amount", "owner"),
}


@blueprint.get("/make")
@signed_in
def ask() -> Any:
    """What the contract takes over; one that is there is opened instead. Without a record, the list."""
    if "ids" not in request.args:
        return redirect(list_url("contract"))
    source, key = _source()
    with unit_of_work(write=False) as uow:
        record = _usable(uow, source, key)
        there = existing(uow, source, [key]).get(key)
        if there is None:
            return _page(uow, record, {"kind": "sales", "name": _name(record)})
        if query.select_ids(uow, "contract", ListQuery(ids=(there,)), action="read", limit=1):
            flash(_("There is a contract already: this one."), "info")
            return redirect(record_url("contract", there))
    raise Refused(_("There is a contract already, which you may not see."))


@blueprint.post("/make")
@signed_in
def make() -> Any:
    """Make the contract and open it, or show what stands against it."""
    source, key = _source()
    sent = {each.name: request.form.get(each.name, "").strip() for each in PARAMS}
    given = {name: text or None for name, text in sent.items()}
    try:
        with unit_of_work() as uow:
            done = service.act(uow, source, VERB, [key], given)
    except Invalid as error:
        with unit_of_work(write=False) as uow:
            return _page(uow, _usable(uow, source, key), sent, error), error.status
    if done["made"]:
        flash(_("The contract is made; look it through, then sign it."), "good")
    else:
        flash(_("There is a contract already: this one."), "info")
    return redirect(record_url("contract", done["contracts"][0]), 303)


def _name(record: Record) -> str:
    """What the contract is called unless somebody says otherwise, as far as the reader may see it."""
    values, found = record.values, ""
    if record.spec.name == "opportunity":
        found = values.get("name")
    for name in ("opportunity", "customer"):
        found = found or record.labels.get(name, {}).get(values.get(name), "")
    return str(found or "")


def _source() -> tuple[str, int]:
    source, text = request.values.get("entity", ""), request.values.get("ids", "")
    if source not in SOURCES or not text.isdecimal() or len(text) > 17:
        raise NotFound(_("There is no such page."))
    return source, int(text)


def _usable(uow: UnitOfWork, source: str, key: int) -> Record:
    """The quote or opportunity, which its reader may make a contract of and which was agreed."""
    record = query.get(uow, source, key)
    spec = uow.entity(source)
    verb = service.actions_of(uow, spec).get(VERB)
    if verb is None or not uow.actor.access(spec).may(VERB):
        raise Forbidden(_("You do not have the right to do this."))
    if not query.select_ids(uow, source, ListQuery(ids=(key,)), action=VERB, limit=1):
        raise Forbidden(_("You do not have the right to do this."))
    agreed = ListQuery(ids=(key,), filter=verb.when)
    with uow.elevated():
        is_agreed = query.select_ids(uow, source, agreed, action="read", limit=1)
        if not is_agreed and verb.why_not is not None:
            verb.why_not(uow, [query.get(uow, source, key).values])
    return record


def _page(
    uow: UnitOfWork, record: Record, values: Mapping[str, str], error: Invalid | None = None
) -> str:
    labels = {each.name: str(each.label) for each in PARAMS}
    marks: dict[str, str] = {}
    for problem in error.problems if error else ():
        marks.setdefault(problem.field, problem.message)
    spec = record.spec
    return render(
        "contracts/make.html",
        source=spec.name,
        record_id=record.values["id"],
        plural=str(spec.label_plural),
        title=record.values.get(spec.label_field) or f"#{record.values['id']}",
        told=_told(uow, record),
        has_lines=bool(record.values.get("lines")),
        values=values,
        labels=labels,
        helps={each.name: str(each.help) for each in PARAMS},
        kinds=[(choice.value, str(choice.label)) for choice in KINDS],
        marks=marks,
        errors=[(name, labels.get(name, name), text) for name, text in marks.items()],
        message=error.message if error is not None and not marks else "",
    )


def _told(uow: UnitOfWork, record: Record) -> list[tuple[str, Any]]:
    """The facts that are taken over, of what the reader may see."""
    spec, values = record.spec, record.values
    company = get_setting(uow, "core", "currency")
    reader = Reader(zone=uow.clock.timezone, currency=company, labels=record.labels)
    told = [
        (str(spec[name].label), display_html(spec[name].type, values[name], reader, values))
        for name in _TOLD[spec.name]
        if name in values
    ]
    if lines := values.get("lines"):
        told.append((str(spec["lines"].label), str(len(lines))))
    return told
