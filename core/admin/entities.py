"""Structure: the company's own entities — making, changing, retiring and restoring them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import flash, redirect, request, url_for

from core.admin import blueprint
from core.customize import entities
from core.customize.changing import takes_fields
from core.customize.usage import uses_of_entity
from core.errors import Invalid, Refused
from core.fields import EntitySpec
from core.fields import types as t
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import LOCALES, use_locale
from core.i18n import gettext as _

#: Pictures of the sprite that say something about a kind of record.
ICONS = (
    *("file-text", "package", "briefcase", "building", "building-factory-2", "calendar-event"),
    *("cash", "receipt-yuan", "clipboard-check", "layout-kanban", "list-numbers", "target-arrow"),
    *("map-pin", "world", "phone", "message-circle", "headset", "users", "user", "tool", "key"),
    *("tag", "flag", "star", "link", "photo", "paperclip", "bolt", "bell", "archive", "history"),
)
LANGUAGES = (("zh_CN", "中文"), ("en", "English"))


@blueprint.get("/entities/new")
@requires("admin")
def new_entity() -> Any:
    """The form for another entity."""
    return _new_page({"owned": "1", "field_zh_CN": "名称", "field_en": "Name"}, {})


@blueprint.post("/entities/new")
@requires("admin")
def create_entity() -> Any:
    """Make it with the field that names its records; others are added on the page of its fields."""
    form = request.form
    body = _texts(form) | {
        "name": form.get("name", "").strip().lower(),
        "icon": form.get("icon", ICONS[0]),
        "fields": [{"name": "x_name", "kind": "text", "label": _by_language(form, "field")}],
    }
    if parent := form.get("parent"):
        body["parent"] = parent
    else:
        body["owned"] = "owned" in form
    try:
        with unit_of_work() as uow:
            spec = entities.add_entity(uow, body)
    except Invalid as error:
        return _new_page(form, error.by_field()), 422
    flash(
        _("%(entities)s were added. Now give them their fields.", entities=str(spec.label)), "good"
    )
    return redirect(url_for("admin.fields", entity=spec.name))


def _new_page(given: Mapping[str, str], errors: Mapping[str, str]) -> str:
    with unit_of_work(write=False) as uow:
        specs = list(uow.snapshot.entities.values())
    parents = [
        (spec.name, str(spec.label_plural))
        for spec in specs
        if takes_fields(spec) and spec.parent_field is None
    ]
    return _page("core/admin/new_entity.html", given, errors, parents=parents)


def _page(template: str, given: Mapping[str, str], errors: Mapping[str, str], **more: Any) -> str:
    labels = {
        "name": _("Code"),
        "label": _("Label"),
        "label_plural": _("Label of the list"),
        "fields.0.label": _("Name of the first field"),
    }
    places = {
        "label": "label_zh_CN",
        "label_plural": "plural_zh_CN",
        "fields.0.label": "field_zh_CN",
    }
    summary = [
        (places.get(name, name), labels.get(name, name), message)
        for name, message in errors.items()
        if name
    ]
    return render(
        template,
        given=given,
        errors=errors,
        summary=summary,
        languages=LANGUAGES,
        icons=ICONS,
        **more,
    )


def _texts(form: Mapping[str, str]) -> dict[str, Any]:
    """The labels that were given; that of the list may be left out."""
    plural = _by_language(form, "plural")
    texts = {"label": _by_language(form, "label")}
    return {**texts, "label_plural": plural} if plural else texts


def _by_language(form: Mapping[str, str], prefix: str) -> dict[str, str]:
    texts = {code: form.get(f"{prefix}_{code}", "").strip() for code in LOCALES}
    return {code: text for code, text in texts.items() if text}


@blueprint.get("/entities/<entity>")
@requires("admin")
def edit_entity(entity: str) -> Any:
    """How it is called, and what its list shows."""
    with unit_of_work(write=False) as uow:
        spec = entities.own_entity(uow, entity)
    given = {"icon": spec.icon, "label_field": spec.label_field}
    for code in LOCALES:
        with use_locale(code):
            given |= {f"label_{code}": str(spec.label), f"plural_{code}": str(spec.label_plural)}
    return _edit_page(spec, given, spec.list_columns, {})


@blueprint.post("/entities/<entity>")
@requires("admin")
def change_entity(entity: str) -> Any:
    """Change what is not its table."""
    form = request.form
    changes = _texts(form) | {"list_columns": form.getlist("list_columns")}
    changes |= {key: form[key] for key in ("icon", "label_field") if key in form}
    try:
        with unit_of_work() as uow:
            spec = entities.change_entity(uow, entity, changes)
    except Invalid as error:
        with unit_of_work(write=False) as uow:
            spec = entities.own_entity(uow, entity)
        return _edit_page(spec, form, form.getlist("list_columns"), error.by_field()), 422
    flash(_("Saved."), "good")
    return redirect(url_for("admin.fields", entity=spec.name))


def _edit_page(
    spec: EntitySpec, given: Mapping[str, str], columns: Any, errors: Mapping[str, str]
) -> str:
    shown = [item for item in spec if not isinstance(item.type, (t.Lines, t.Document))]
    return _page(
        "core/admin/entity.html",
        given,
        errors,
        spec=spec,
        naming=[
            (item.name, str(item.label)) for item in spec if entities.can_name(spec, item.name)
        ],
        columns=[(item.name, str(item.label), item.name in columns) for item in shown],
    )


@blueprint.get("/entities/<entity>/retire")
@requires("admin")
def confirm_retire_entity(entity: str) -> Any:
    """Ask, naming what becomes invisible; or say what must be changed first."""
    with unit_of_work(write=False) as uow:
        spec = entities.own_entity(uow, entity)
        uses = uses_of_entity(uow, spec)
        lines = [
            str(other.label_plural)
            for other in uow.snapshot.entities.values()
            if other.parent_field is not None and other.governed_by == entity
        ]
    back = url_for("admin.fields", entity=entity)
    if uses:
        return render(
            "core/admin/still_used.html", title=str(spec.label_plural), uses=uses, back=back
        )
    return render(
        "core/admin/confirm.html",
        title=_("Retire %(entities)s?", entities=str(spec.label_plural)),
        text=_("All records stay, and are back as they were when you restore it."),
        list_title=_("Until then nobody sees"),
        items=[
            _("%(entities)s: list, records, import and export", entities=name)
            for name in (str(spec.label_plural), *lines)
        ],
        action=url_for("admin.retire_entity", entity=entity),
        label=_("Retire"),
        kind="danger",
        back=back,
        crumb=str(spec.label_plural),
    )


@blueprint.post("/entities/<entity>/retire")
@requires("admin")
def retire_entity(entity: str) -> Any:
    """Hide it everywhere."""
    with unit_of_work() as uow:
        entities.retire_entity(uow, entity)
    flash(_("Retired. It can be restored here."), "good")
    return redirect(url_for("admin.field_entities", _anchor="retired"))


@blueprint.post("/entities/<entity>/restore")
@requires("admin")
def restore_entity(entity: str) -> Any:
    """Show it again; what stands in the way is told."""
    try:
        with unit_of_work() as uow:
            spec = entities.restore_entity(uow, entity)
    except Refused as error:
        flash(error.message, "bad")
        return redirect(url_for("admin.field_entities"))
    flash(_("%(entities)s are back.", entities=str(spec.label_plural)), "good")
    return redirect(url_for("admin.fields", entity=spec.name))
