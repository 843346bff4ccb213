"""Structure: changing, retiring and restoring one of the company's own fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import flash, redirect, request, url_for

from core.admin import blueprint
from core.customize import service
from core.customize.kinds import kind_name
from core.customize.usage import uses_of_field
from core.errors import Invalid, NotFound, Refusal
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import LOCALES, use_locale
from core.i18n import gettext as _
from core.work.uow import UnitOfWork

LANGUAGES = (("zh_CN", "中文"), ("en", "English"))


@blueprint.get("/fields/<entity>/<field>")
@requires("admin")
def edit_field(entity: str, field: str) -> Any:
    """The form of what may change."""
    with unit_of_work(write=False) as uow:
        spec, item = _own(uow, entity, field)
    given = {"help": str(item.help), "expression": getattr(item.type, "expression", "")}
    given["choices"] = "\n".join(_choices(item))
    if item.searchable:
        given["searchable"] = "1"
    for code in LOCALES:
        with use_locale(code):
            given[f"label_{code}"] = str(item.label)
    return _page(spec, item, given, {})


@blueprint.post("/fields/<entity>/<field>")
@requires("admin")
def change_field(entity: str, field: str) -> Any:
    """Change it: at once for everybody."""
    form = request.form
    with unit_of_work(write=False) as uow:
        spec, item = _own(uow, entity, field)
    try:
        with unit_of_work() as uow:
            changed = service.change_field(uow, entity, field, _changes(item, form))
    except Invalid as error:
        return _page(spec, item, form, error.by_field()), 422
    flash(_("The field %(label)s was changed.", label=str(changed.label)), "good")
    return redirect(url_for("admin.fields", entity=entity, _anchor=f"field-of-{field}"))


def _own(uow: UnitOfWork, entity: str, field: str) -> tuple[EntitySpec, FieldSpec]:
    spec = uow.entity(entity)
    item = spec.by_name.get(field)
    if item is None or not item.custom or isinstance(item.type, t.Lines):
        raise NotFound(_("There is no field %(name)s of your own.", name=field[:60]))
    return spec, item


def _choices(item: FieldSpec) -> list[str]:
    """The options in use, one to a line."""
    choices = item.type.choices if isinstance(item.type, t.ChoiceField) else ()
    return [choice.value for choice in choices if not choice.retired]


def _changes(item: FieldSpec, form: Mapping[str, str]) -> dict[str, Any]:
    labels = {code: form.get(f"label_{code}", "").strip() for code in LOCALES}
    changes: dict[str, Any] = {
        "label": {code: text for code, text in labels.items() if text},
        "help": form.get("help", "").strip() or None,
    }
    if kind_name(item.type) in service.SEARCHED:
        changes["searchable"] = "searchable" in form
    if isinstance(item.type, t.ChoiceField):
        changes["choices"] = _kept_choices(item.type, form.get("choices", ""))
    if isinstance(item.type, t.Computed):
        changes["expression"] = form.get("expression", "")
    return changes


def _kept_choices(type_: t.ChoiceField, text: str) -> list[Any]:
    """The options that the lines name; those that there are keep their labels and their colours."""
    known = {choice.value: choice for choice in type_.choices}
    found: list[Any] = []
    for value in filter(None, map(str.strip, text.splitlines())):
        choice = known.get(value)
        if choice is None:
            found.append(value)
            continue
        labels = {}
        for code in LOCALES:
            with use_locale(code):
                labels[code] = str(choice.label)
        found.append({"value": value, "label": labels, "tone": choice.tone})
    return found


def _page(
    spec: EntitySpec, item: FieldSpec, given: Mapping[str, str], errors: Mapping[str, str]
) -> str:
    labels = {"label": _("Label"), "choices": _("Options"), "expression": _("Formula")}
    summary = [
        ("label_zh_CN" if name == "label" else name, labels.get(name, name), message)
        for name, message in errors.items()
        if name
    ]
    type_ = item.type
    return render(
        "core/admin/field.html",
        spec=spec,
        item=item,
        given=given,
        errors=errors,
        summary=summary,
        languages=LANGUAGES,
        has_choices=isinstance(type_, t.ChoiceField),
        retired=sorted(type_.retired_values) if isinstance(type_, t.ChoiceField) else [],
        has_formula=isinstance(type_, t.Computed),
        is_searched=kind_name(type_) in service.SEARCHED,
    )


@blueprint.get("/fields/<entity>/<field>/retire")
@requires("admin")
def confirm_retire_field(entity: str, field: str) -> Any:
    """Ask; or say what must be changed first."""
    with unit_of_work(write=False) as uow:
        spec, item = _own(uow, entity, field)
        uses = uses_of_field(uow, spec, field)
    back = url_for("admin.fields", entity=entity)
    if uses:
        return render("core/admin/still_used.html", title=str(item.label), uses=uses, back=back)
    return render(
        "core/admin/confirm.html",
        title=_("Retire %(field)s?", field=str(item.label)),
        text=_("Nobody sees it any more. Its values stay, and are back when you restore it."),
        items=[],
        action=url_for("admin.retire_field", entity=entity, field=field),
        label=_("Retire"),
        kind="danger",
        back=back,
        crumb=str(spec.label_plural),
    )


@blueprint.post("/fields/<entity>/<field>/retire")
@requires("admin")
def retire_field(entity: str, field: str) -> Any:
    """Hide it everywhere."""
    with unit_of_work() as uow:
        service.retire_field(uow, entity, field)
    flash(_("Retired. It can be restored here."), "good")
    return redirect(url_for("admin.fields", entity=entity, _anchor="retired"))


@blueprint.post("/fields/<entity>/<field>/restore")
@requires("admin")
def restore_field(entity: str, field: str) -> Any:
    """Show it again; what stands in the way is told."""
    try:
        with unit_of_work() as uow:
            item = service.restore_field(uow, entity, field)
    except Refusal as error:
        flash(error.message, "bad")
        return redirect(url_for("admin.fields", entity=entity, _anchor="retired"))
    flash(_("The field %(label)s is back.", label=str(item.label)), "good")
    return redirect(url_for("admin.fields", entity=entity, _anchor=f"field-of-{field}"))
