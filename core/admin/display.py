"""How the administrators' pages write moments, modules, records and changed values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import current_app, url_for

from core.entities.labels import Labels
from core.fields import FieldSpec
from core.fields import types as t
from core.http.requests import runtime
from core.i18n import current_locale
from core.i18n import gettext as _
from core.i18n.formats import format_datetime

if TYPE_CHECKING:
    from core.plugins.manifest import Manifest

__all__ = ["moment", "owner_title", "record_url", "written"]

#: Records whose page is the administrators' own, by entity.
_OWN_PAGES = {
    "user": "admin.edit_person",
    "role": "admin.show_role",
    "department": "admin.edit_department",
}
_DETAIL = "web.show_record"


def moment(value: datetime | None) -> str:
    """A moment to the minute, in the company's zone; nothing for none."""
    return format_datetime(value, runtime().clock.timezone) if value else ""


def owner_title(name: str) -> str:
    """What a plugin is called in the reader's language; the core is the system."""
    plugins = runtime().plugins
    manifest: Manifest | None = plugins.loaded.get(name) or plugins.manifests.get(name)
    if name in ("core", "custom"):
        return _("System") if name == "core" else _("Your own")
    return manifest.text("title", current_locale()) if manifest else name


def record_url(entity: str, record_id: int) -> str | None:
    """The page of a record; None where there is none."""
    if entity in _OWN_PAGES:
        return url_for(_OWN_PAGES[entity], key=record_id)
    if _DETAIL in current_app.view_functions:
        return url_for(_DETAIL, entity=entity, record_id=record_id)
    return None


def written(field: FieldSpec | None, value: Any, labels: Labels) -> str:
    """A value of the audit trail for people: labels of records and options, yes and no."""
    type_ = field.value_type if field else None
    if value is None or value in ("", [], {}):
        return ""
    match value:
        case bool():
            return _("Yes") if value else _("No")
        case list() if not isinstance(type_, t.Document):
            return _(", ").join(written(field, item, labels) for item in value)
        case Mapping() | list():
            return _plain_json(value)
    if isinstance(type_, (t.Reference, t.References)):
        return labels.get(type_.entity, {}).get(value, f"#{value}")
    if isinstance(type_, t.ChoiceField):
        return str(type_.labels().get(value, value))
    if isinstance(type_, t.DateTime) and isinstance(value, str):
        return moment(datetime.fromisoformat(value))
    return str(value)


def _plain_json(value: Any) -> str:
    import orjson

    return orjson.dumps(value, default=str).decode()
