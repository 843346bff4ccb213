"""Making and changing a record by its form; what was typed is never lost to an error or a conflict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import redirect, request, url_for
from werkzeug.datastructures import MultiDict

from core.entities import query, service
from core.entities.defaults import default_of
from core.entities.form_fields import editable_fields
from core.entities.form_reading import read_form
from core.entities.form_times import note_opened, stamp
from core.entities.forms import Form, build_form, held_values
from core.entities.incoming import readable
from core.entities.inputs import from_input
from core.entities.labels import reference_ids, resolve_labels
from core.entities.offers import offered
from core.entities.query import Record
from core.entities.scope import require
from core.entities.values import BadValue, check_value
from core.errors import Conflict, Forbidden, Invalid, Problem, Refused
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.http.forms import KeptForm, read_version
from core.http.presenting import input_context, tell
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.web import blueprint
from core.web.conflicts import conflict_page, settled
from core.web.details import record_title
from core.web.uploads import keep_uploads
from core.work.uow import UnitOfWork

NEW_RECORD = KeptForm("", "web.new_record")
EDIT_RECORD = KeptForm("", "web.edit_record")


@blueprint.get("/r/<entity>/new")
@signed_in
def new_record(entity: str) -> Any:
    """An empty form; the address may fill fields in, e.g. ``?customer=7``, or name a draft."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        require_create(uow, spec)
        return _new_page(uow, spec, NEW_RECORD.draft(uow))


@blueprint.post("/r/<entity>/new")
@signed_in
@NEW_RECORD.taken
def create_record(entity: str) -> Any:
    """Make the record; the same form sent twice makes one."""
    if _has_files() and (kept := NEW_RECORD.answered()) is not None:
        return redirect(kept, 303)
    form, refused = _received(entity)
    if _wants_lines(form):
        return _again(entity, None, form, _refusal(refused))
    try:
        return NEW_RECORD.save_once(lambda uow: _create(uow, uow.entity(entity), form, refused))
    except (Invalid, Refused) as error:
        return _again(entity, None, form, error)


def _create(
    uow: UnitOfWork, spec: EntitySpec, form: MultiDict[str, str], refused: Sequence[Problem]
) -> str:
    require_create(uow, spec)
    values, problems = read_form(input_context(uow), spec, form)
    _refuse([*refused, *problems], uow, spec, values)
    (key,) = service.create(uow, spec.name, [values])
    note_opened(uow, spec.name, form.get("opened", ""))
    tell(_("Saved."))
    if form.get("then") == "new":
        return url_for("web.new_record", entity=spec.name)
    # What a module has given to somebody else meanwhile may be out of its maker's sight.
    if (spec.name, key) not in uow.made and key not in readable(uow, spec.name, {key}):
        return url_for("web.list_records", entity=spec.name)
    return url_for("web.show_record", entity=spec.name, record_id=key)


@blueprint.get("/r/<entity>/<int:record_id>/edit")
@signed_in
def edit_record(entity: str, record_id: int) -> Any:
    """The form of a record, or what a draft made of it."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        record = query.get(uow, entity, record_id)
        require_update(uow, spec, record_id)
        return _edit_page(uow, record, EDIT_RECORD.draft(uow))


@blueprint.post("/r/<entity>/<int:record_id>/edit")
@signed_in
@EDIT_RECORD.taken
def update_record(entity: str, record_id: int) -> Any:
    """Save what was changed; who was overtaken by somebody else is shown both versions."""
    received, refused = _received(entity, record_id)
    form = settled(received)
    if _wants_lines(form):
        return _again(entity, record_id, form, _refusal(refused))
    saved = redirect(url_for("web.show_record", entity=entity, record_id=record_id), 303)
    try:
        with unit_of_work() as uow:
            spec = uow.entity(entity)
            record = query.get(uow, entity, record_id)
            context = input_context(uow, record.labels)
            values, problems = read_form(context, spec, form, current=record.values)
            _refuse([*refused, *problems], uow, spec, values)
            versions = {record_id: read_version(form)}
            service.update(uow, entity, {record_id: values}, versions=versions)
            EDIT_RECORD.discard(uow)
            is_seen = record_id in readable(uow, entity, {record_id})
    except Conflict as error:
        page = conflict_page(entity, record_id, form, error)
        if page is not None:
            return page
        with unit_of_work() as uow:
            EDIT_RECORD.discard(uow)
            is_seen = True
    except (Invalid, Refused) as error:
        return _again(entity, record_id, form, error)
    if is_seen:
        tell(_("Saved."))
        return saved
    # What a module has given to somebody else because of it.
    tell(_("Saved. The record is no longer among those that you see."))
    return redirect(url_for("web.list_records", entity=entity), 303)


def _has_files() -> bool:
    return any(sent.filename for sent in request.files.values())


def _received(
    entity: str, record_id: int | None = None
) -> tuple[MultiDict[str, str], list[Problem]]:
    """What was sent, its files stored: in a transaction of their own, so that they stay when the
    record is refused."""
    if not _has_files():
        return MultiDict(request.form), []
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        if record_id is None:
            require_create(uow, spec)
        else:
            require_update(uow, spec, record_id)
        return keep_uploads(input_context(uow), spec)


def _refusal(problems: Sequence[Problem]) -> Invalid | None:
    return Invalid(_("Please correct what is marked."), problems) if problems else None


def _refuse(
    problems: Sequence[Problem], uow: UnitOfWork, spec: EntitySpec, values: Mapping[str, Any]
) -> None:
    """Stop at what could not be read, telling at the same time what else is wrong or missing."""
    if not problems:
        return
    told = {problem.field for problem in problems}
    others = [
        problem
        for item in editable_fields(uow, spec)
        if item.name in values and item.name not in told
        if (problem := _wrong(item, values[item.name])) is not None
    ]
    raise Invalid(_("Please correct what is marked."), [*problems, *others])


def _wrong(item: FieldSpec, value: Any) -> Problem | None:
    if item.is_always_required and value in (None, "", []):
        return Problem(item.name, "required", _("Please fill this in."))
    try:
        check_value(item.type, value)
    except BadValue as error:
        return Problem(item.name, error.code, str(error))
    return None


def require_create(uow: UnitOfWork, spec: EntitySpec) -> None:
    if not spec.creatable:
        raise Forbidden(_("%(entity)s are not created by hand.", entity=str(spec.label_plural)))
    require(uow, spec, "create")


def require_update(uow: UnitOfWork, spec: EntitySpec, record_id: int) -> None:
    if "update" not in offered(uow, spec, record_id):
        raise Forbidden(_("You do not have the right to do this."))


def _wants_lines(form: Mapping[str, str]) -> bool:
    return "add_line" in form or "remove_line" in form


# Pages


def _again(
    entity: str,
    record_id: int | None,
    form: MultiDict[str, str],
    error: Invalid | Refused | None = None,
) -> tuple[str, int]:
    """The form once more with all that was typed: to correct it, or for another line."""
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        if record_id is None:
            require_create(uow, spec)
            html = _new_page(uow, spec, form, error)
        else:
            html = _edit_page(uow, query.get(uow, entity, record_id), form, error)
    return html, 200 if error is None else error.status


def _new_page(
    uow: UnitOfWork,
    spec: EntitySpec,
    sent: MultiDict[str, str] | None = None,
    error: Invalid | Refused | None = None,
) -> str:
    values = _defaults(uow, spec)
    context = input_context(uow, resolve_labels(uow, reference_ids(spec, values, [values])))
    return _page(
        spec,
        build_form(
            context,
            spec,
            values=values,
            form=sent,
            problems=error.problems if error else (),
            add_line=request.form.get("add_line", ""),
        ),
        error,
        title=_("New: %(entity)s", entity=str(spec.label)),
        action=url_for("web.create_record", entity=spec.name),
        cancel_url=url_for("web.list_records", entity=spec.name),
        version=None,
        record_id=None,
        opened=_opened(uow, spec, sent),
        kept=NEW_RECORD.drawn(uow, sent),
        uow=uow,
        held=held_values(context, spec, values, sent),
    )


def _opened(uow: UnitOfWork, spec: EntitySpec, sent: MultiDict[str, str] | None) -> str:
    """When the form was opened, signed; a draft was begun some other time, which says nothing."""
    if sent is not None:
        return sent.get("opened", "")[:60]
    return stamp(uow.runtime.config.secret_key, spec.name, uow.now())


def _page(
    spec: EntitySpec,
    form: Form,
    error: Invalid | Refused | None,
    **context: Any,
) -> str:
    return render(
        "core/records/form.html",
        spec=spec,
        form=form,
        message=error.message if error and not error.problems else "",
        **context,
    )


def _defaults(uow: UnitOfWork, spec: EntitySpec) -> dict[str, Any]:
    """What an empty form begins with: defaults, the maker as owner, and what the address gives."""
    context = input_context(uow)
    values: dict[str, Any] = {}
    for item in editable_fields(uow, spec):
        default = default_of(uow, item)
        if default is not None:
            values[item.name] = default
        if item.name == "owner" and spec.owned:
            values["owner"] = uow.actor.user_id
        given = request.args.get(item.name)
        if given and not isinstance(item.type, (t.Lines, t.File)):
            try:
                value = from_input(item.type, (given, given), context)
                values[item.name] = check_value(item.type, value)
            except BadValue:
                continue  # an address that says nonsense fills nothing in
    return values


def _edit_page(
    uow: UnitOfWork,
    record: Record,
    sent: MultiDict[str, str] | None = None,
    error: Invalid | Refused | None = None,
) -> str:
    spec, record_id = record.spec, record.values["id"]
    context = input_context(uow, record.labels)
    form = build_form(
        context,
        spec,
        values=record.values,
        form=sent,
        problems=error.problems if error else (),
        add_line=request.form.get("add_line", ""),
    )
    if sent is not None:
        form.seen = sent.get("seen", form.seen)
    title = record_title(uow, record)
    return _page(
        spec,
        form,
        error,
        title=_("Edit %(record)s", record=title),
        record_title=title,
        action=url_for("web.update_record", entity=spec.name, record_id=record_id),
        cancel_url=url_for("web.show_record", entity=spec.name, record_id=record_id),
        version=record.values.get("version") if sent is None else sent.get("version"),
        record_id=record_id,
        kept=EDIT_RECORD.drawn(uow, sent, record.values),
        uow=uow,
        held=held_values(context, spec, record.values, sent),
    )
