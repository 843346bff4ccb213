"""Structure: the fields of an entity, and adding one of the company's own while all runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import flash, redirect, request, url_for

from core.admin import blueprint
from core.admin.display import moment, owner_title
from core.customize.changing import takes_fields
from core.customize.kinds import kind_name
from core.customize.purge import retired
from core.customize.service import CUSTOMISABLE_KINDS, add_field
from core.errors import Invalid
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import LOCALES
from core.i18n import gettext as _
from core.runtime import Snapshot

FLAGS = ("required", "unique", "searchable")
#: Kinds that hold one short value: only these can be unique or found by the quick search.
PLAIN = frozenset({"text", "phone", "email", "url"})
UNIQUE = PLAIN | {"integer", "date"}
#: What a kind asks for beyond its name, as (option, how it is read).
OPTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "text": (("max_length", "number"),),
    "integer": (("minimum", "number"), ("maximum", "number")),
    "decimal": (("precision", "number"), ("scale", "number")),
    "money": (("precision", "number"), ("scale", "number"), ("currency", "text")),
    "choice": (("choices", "lines"),),
    "multi_choice": (("choices", "lines"),),
    "phone": (("mobile_only", "flag"),),
    "region": (("level", "level"),),
    "reference": (("entity", "entity"),),
    "references": (("entity", "entity"),),
    "auto_number": (("pattern", "text"),),
    "computed": (("expression", "text"), ("result", "result"), ("scale", "number")),
}
RESULTS = ("decimal", "money", "integer", "text", "boolean", "date", "datetime")


def kind_labels() -> dict[str, str]:
    """The kinds that can be added, as words."""
    labels = {
        "text": _("Text"),
        "long_text": _("Long text"),
        "rich_text": _("Formatted text"),
        "integer": _("Whole number"),
        "decimal": _("Decimal number"),
        "money": _("Amount of money"),
        "boolean": _("Yes or no"),
        "date": _("Day"),
        "datetime": _("Day and time"),
        "choice": _("One of a list"),
        "multi_choice": _("Several of a list"),
        "tags": _("Tags"),
        "phone": _("Telephone"),
        "email": _("E-mail"),
        "url": _("Web address"),
        "region": _("Region"),
        "reference": _("Another record"),
        "references": _("Several other records"),
        "file": _("File"),
        "image": _("Picture"),
        "auto_number": _("Number given by itself"),
        "computed": _("Computed"),
        "lines": _("Lines"),
        "document": _("Document"),
    }
    return labels


@blueprint.get("/fields")
@requires("admin")
def field_entities() -> Any:
    """Which entities take fields."""
    with unit_of_work() as uow:
        specs = _entities(uow.snapshot)
        gone = [each for each in retired(uow) if each.field is None]
    rows = [
        {
            "name": spec.name,
            "label": str(spec.label_plural),
            "owner": owner_title(spec.plugin),
            "count": len(spec.by_name),
            "custom": sum(field.custom for field in spec),
        }
        for spec in specs
    ]
    return render("core/admin/field_entities.html", rows=rows, retired=gone, moment=moment)


def _entities(snapshot: Snapshot) -> list[EntitySpec]:
    return [spec for spec in snapshot.entities.values() if takes_fields(spec)]


@blueprint.get("/fields/<entity>")
@requires("admin")
def fields(entity: str) -> Any:
    """The fields of an entity, and the form for another; ``?kind=`` says of which kind."""
    return _page(entity, {"kind": request.args.get("kind", "text")}, {})


@blueprint.post("/fields/<entity>")
@requires("admin")
def create_field(entity: str) -> Any:
    """Add the field: at once part of lists, forms, imports, rights and the API."""
    form = request.form
    try:
        body = _body(form)
        with unit_of_work() as uow:
            field = add_field(uow, entity, body)
    except Invalid as error:
        return _page(entity, form, error.by_field()), 422
    flash(_("The field %(label)s was added.", label=str(field.label)), "good")
    return redirect(url_for("admin.fields", entity=entity, _anchor=f"field-of-{field.name}"))


def _body(form: Mapping[str, str]) -> dict[str, Any]:
    """The form as the description that the service takes."""
    kind = form.get("kind", "")
    labels = {code: form.get(f"label_{code}", "").strip() for code in LOCALES}
    body: dict[str, Any] = {
        "name": form.get("name", "").strip().lower(),
        "kind": kind,
        "label": {code: text for code, text in labels.items() if text},
    }
    if help_ := form.get("help", "").strip():
        body["help"] = help_
    body |= {flag: True for flag in FLAGS if flag in form}
    for option, how in OPTIONS.get(kind, ()):
        value = _option(how, form.get(option, "").strip())
        if value is not None:
            body[option] = value
    return body


def _option(how: str, text: str) -> Any:
    """What an option's control sends, as its type; None for nothing."""
    if how == "lines":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if not text:
        return None
    if how == "flag":
        return True
    if how == "number":
        try:
            return int(text)
        except ValueError:
            return text  # the service names what it expects
    return text


def _page(entity: str, given: Mapping[str, str], errors: Mapping[str, str]) -> str:
    with unit_of_work(write=False) as uow:
        spec, snapshot = uow.entity(entity), uow.snapshot
        gone = [each for each in retired(uow) if each.field and each.entity == entity]
    kind = given.get("kind", "text")
    kind = kind if kind in CUSTOMISABLE_KINDS else "text"
    names = kind_labels()
    takes = spec in _entities(snapshot)
    return render(
        "core/admin/fields.html",
        spec=spec,
        takes=takes,
        rows=[_shown(field, names) for field in spec],
        given=given,
        kind=kind,
        kinds=[(name, names[name]) for name in CUSTOMISABLE_KINDS],
        options=OPTIONS.get(kind, ()),
        unique=kind in UNIQUE,
        searchable=kind in PLAIN,
        targets=[
            (s.name, str(s.label_plural)) for s in snapshot.entities.values() if not s.parent_field
        ],
        results=[(name, names[name]) for name in RESULTS],
        locales=[("zh_CN", "中文"), ("en", "English")],
        errors=errors,
        summary=_summary(errors),
        retired=gone,
        moment=moment,
    )


def _shown(field: FieldSpec, names: Mapping[str, str]) -> dict[str, Any]:
    kind = kind_name(field.type)
    return {
        "name": field.name,
        "label": str(field.label),
        "kind": names.get(kind, kind),
        "required": field.required,
        "unique": field.unique,
        "custom": field.custom and not isinstance(field.type, t.Lines),
        "owner": _("Your own") if field.custom else owner_title(field.owner),
    }


def _summary(errors: Mapping[str, str]) -> list[tuple[str, str, str]]:
    labels = {"name": _("Code"), "label": _("Label"), "kind": _("Kind"), "choices": _("Options")}
    places = {"label": "label_zh_CN"}
    return [
        (places.get(name, name), labels.get(name, name), message)
        for name, message in errors.items()
        if name
    ]
