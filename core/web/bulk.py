"""One act on many records of a list: those that are ticked, or all that it finds; with a way back.

A few are done at once; more are the work of a job, whose progress is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import redirect, request, url_for
from sqlalchemy import select

from core.entities import query
from core.entities.bulk import AT_ONCE, Outcome, begin_bulk, do_bulk, find_bulk
from core.entities.bulk_job import BULK, start_bulk, start_undo
from core.entities.bulk_undo import may_be_undone, undo_bulk
from core.entities.filters import filter_fields
from core.entities.form_fields import editable_fields
from core.entities.forms import control_for
from core.entities.inputs import from_input, read_input
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery
from core.entities.schema import to_json
from core.entities.scope import require
from core.entities.values import BadValue, check_value
from core.errors import Invalid, NotFound, Problem, Refused
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.http.addresses import read_number, safe_target, undo_url
from core.http.presenting import input_context, record_address, tell
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n import ngettext
from core.i18n.formats import format_number
from core.web import blueprint
from core.web.list_page import list_base, own_page
from core.web.list_state import read_found
from core.work.tables import job_table
from core.work.uow import UnitOfWork

__all__ = ["Chosen", "chosen_records", "run_bulk"]

#: As many as a form carries one by one.
MAX_IDS = 1000


@dataclass(frozen=True)
class Chosen:
    """What was ticked, or with ``all`` everything that the list finds."""

    ids: tuple[int, ...]
    #: The list's state when all of it is meant; else None.
    found: str | None
    wanted: ListQuery

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """What a form sends along so that the next page knows it again."""
        if self.found is not None:
            return [("all", "1"), ("found", self.found)]
        return [("ids", str(key)) for key in self.ids]

    def count(self, uow: UnitOfWork, spec: EntitySpec) -> int:
        """How many they are."""
        return len(self.ids) if self.found is None else query.count(uow, spec.name, self.wanted)


def chosen_records(uow: UnitOfWork, spec: EntitySpec) -> Chosen:
    """What the form is about. `Invalid` for more than a form can name."""
    texts = request.values.getlist("ids")
    ids = tuple(dict.fromkeys(key for text in texts if (key := read_number(text)) is not None))
    if len(ids) > MAX_IDS:
        raise Invalid(_("At most %(n)s records at a time.", n=MAX_IDS))
    if request.values.get("all") != "1":
        return Chosen(ids, None, ListQuery(ids=ids))
    found = request.values.get("found", "")
    state = read_found(found)
    condition = state.conditions(filter_fields(uow, spec))
    return Chosen(ids, found, ListQuery(filter=condition, search=state.search))


def run_bulk(entity: str, act: Mapping[str, Any], back: str) -> Any:
    """Do the act on what the form is about: at once, or as a job whose page is shown."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        chosen = chosen_records(uow, spec)
        if chosen.found is not None or len(chosen.ids) > AT_ONCE:
            job = start_bulk(uow, spec, act, chosen.wanted)
            return redirect(url_for("web.bulk_job", entity=entity, job_id=job), 303)
        key = begin_bulk(uow, spec, act)
        outcome = do_bulk(uow, key, chosen.ids)
    undo = undo_url(entity, key, back)
    if outcome.done:
        text = ngettext("%(n)s record changed.", "%(n)s records changed.", outcome.done)
        tell(text, undo_url=undo)
    _tell_kept(outcome)
    return redirect(back, 303)


def _tell_kept(outcome: Outcome) -> None:
    if outcome.kept:
        reasons = " ".join(dict.fromkeys(why for _key, why in outcome.reasons))
        text = ngettext("%(n)s record stays: ", "%(n)s records stay: ", outcome.kept)
        tell(f"{text}{reasons}", "warn" if outcome.done else "bad")


# One field, or tags


@blueprint.post("/r/<entity>/bulk-edit")
@signed_in
def bulk_edit(entity: str) -> Any:
    """Set one field on all chosen records: choose the field, then the value, then save."""
    form = request.form
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        require(uow, spec, "update")
        back, chosen = _back(spec), chosen_records(uow, spec)
        fields = [item for item in editable_fields(uow, spec) if _suits_many(item)]
        if not chosen.pairs or not spec.updatable:
            tell(_("Choose at least one record."), "warn")
            return redirect(back, 303)
        item = next((each for each in fields if each.name == form.get("field")), None)
        if item is None or "confirmed" not in form:
            return _page(uow, spec, chosen, fields, item)
        try:
            act = _act(uow, item)
        except BadValue as error:
            problem = Problem(item.name, error.code, str(error))
            refused = Invalid(_("Please correct what is marked."), [problem])
            return _page(uow, spec, chosen, fields, item, refused), 422
    try:
        return run_bulk(entity, act, back)
    except (Invalid, Refused) as error:
        with unit_of_work(write=False) as uow:
            return _page(uow, spec, chosen, fields, item, error), error.status


def _act(uow: UnitOfWork, item: FieldSpec) -> dict[str, Any]:
    """What the form asks for. Raises `BadValue`."""
    raw = read_input(item.type, request.form, item.name)
    value = check_value(item.type, from_input(item.type, raw, input_context(uow)))
    how = request.form.get("how", "")
    if isinstance(item.type, t.Tags) and how in ("add", "remove"):
        lists = {"add": [], "remove": [], how: list(value or ())}
        return {"kind": "tags", "field": item.name, **lists}
    if not isinstance(item.type, (t.Reference, t.References)):
        value = to_json(item.type, value)
    return {"kind": "update", "values": {item.name: value}}


def _suits_many(item: FieldSpec) -> bool:
    return not item.unique and not isinstance(item.type, (t.Lines, t.File, t.Related))


def _page(
    uow: UnitOfWork,
    spec: EntitySpec,
    chosen: Chosen,
    fields: Sequence[FieldSpec],
    item: FieldSpec | None,
    error: Invalid | Refused | None = None,
) -> str:
    control = None
    message = error.message if error else ""
    if item is not None:
        raw = read_input(item.type, request.form, item.name)
        own = [p.message for p in error.problems if p.field == item.name] if error else []
        control = control_for(input_context(uow), item, raw, error=own[0] if own else "")
        message = "" if own else message
    labels = resolve_labels(uow, {spec.name: set(chosen.ids[:5])}).get(spec.name, {})
    is_all = chosen.found is not None
    return render(
        "core/records/bulk_edit.html",
        spec=spec,
        fields=[(each.name, str(each.label)) for each in fields],
        field=item.name if item else "",
        is_tags=item is not None and isinstance(item.type, t.Tags),
        how=request.form.get("how", "add"),
        control=control,
        pairs=chosen.pairs,
        number=chosen.count(uow, spec),
        names=[] if is_all else [labels[key] for key in chosen.ids[:5] if key in labels],
        message=message,
        action=url_for("web.bulk_edit", entity=spec.name),
        back=_back(spec),
    )


def _back(spec: EntitySpec) -> str:
    return own_page(request.values.get("back"), spec)


# The job, and the way back


@blueprint.get("/r/<entity>/bulk/<int:job_id>")
@signed_in
def bulk_job(entity: str, job_id: int) -> Any:
    """How far an act on many is, what came of it, and the way back; htmx asks for the inner part."""
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        mine = (job_table.c.id == job_id) & (job_table.c.kind == BULK.name)
        own = job_table.c.actor_id == uow.actor.user_id
        job = uow.execute(select(job_table).where(mine, own)).one_or_none()
        if job is None or job.arguments.get("entity") != entity:
            raise NotFound(_("There is no job with the number %(id)s.", id=job_id))
        result = job.result or {}
        ids = [key for key, _why in result.get("reasons", ())]
        labels = resolve_labels(uow, {entity: set(ids)}).get(entity, {})
        address, bulk = record_address(uow), find_bulk(uow, job.arguments["bulk_id"])
        is_over = job.state in ("done", "failed", "cancelled")
        may_undo = is_over and job.arguments["asked"] is not None and may_be_undone(uow, bulk.id)
        fragment = bool(request.headers.get("HX-Request"))
        return render(
            "core/records/_bulk_job.html" if fragment else "core/records/bulk_job.html",
            spec=spec,
            job=job,
            is_over=is_over,
            is_undo=job.arguments["asked"] is None,
            done=format_number(result.get("done", 0)),
            kept=format_number(result.get("kept", 0)),
            reasons=[
                (labels.get(key, f"#{key}"), address(entity, key), why)
                for key, why in result.get("reasons", ())
            ],
            beside=result.get("beside", ()),
            undo_url=url_for("web.undo_bulk", entity=entity, bulk_id=bulk.id) if may_undo else "",
            base=list_base(spec),
        )


@blueprint.post("/r/<entity>/bulk/<int:bulk_id>/undo", endpoint="undo_bulk")
@signed_in
def undo(entity: str, bulk_id: int) -> Any:
    """Take an act on many back: what was changed since stays, and is told."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        job = start_undo(uow, bulk_id)
        if job is not None:
            return redirect(url_for("web.bulk_job", entity=entity, job_id=job), 303)
        outcome, _last = undo_bulk(uow, bulk_id)
    if outcome.done:
        text = ngettext(
            "%(n)s record is as it was.", "%(n)s records are as they were.", outcome.done
        )
        tell(" ".join([text, *outcome.beside]))
    _tell_kept(outcome)
    back = request.values.get("back")
    return redirect(safe_target(back) if back else list_base(spec), 303)
