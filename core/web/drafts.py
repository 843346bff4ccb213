"""Drafts of the generic form: kept while one types, offered on return, gone with the saving."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from werkzeug.datastructures import MultiDict

from core.entities.drafts import Draft, discard_draft, find_drafts, save_draft
from core.entities.form_fields import editable_fields
from core.entities.incoming import readable
from core.entities.offers import offered
from core.entities.query import Record
from core.entities.scope import require
from core.errors import Forbidden, Invalid
from core.fields import EntitySpec
from core.http.presenting import tell
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_datetime
from core.web import blueprint
from core.work.idempotency import was_used
from core.work.uow import UnitOfWork

__all__ = ["draft_form", "drafts_offered"]

#: Belong to the page, not to what was typed; but for these two, all names are those of fields.
_OF_THE_PAGE = ("version", "seen")
_OFFERED = 3


@blueprint.post("/r/<entity>/draft")
@signed_in
def keep_draft(entity: str) -> Any:
    """Keep what the form holds so far; answers the time of day, to be shown."""
    key = _key(request.form.get("form_key", ""))
    record_id = _record_id()
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        if record_id:
            if "update" not in offered(uow, spec, record_id):
                raise Forbidden(_("You do not have the right to do this."))
        else:
            require(uow, spec, "create")
        if not was_used(uow, f"form:{key}:"):  # sent before the form was, arrived after it
            save_draft(uow, entity, record_id, key, _typed(uow, spec))
        at = format_datetime(uow.now(), uow.clock.timezone)
    return {"at": at[-5:]}


@blueprint.post("/r/<entity>/draft/discard")
@signed_in
def drop_draft(entity: str) -> Any:
    """Drop one's own draft and begin with the form as it would be without."""
    record_id = _record_id()
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        discard_draft(uow, spec.name, record_id, _key(request.form.get("form_key", "")))
    tell(_("The draft was discarded."))
    if record_id:
        return redirect(url_for("web.edit_record", entity=entity, record_id=record_id), 303)
    return redirect(url_for("web.new_record", entity=entity), 303)


def _record_id() -> int:
    text = request.form.get("record", "")
    return int(text) if text.isdecimal() and len(text) < 18 else 0


def _key(text: str) -> str:
    if not 1 <= len(text) <= 60:
        raise Invalid(_("This page is out of date. Load it again and repeat what you did."))
    return text


def _typed(uow: UnitOfWork, spec: EntitySpec) -> list[tuple[str, str]]:
    """The inputs of fields that the person may fill in; nothing else is kept for them."""
    known = {item.name for item in editable_fields(uow, spec)}
    return [
        (name, text)
        for name, text in request.form.items(multi=True)
        if name in _OF_THE_PAGE or name.partition(".")[0].partition("__")[0] in known
    ]


def drafts_offered(
    uow: UnitOfWork, spec: EntitySpec, record: Record | None = None
) -> list[dict[str, str]]:
    """The drafts to go on with: ``{"key", "what", "when", "url"}``, newest first."""
    values = record.values if record else {}
    record_id = values.get("id", 0)
    found = [
        each for each in find_drafts(uow, spec.name, record_id) if not _over(uow, each, values)
    ]
    zone, today = uow.clock.timezone, uow.clock.today()
    endpoint = "web.edit_record" if record_id else "web.new_record"
    place = {"entity": spec.name} | ({"record_id": record_id} if record_id else {})
    offers = []
    for draft in found[:_OFFERED]:
        when = format_datetime(draft.at, zone)
        is_today = draft.at.astimezone(zone).date() == today
        offers.append(
            {
                "key": draft.key,
                "what": dict(draft.inputs).get(spec.label_field, "")[:60],
                "when": when[-5:] if is_today else when,
                "url": url_for(endpoint, **place, draft=draft.key),
            }
        )
    return offers


def _over(uow: UnitOfWork, draft: Draft, values: Any) -> bool:
    """True for what was typed before the person's own last saving: it came in after it."""
    began = dict(draft.inputs).get("version", "")
    current = values.get("version")
    return (
        current is not None
        and values.get("updated_by") == uow.actor.user_id
        and began.isdecimal()
        and int(began) < current
    )


def draft_form(uow: UnitOfWork, spec: EntitySpec, record_id: int = 0) -> MultiDict[str, str] | None:
    """The inputs of the draft that the address names as ``?draft=``; files gone by now are left out."""
    wanted = request.args.get("draft", "")
    drafts = find_drafts(uow, spec.name, record_id) if wanted else []
    draft = next((each for each in drafts if each.key == wanted), None)
    if draft is None:
        return None
    inputs = [pair for pair in draft.inputs if not _is_lost_file(uow, *pair)]
    return MultiDict([*inputs, ("form_key", draft.key)])


def _is_lost_file(uow: UnitOfWork, name: str, text: str) -> bool:
    if not name.endswith("__kept") or not text.isdecimal():
        return False
    return len(text) > 17 or int(text) not in readable(uow, "file", {int(text)})
