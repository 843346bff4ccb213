"""Choosing one person among many: by typing, with suggestions where there is JavaScript."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import request, url_for

from core.admin import blueprint
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery, page
from core.errors import Invalid, Problem
from core.fields import FieldSpec
from core.http.addresses import read_number
from core.http.rendering import macros
from core.http.requests import requires, unit_of_work
from core.i18n import gettext as _
from core.work.uow import UnitOfWork

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["find_person", "given_person", "person_control", "person_name"]


@blueprint.get("/people/suggest")
@requires("admin")
def suggest_people() -> Any:
    """People whose name or address holds ``?q=``."""
    words = request.args.get("q", "").strip()[:100]
    query = ListQuery(fields=("name", "email"), search=words, sort="name", limit=12)
    with unit_of_work() as uow:
        found = page(uow, "user", query).items if words else []
    return str(macros().suggestions([(p["id"], p["name"], p["email"]) for p in found]))


def find_person(uow: UnitOfWork, key: str, typed: str) -> int | None:
    """The id chosen, else the one person whose name or address was typed; None when nothing was.

    Raises `LookupError` when what was typed fits nobody, or several.
    """
    typed = typed.strip()[:254]
    chosen = read_number(key)
    # Without scripts another name may have been typed over that of the one chosen.
    if chosen is not None and typed in ("", person_name(uow, chosen)):
        return chosen
    if not typed:
        return None
    named = {"field": "email" if "@" in typed else "name", "op": "eq", "value": typed}
    try:
        found = page(uow, "user", ListQuery(fields=("name",), filter=named, limit=2)).items
    except Invalid:  # no address, though it has the sign of one
        found = []
    if len(found) != 1:
        raise LookupError(typed)
    return int(found[0]["id"])


def given_person(uow: UnitOfWork, form: Mapping[str, str], name: str) -> int | None:
    """`find_person` of a form; raises `Invalid`."""
    typed = form.get(f"{name}__label", "")
    try:
        return find_person(uow, form.get(name, "") if typed.strip() else "", typed)
    except LookupError:
        message = _("Nobody, or more than one person, has this name or address.")
        raise Invalid(message, [Problem(name, "reference", message)]) from None


def person_name(uow: UnitOfWork, key: Any) -> str:
    """The name of a person; nothing for none."""
    if not isinstance(key, int):
        return ""
    return resolve_labels(uow, {"user": {key}}).get("user", {}).get(key, f"#{key}")


def person_control(
    uow: UnitOfWork,
    field: FieldSpec,
    values: Mapping[str, Any],
    error: str = "",
    *,
    label: str = "",
) -> Markup:
    """A labelled picker; what was typed stays when it was wrong."""
    ui, key = macros(), values.get(field.name)
    shown = values.get(f"{field.name}__label") or person_name(uow, key)
    inner = ui.reference_input(
        field.name,
        url_for("admin.suggest_people"),
        key or "",
        shown,
        error=error,
        placeholder=_("Name or e-mail"),
    )
    drawn: Markup = ui.field(label or str(field.label), inner, field.name, error=error)
    return drawn
