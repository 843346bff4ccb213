"""Past imports, and undoing one: what it would do first, then the job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import redirect, request, url_for

from core.entities.labels import resolve_labels
from core.errors import NotFound, Refused
from core.exchange.history import find_import, oversees, past_imports, undo_of
from core.exchange.judging import Kept
from core.exchange.plans.saved import may_import
from core.exchange.undo import REASONS, rehearse, start_undo
from core.http.addresses import read_number
from core.http.rendering import render
from core.http.requests import runtime, signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_datetime, format_number
from core.web import blueprint
from core.work.uow import UnitOfWork


@blueprint.get("/imports")
@signed_in
def all_imports() -> Any:
    """The reader's imports of all kinds."""
    return _list(None)


@blueprint.get("/r/<entity>/imports")
@signed_in
def entity_imports(entity: str) -> Any:
    """The reader's imports of one entity."""
    return _list(entity)


def _list(entity: str | None) -> Any:
    before = read_number(request.args.get("before"))
    everyone = request.args.get("everyone") == "1"
    with unit_of_work() as uow:
        spec = None if entity is None else uow.entity(entity)
        found, following = past_imports(uow, entity, everyone=everyone, before=before)
        page = "web.all_imports" if entity is None else "web.entity_imports"
        place: dict[str, Any] = {} if entity is None else {"entity": entity}
        return render(
            "core/exchange/imports.html",
            spec=spec,
            imports=found,
            may_see_all=oversees(uow),
            may_plan=bool(may_import(uow)),
            everyone=everyone,
            own_url=url_for(page, **place),
            all_url=url_for(page, everyone=1, **place),
            next_url=url_for(page, everyone=int(everyone) or None, before=following, **place)
            if following
            else None,
            first_url=url_for(page, everyone=int(everyone) or None, **place) if before else None,
            format_number=format_number,
            when=lambda moment: format_datetime(moment, runtime().clock.timezone),
        )


@blueprint.get("/r/<entity>/exchange/<int:job_id>/undo")
@signed_in
def undo_import(entity: str, job_id: int) -> Any:
    """What undoing an import would do, before it is confirmed."""
    with unit_of_work(write=False) as uow:
        job = _import(uow, entity, job_id)
        refusal, found = "", None
        try:
            found = rehearse(uow, job_id)
        except Refused as error:
            refusal = error.message
        earlier = undo_of(uow, job_id)
        return render(
            "core/exchange/undo.html",
            spec=uow.entity(entity),
            job=job,
            found=found,
            refusal=refusal,
            continued=earlier is not None and not refusal,
            earlier=earlier,
            reasons=[] if found is None else _reasons(found.kept),
            examples=[] if found is None else _examples(uow, found.examples),
            format_number=format_number,
            when=format_datetime(job.created_at, runtime().clock.timezone),
        )


def _reasons(kept: Any) -> list[tuple[str, str]]:
    return [(format_number(kept[code]), str(text)) for code, text in REASONS.items() if kept[code]]


def _examples(uow: UnitOfWork, kept: Sequence[Kept]) -> list[tuple[str, str]]:
    """(what the record is called, why it stays)"""
    wanted: dict[str, set[int]] = {}
    for each in kept:
        wanted.setdefault(each.entity, set()).add(each.record_id)
    labels = resolve_labels(uow, wanted)
    return [
        (labels.get(each.entity, {}).get(each.record_id, f"#{each.record_id}"), each.reason)
        for each in kept
    ]


@blueprint.post("/r/<entity>/exchange/<int:job_id>/undo")
@signed_in
def undo_import_run(entity: str, job_id: int) -> Any:
    """Start the undo and go to its progress."""
    with unit_of_work() as uow:
        _import(uow, entity, job_id)
        undo_id = start_undo(uow, job_id)
    return redirect(url_for("web.exchange_job", entity=entity, job_id=undo_id), 303)


def _import(uow: UnitOfWork, entity: str, job_id: int) -> Any:
    job = find_import(uow, job_id)
    if job.arguments["entity"] != entity:
        raise NotFound(_("There is no import with the number %(id)s.", id=job_id))
    return job
