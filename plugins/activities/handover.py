"""What one looks after (S-249): one's own records with the last contact and the next step, the silent ones first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import url_for
from sqlalchemy import func, select

from core.entities import query
from core.entities.query import ListQuery, conditions
from core.errors import Forbidden
from core.fields import ChoiceField
from core.http.addresses import record_url
from core.http.rendering import macros
from core.i18n import gettext as _
from core.i18n.formats import format_datetime, format_number
from plugins.activities.about import offered
from plugins.activities.models import KINDS

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["kept_entities", "page_of"]

ROWS = 50
_KINDS = {choice.value: choice.label for choice in KINDS}
#: States of these tones are those in which a record is being worked on.
_AT_WORK = ("info", "warn")
_CONTACT = ("related_id", "kind", "subject", "happened_at", "owner", "next_step")
_PLAN = ("related_id", "title", "due_at")


class Silence(NamedTuple):
    """One record, and when it was last followed up."""

    id: int
    last: datetime | None


def kept_entities(uow: UnitOfWork) -> list[EntitySpec]:
    """The entities whose records have owners and can be followed up."""
    return [
        spec
        for spec in offered(uow)
        if "owner" in spec and uow.actor.access(spec).can_use(spec["owner"])
    ]


def page_of(uow: UnitOfWork, sent: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows; the number of statements depends neither on records nor on follow-ups."""
    access, spec = uow.actor.access(uow.entity("follow_up")), uow.entity("follow_up")
    needed = (*_CONTACT, "related_entity")
    if not access.may("read") or not all(access.can_use(spec[name]) for name in needed):
        raise Forbidden(_("You do not have the right to do this."))
    kept = kept_entities(uow)
    chosen = next((each for each in kept if each.name == sent.get("entity")), None)
    chosen = chosen or next(iter(kept), None)
    with_done = sent.get("all") == "1"
    page = int(sent["page"]) if sent.get("page", "").isdecimal() and len(sent["page"]) < 6 else 1
    rows: list[dict[str, Any]] = []
    total = 0
    if chosen is not None:
        total, silences = _silences(uow, chosen, with_done=with_done, page=max(page, 1))
        rows = _rows(uow, chosen, silences)
    state = None if chosen is None else _state(uow, chosen)
    page, entity = max(page, 1), chosen.name if chosen else None

    def address(number: int = 1, *, done: bool = with_done) -> str:
        shown = {"page": number if number > 1 else None, "all": "1" if done else None}
        return url_for("activities.handover", entity=entity, **shown)

    return {
        "tabs": [
            (
                str(each.label_plural),
                url_for("activities.handover", entity=each.name),
                each is chosen,
                None,
            )
            for each in kept
        ],
        "rows": rows,
        "columns": _columns(state is not None),
        "count": _("%(n)s records", n=format_number(total)),
        "previous_url": address(page - 1) if page > 1 else None,
        "next_url": address(page + 1) if page * ROWS < total else None,
        "with_done": with_done,
        "other_url": address(done=not with_done) if state is not None else "",
        "title": str(chosen.label_plural) if chosen else "",
    }


def _columns(has_state: bool) -> list[dict[str, str]]:
    found = [{"label": _("Record"), "kind": "primary"}]
    if has_state:
        found.append({"label": _("Status")})
    return [
        *found,
        {"label": _("Silent for days"), "kind": "number"},
        {"label": _("Last contact")},
        {"label": _("What was said and done")},
        {"label": _("Next step")},
        {"label": ""},
    ]


def _state(uow: UnitOfWork, spec: EntitySpec) -> list[str] | None:
    """The states in which a record is being worked on; None where the entity tells none apart."""
    item = spec.by_name.get("status")
    if item is None or not isinstance(item.type, ChoiceField):
        return None
    if not uow.actor.access(spec).can_use(item):
        return None
    return [each.value for each in item.type.choices if each.tone in _AT_WORK] or None


def _mine(uow: UnitOfWork, spec: EntitySpec, *, with_done: bool) -> ListQuery:
    parts: list[Any] = [{"field": "owner", "op": "eq", "value": {"var": "me"}}]
    states = _state(uow, spec)
    if states is not None and not with_done:
        parts.append({"field": "status", "op": "in", "value": states})
    return ListQuery(filter={"all": parts})


def _silences(
    uow: UnitOfWork, spec: EntitySpec, *, with_done: bool, page: int
) -> tuple[int, list[Silence]]:
    """How many records there are, and those of one page: never contacted ones first, then by silence."""
    records, follow_up = spec.table, uow.entity("follow_up")
    said = follow_up.table
    mine = conditions(uow, spec, _mine(uow, spec, with_done=with_done))
    about = ListQuery(filter={"field": "related_entity", "op": "eq", "value": spec.name})
    last = (
        select(said.c.related_id, func.max(said.c.happened_at).label("last"))
        .where(
            *conditions(uow, follow_up, about),
            said.c.related_id.in_(select(records.c.id).where(*mine)),
        )
        .group_by(said.c.related_id)
        .subquery()
    )
    ordered = (
        select(records.c.id, last.c.last)
        .select_from(records.outerjoin(last, last.c.related_id == records.c.id))
        .where(*mine)
        .order_by(last.c.last.is_not(None), last.c.last, records.c.id)
        .limit(ROWS)
        .offset((page - 1) * ROWS)
    )
    total = uow.execute(select(func.count()).select_from(records).where(*mine)).scalar_one()
    return int(total), [Silence(row.id, row.last) for row in uow.execute(ordered)]


def _rows(uow: UnitOfWork, spec: EntitySpec, silences: Sequence[Silence]) -> list[dict[str, Any]]:
    ids = tuple(each.id for each in silences)
    if not ids:
        return []
    access = uow.actor.access(spec)
    names = [
        name
        for name in (spec.label_field, "status", "next_follow_at")
        if name in spec and access.can_see(spec[name])
    ]
    asked = ListQuery(fields=tuple(names), ids=ids, limit=ROWS)
    records = {row["id"]: row for row in query.page(uow, spec.name, asked).items}
    contacts = _contacts(uow, spec, silences)
    plans = _plans(uow, spec, ids)
    return [
        _row(uow, spec, records[each.id], each, contacts.get(each.id), plans.get(each.id))
        for each in silences
        if each.id in records
    ]


def _contacts(
    uow: UnitOfWork, spec: EntitySpec, silences: Sequence[Silence]
) -> dict[int, dict[str, Any]]:
    """The last follow-up of each record, with the name of who wrote it under ``who``."""
    moments = [each.last.isoformat() for each in silences if each.last is not None]
    if not moments:
        return {}
    parts = [
        {"field": "related_entity", "op": "eq", "value": spec.name},
        {"field": "related_id", "op": "in", "value": [each.id for each in silences]},
        {"field": "happened_at", "op": "in", "value": sorted(set(moments))},
    ]
    asked = ListQuery(fields=_CONTACT, filter={"all": parts}, sort="happened_at", limit=500)
    found = query.page(uow, "follow_up", asked)
    people = found.labels.get("user", {})
    return {
        row["related_id"]: {**row, "who": str(people.get(row["owner"]) or "")}
        for row in found.items
    }


def _plans(uow: UnitOfWork, spec: EntitySpec, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The open task of the reader that is due first, of each record."""
    access, task = uow.actor.access(uow.entity("task")), uow.entity("task")
    usable = all(access.can_use(task[name]) for name in (*_PLAN, "assignee", "status"))
    if not access.may("read") or not usable:
        return {}
    parts = [
        {"field": "assignee", "op": "eq", "value": {"var": "me"}},
        {"field": "status", "op": "eq", "value": "open"},
        {"field": "related_entity", "op": "eq", "value": spec.name},
        {"field": "related_id", "op": "in", "value": list(ids)},
    ]
    asked = ListQuery(fields=_PLAN, filter={"all": parts}, sort="-due_at", limit=500)
    return {row["related_id"]: row for row in query.page(uow, "task", asked).items}


def _row(
    uow: UnitOfWork,
    spec: EntitySpec,
    record: Mapping[str, Any],
    silence: Silence,
    contact: Mapping[str, Any] | None,
    plan: Mapping[str, Any] | None,
) -> dict[str, Any]:
    zone, parts = uow.clock.timezone, macros("activities/parts.html")
    label = str(record.get(spec.label_field) or f"#{record['id']}")
    cells: list[Any] = [label]
    if _state(uow, spec) is not None:
        choice = next((c for c in spec["status"].type.choices if c.value == record["status"]), None)
        cells.append(macros().badge(str(choice.label), choice.tone) if choice else "")
    days = (uow.now() - silence.last).days if silence.last else None
    cells.append("" if days is None else format_number(days))
    if contact is None:
        cells += [_("Never"), ""]
    else:
        told = (format_datetime(contact["happened_at"], zone), _KINDS.get(contact["kind"], ""))
        cells.append(" · ".join(str(each) for each in (*told, contact["who"]) if each))
        cells.append(contact["subject"] or "")
    step, due = _next_step(record, contact, plan)
    is_late = due is not None and due < uow.now()
    cells.append(parts.next_step(step, format_datetime(due, zone) if due else "", is_late))
    about = f"{spec.name}:{record['id']}"
    cells.append(
        parts.follow_button(
            label, url_for("activities.new_follow_up", about=about, back="handover")
        )
    )
    return {
        "id": record["id"],
        "label": label,
        "url": record_url(spec.name, record["id"]),
        "cells": cells,
    }


def _next_step(
    record: Mapping[str, Any], contact: Mapping[str, Any] | None, plan: Mapping[str, Any] | None
) -> tuple[str, datetime | None]:
    """What is planned, and for when: by a task, else by the record's own date."""
    if plan is not None:
        return str(plan["title"]), plan["due_at"]
    due = record.get("next_follow_at")
    step = str(contact["next_step"] or "") if contact is not None and due is not None else ""
    return step or (_("Follow up") if due is not None else ""), due
