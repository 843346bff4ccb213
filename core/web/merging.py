"""Several records become one: which one stays, and whose values it has; and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flask import redirect, request, url_for

from core.entities import query, service
from core.entities.form_fields import editable_fields
from core.entities.forms import Control, control_for
from core.entities.labels import resolve_labels
from core.entities.merging import MOST, mergeable_fields, merges_of
from core.entities.query import ListQuery
from core.entities.rendering import display_html, display_text
from core.entities.scope import require
from core.errors import Invalid, NotFound, Refused
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.http.addresses import read_number
from core.http.presenting import input_context, reader_of, tell
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n import ngettext
from core.i18n.formats import format_datetime
from core.web import blueprint
from core.web.acting import reason_of
from core.web.list_page import own_page
from core.work.uow import UnitOfWork

#: Facts by which records of one name are told apart.
_TOLD = ("owner", "created_at", "updated_at")


@dataclass(frozen=True)
class Choice:
    """A field with several values: ``(record, its name, the value as HTML)`` each."""

    name: str
    label: str
    values: list[tuple[int, str, Any]]
    chosen: int


@blueprint.get("/r/<entity>/merge")
@signed_in
def merge_records(entity: str) -> Any:
    """Which records become one: chosen before, or looked for here."""
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        if len(_ids()) > MOST:
            tell(_("At most %(n)s records at a time.", n=MOST), "warn")
            return redirect(own_page(request.values.get("back"), spec), 303)
        return _page(uow, spec)


@blueprint.post("/r/<entity>/merge")
@signed_in
def do_merge(entity: str) -> Any:
    """Make them one, or with ``undo`` several again."""
    ids, keep = _ids(), _number("keep")
    try:
        with unit_of_work() as uow:
            spec = uow.entity(entity)
            if undo := _number("undo"):
                found = service.act(uow, entity, "merge", [keep], {"undo": undo})
                _tell_split(found)
                return redirect(_record(entity, keep), 303)
            if keep not in ids:
                raise Invalid(_("Say which record stays."))
            others = [key for key in ids if key != keep]
            names = {item.name for item in mergeable_fields(spec)}
            take = {name: _number(f"take.{name}") for name in names}
            asked = {
                "others": others,
                "take": " ".join(f"{name}:{key}" for name, key in take.items() if key in others),
            }
            done = service.act(uow, entity, "merge", [keep], asked)
    except (Invalid, Refused) as error:
        if request.values.get("undo"):
            tell(reason_of(error), "bad")
            return redirect(_record(entity, keep), 303)
        with unit_of_work(write=False) as uow:
            return _page(uow, uow.entity(entity), reason_of(error)), error.status
    text = ngettext(
        "%(n)s record became part of this one.",
        "%(n)s records became part of this one.",
        len(others),
    )
    undo_url = url_for("web.do_merge", entity=entity, keep=keep, undo=done["merge"])
    tell(text, undo_url=undo_url)
    return redirect(_record(entity, keep), 303)


def _record(entity: str, key: int) -> str:
    return url_for("web.show_record", entity=entity, record_id=key)


def _tell_split(found: dict[str, Any]) -> None:
    number = len(found["ids"])
    tell(ngettext("%(n)s record is as it was.", "%(n)s records are as they were.", number))
    if kept := found["kept"]:
        text = ngettext(
            "%(n)s record that named it was changed since, and stays here.",
            "%(n)s records that named it were changed since, and stay here.",
            kept,
        )
        tell(text, "warn")


def _ids() -> list[int]:
    texts = request.values.getlist("ids")
    return list(dict.fromkeys(key for text in texts if (key := read_number(text)) is not None))


def _number(name: str) -> int:
    return read_number(request.values.get(name)) or 0


def _page(uow: UnitOfWork, spec: EntitySpec, message: str = "") -> str:
    """The choice between the records, or with fewer than two the way to find others."""
    require(uow, spec, "merge")
    if "merge" not in service.actions_of(uow, spec):
        raise NotFound(_("There is no such page."))
    ids = _ids()
    if len(ids) > MOST:
        raise Invalid(_("At most %(n)s records at a time.", n=MOST))
    asked = ListQuery(ids=tuple(ids))
    reached = query.select_ids(uow, spec.name, asked, action="merge", limit=MOST) if ids else []
    going = [key for key in ids if key in reached]
    items, labels = _records(uow, spec, going)
    reader = reader_of(uow, labels)
    names = {key: _title(spec, row, reader) for key, row in items.items()}
    keep = _number("keep") or min(going, default=0)
    return render(
        "core/records/merge.html",
        spec=spec,
        ids=going,
        missing=len(ids) - len(going),
        records=[(key, names[key], _told(spec, items[key], reader)) for key in going],
        keep=keep,
        choices=list(_choices(uow, spec, items, names, reader, keep)) if len(going) > 1 else [],
        picker=_picker(uow, spec) if len(going) < MOST else None,
        earlier=_earlier(uow, spec, going[0]) if len(going) == 1 else [],
        message=message,
        back=own_page(request.values.get("back"), spec),
    )


def _records(
    uow: UnitOfWork, spec: EntitySpec, ids: Sequence[int]
) -> tuple[dict[int, dict[str, Any]], Any]:
    if not ids:
        return {}, {}
    seen = {item.name for item in query.visible(uow, spec)}
    wanted = [item.name for item in mergeable_fields(spec)] + [*_TOLD, spec.label_field]
    fields = tuple(dict.fromkeys(name for name in wanted if name in seen))
    asked = ListQuery(fields=fields, ids=tuple(ids), sort="id", limit=len(ids))
    found = query.page(uow, spec.name, asked)
    by_id = {row["id"]: row for row in found.items}
    return {key: by_id[key] for key in ids if key in by_id}, found.labels


def _title(spec: EntitySpec, row: dict[str, Any], reader: Any) -> str:
    name = display_text(spec[spec.label_field].type, row.get(spec.label_field), reader, row)
    return name or f"{spec.label} #{row['id']}"


def _told(spec: EntitySpec, row: dict[str, Any], reader: Any) -> list[tuple[str, Any]]:
    return [
        (str(spec[name].label), display_html(spec[name].type, row[name], reader, row))
        for name in _TOLD
        if row.get(name) is not None
    ]


def _choices(
    uow: UnitOfWork,
    spec: EntitySpec,
    items: dict[int, dict[str, Any]],
    names: dict[int, str],
    reader: Any,
    keep: int,
) -> Iterator[Choice]:
    """The fields of which two records have different values; what nobody filled in is no value."""
    own = {item.name for item in editable_fields(uow, spec)}
    for item in mergeable_fields(spec):
        if item.name not in own or isinstance(item.type, (t.References, t.Tags)):
            continue
        values = [
            (key, names[key], display_html(item.type, row[item.name], reader, row))
            for key, row in items.items()
            if row.get(item.name) not in (None, "", [])
        ]
        if len({str(shown) for _key, _name, shown in values}) > 1:
            filled = [key for key, _name, _shown in values]
            wanted = (_number(f"take.{item.name}"), keep, filled[0])
            chosen = next(key for key in wanted if key in filled)
            yield Choice(item.name, str(item.label), values, chosen)


def _picker(uow: UnitOfWork, spec: EntitySpec) -> Control:
    """The control that finds another record."""
    item = FieldSpec("ids", t.Reference(spec.name), _("Another record"))
    return control_for(input_context(uow), item, ("",), name="ids")


def _earlier(uow: UnitOfWork, spec: EntitySpec, key: int) -> list[tuple[int, str, str]]:
    """``(number, when, which records)`` of what became part of the record."""
    rows = merges_of(uow, spec.name, key)
    gone = {each for row in rows for each in row.merged}
    labels = resolve_labels(uow, {spec.name: gone}).get(spec.name, {}) if gone else {}
    return [
        (
            row.id,
            format_datetime(row.at, uow.clock.timezone),
            _(", ").join(labels.get(each, f"#{each}") for each in row.merged),
        )
        for row in rows
    ]
