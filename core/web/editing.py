"""Making and changing a record by its form; what was typed is never lost to an error or a conflict."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from flask import redirect, request, url_for
from werkzeug.datastructures import MultiDict

from core.entities import query, service
from core.entities.forms import build_form, default_of, editable_fields, read_form
from core.entities.inputs import from_input
from core.entities.labels import reference_ids, resolve_labels
from core.entities.offers import offered
from core.entities.query import Record
from core.entities.rendering import display_html
from core.entities.scope import require
from core.entities.values import BadValue
from core.errors import Conflict, Forbidden, Invalid, Problem, Refused
from core.fields import EntitySpec
from core.fields import types as t
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.web import blueprint
from core.web.details import record_title
from core.web.presenting import input_context, reader_of, tell
from core.web.uploads import store_uploads
from core.work.idempotency import find_answer, keep_answer
from core.work.uow import UnitOfWork

_NOT_KEPT = frozenset({"csrf_token", "version", "form_key"})


@blueprint.get("/r/<entity>/new")
@signed_in
def new_record(entity: str) -> Any:
    """An empty form; the address may fill fields in, e.g. ``?customer=7``."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        _require_create(uow, spec)
        return _new_page(uow, spec)


@blueprint.post("/r/<entity>/new")
@signed_in
def create_record(entity: str) -> Any:
    """Make the record; the same form sent twice makes one."""
    form = request.form
    if _wants_lines(form):
        return _again(entity, None)
    key = f"form:{form.get('form_key', '')[:60]}"
    digest = _digest(form)
    try:
        with unit_of_work() as uow:
            if kept := find_answer(uow, f"{key}:{digest[:32]}", digest):
                return redirect(kept.body, 303)
            location = _create(uow, uow.entity(entity), form)
            keep_answer(uow, f"{key}:{digest[:32]}", digest, 303, location)
    except Invalid as error:
        return _again(entity, None, error)
    except Refused as error:
        with unit_of_work(write=False) as uow:  # perhaps the same form, at the same instant
            if kept := find_answer(uow, f"{key}:{digest[:32]}", digest):
                return redirect(kept.body, 303)
        return _again(entity, None, error)
    return redirect(location, 303)


def _create(uow: UnitOfWork, spec: EntitySpec, form: MultiDict[str, str]) -> str:
    _require_create(uow, spec)
    values, problems = read_form(input_context(uow), spec, form)
    values |= store_uploads(uow, editable_fields(uow, spec))
    _refuse(problems, uow, spec, values)
    (key,) = service.create(uow, spec.name, [values])
    tell(_("Saved."))
    if form.get("then") == "new":
        return url_for("web.new_record", entity=spec.name)
    return url_for("web.show_record", entity=spec.name, record_id=key)


@blueprint.get("/r/<entity>/<int:record_id>/edit")
@signed_in
def edit_record(entity: str, record_id: int) -> Any:
    """The form of a record."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        record = query.get(uow, entity, record_id)
        _require_update(uow, spec, record_id)
        return _edit_page(uow, record)


@blueprint.post("/r/<entity>/<int:record_id>/edit")
@signed_in
def update_record(entity: str, record_id: int) -> Any:
    """Save what was changed; who was overtaken by somebody else is shown both versions."""
    form = request.form
    if _wants_lines(form):
        return _again(entity, record_id)
    try:
        with unit_of_work() as uow:
            spec = uow.entity(entity)
            record = query.get(uow, entity, record_id)
            context = input_context(uow, record.labels)
            given_up = {
                name[5:] for name in form if name.startswith("take.") and form[name] == "theirs"
            }
            values, problems = read_form(
                context, spec, form, current=record.values, skip=frozenset(given_up)
            )
            values |= store_uploads(uow, editable_fields(uow, spec))
            _refuse(problems, uow, spec, values)
            versions = _version(form, record_id)
            service.update(uow, entity, {record_id: values}, versions=versions)
    except Conflict as error:
        return _conflict(entity, record_id, error)
    except (Invalid, Refused) as error:
        return _again(entity, record_id, error)
    tell(_("Saved."))
    return redirect(url_for("web.show_record", entity=entity, record_id=record_id), 303)


def _version(form: Mapping[str, str], record_id: int) -> dict[int, int]:
    text = form.get("version", "")
    if not text.isdecimal() or len(text) > 15:
        raise Invalid(_("This page is out of date. Load it again and repeat what you did."))
    return {record_id: int(text)}


def _refuse(
    problems: Sequence[Problem], uow: UnitOfWork, spec: EntitySpec, values: Mapping[str, Any]
) -> None:
    """Stop at what could not be read, telling at the same time what is missing."""
    if not problems:
        return
    told = {problem.field for problem in problems}
    missing = [
        Problem(item.name, "required", _("Please fill this in."))
        for item in editable_fields(uow, spec)
        if item.required and item.name not in told
        if item.name in values and values[item.name] in (None, "", [])
    ]
    raise Invalid(_("Please correct what is marked."), [*problems, *missing])


def _require_create(uow: UnitOfWork, spec: EntitySpec) -> None:
    if not spec.creatable:
        raise Forbidden(_("%(entity)s are not created by hand.", entity=str(spec.label_plural)))
    require(uow, spec, "create")


def _require_update(uow: UnitOfWork, spec: EntitySpec, record_id: int) -> None:
    if "update" not in offered(uow, spec, record_id):
        raise Forbidden(_("You do not have the right to do this."))


def _wants_lines(form: Mapping[str, str]) -> bool:
    return "add_line" in form or "remove_line" in form


def _digest(form: MultiDict[str, str]) -> str:
    parts = sorted((name, value) for name, value in form.items(multi=True) if name != "csrf_token")
    files = sorted((name, str(sent.filename)) for name, sent in request.files.items(multi=True))
    return hashlib.sha256(repr((request.path, parts, files)).encode()).hexdigest()


# Pages


def _again(
    entity: str, record_id: int | None, error: Invalid | Refused | None = None
) -> tuple[str, int]:
    """The form once more with all that was typed: to correct it, or for another line."""
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        if record_id is None:
            _require_create(uow, spec)
            html = _new_page(uow, spec, error, sent=True)
        else:
            html = _edit_page(uow, query.get(uow, entity, record_id), error, sent=True)
    return html, 200 if error is None else error.status


def _new_page(
    uow: UnitOfWork, spec: EntitySpec, error: Invalid | Refused | None = None, *, sent: bool = False
) -> str:
    values = _defaults(uow, spec)
    labels = resolve_labels(uow, reference_ids(spec, values, [values]))
    form = build_form(
        input_context(uow, labels),
        spec,
        values=values,
        form=request.form if sent else None,
        problems=error.problems if error else (),
        add_line=request.form.get("add_line", ""),
    )
    return render(
        "core/records/form.html",
        spec=spec,
        form=form,
        title=_("New: %(entity)s", entity=str(spec.label)),
        action=url_for("web.create_record", entity=spec.name),
        cancel_url=url_for("web.list_records", entity=spec.name),
        message=error.message if error and not error.problems else "",
        form_key=_form_key(),
        version=None,
        record_id=None,
    )


def _form_key() -> str:
    sent = request.form.get("form_key", "")
    return sent[:60] if sent else secrets.token_urlsafe(16)


def _defaults(uow: UnitOfWork, spec: EntitySpec) -> dict[str, Any]:
    """What an empty form begins with: defaults, the maker as owner, and what the address gives."""
    context = input_context(uow)
    values: dict[str, Any] = {}
    for item in editable_fields(uow, spec):
        default = default_of(item)
        if default is not None:
            values[item.name] = default
        if item.name == "owner" and spec.owned:
            values["owner"] = uow.actor.user_id
        given = request.args.get(item.name)
        if given and not isinstance(item.type, (t.Lines, t.File)):
            try:
                value = from_input(item.type, (given, given), context)
                values[item.name] = _stored(item.type, value)
            except BadValue:
                continue  # an address that says nonsense fills nothing in
    return values


def _stored(type_: t.FieldType, value: Any) -> Any:
    from core.entities.values import check_value

    return check_value(type_, value)


def _edit_page(
    uow: UnitOfWork,
    record: Record,
    error: Invalid | Refused | None = None,
    *,
    sent: bool = False,
) -> str:
    spec, record_id = record.spec, record.values["id"]
    form = build_form(
        input_context(uow, record.labels),
        spec,
        values=record.values,
        form=request.form if sent else None,
        problems=error.problems if error else (),
        add_line=request.form.get("add_line", ""),
    )
    if sent:
        form.seen = request.form.get("seen", form.seen)
    url = url_for("web.show_record", entity=spec.name, record_id=record_id)
    title = record_title(uow, record)
    return render(
        "core/records/form.html",
        spec=spec,
        form=form,
        title=_("Edit %(record)s", record=title),
        record_title=title,
        action=url_for("web.update_record", entity=spec.name, record_id=record_id),
        cancel_url=url,
        message=error.message if error and not error.problems else "",
        form_key=None,
        version=request.form.get("version") if sent else record.values.get("version"),
        record_id=record_id,
    )


def _conflict(entity: str, record_id: int, error: Conflict) -> tuple[str, int]:
    """Both versions, field by field. What only the other person changed stays as they left it."""
    form = request.form
    with unit_of_work(write=False) as uow:
        record = query.get(uow, entity, record_id)
        spec, current = record.spec, record.values
        context = input_context(uow, record.labels)
        mine, _problems = read_form(context, spec, form, current=current)
        rows = []
        for name, value in mine.items():
            item = spec[name]
            if isinstance(item.type, t.Lines):
                theirs: Any = _("%(n)s lines", n=len(current.get(name) or ()))
                yours: Any = _("%(n)s lines", n=len(value))
            else:
                yours = _as_shown(uow, item.type, value)
                theirs = display_html(item.type, current.get(name), context.reader, current)
            if yours != theirs or isinstance(item.type, t.Lines):
                rows.append((name, str(item.label), theirs, yours))
        kept = [(name, value) for name, value in form.items(multi=True) if name not in _NOT_KEPT]
        editor = display_html(t.Reference("user"), current.get("updated_by"), context.reader)
        html = render(
            "core/records/conflict.html",
            spec=spec,
            title=record_title(uow, record),
            rows=rows,
            kept=[pair for pair in kept if not pair[0].startswith("take.")],
            version=current.get("version"),
            action=url_for("web.update_record", entity=entity, record_id=record_id),
            record_url=url_for("web.show_record", entity=entity, record_id=record_id),
            editor=editor,
            when=display_html(t.DateTime(), current.get("updated_at"), context.reader),
            message=error.message,
        )
    return html, error.status


def _as_shown(uow: UnitOfWork, type_: t.FieldType, value: Any) -> Any:
    try:
        checked = _stored(type_, value)
    except BadValue:
        return str(value)
    labels = {}
    if isinstance(type_, (t.Reference, t.References)) and checked:
        keys = {checked} if isinstance(checked, int) else set(checked)
        labels = resolve_labels(uow, {type_.entity: keys})
    return display_html(type_, checked, reader_of(uow, labels))
