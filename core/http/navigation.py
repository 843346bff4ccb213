"""The navigation: entities by module, pages of plugins, and what administrators see."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from flask import request, url_for

from core.entities.scope import may
from core.http.addresses import new_record_url
from core.http.requests import actor, runtime, unit_of_work
from core.i18n import current_locale
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["beginnings", "entities_shown", "navigation"]

#: (endpoint, icon, label) of the administrators' pages.
ADMIN_PAGES = (
    ("admin.apps", "apps", _l("Modules")),
    ("admin.people", "users", _l("People")),
    ("admin.roles", "shield-lock", _l("Roles")),
    ("admin.settings", "settings", _l("Settings")),
    ("admin.audit", "history", _l("Audit trail")),
    ("admin.jobs", "activity", _l("Jobs")),
    ("admin.backups", "archive", _l("Backups")),
    ("admin.workspaces", "git-branch", _l("Trying things out")),
)


def entities_shown(uow: UnitOfWork) -> list[EntitySpec]:
    """The entities with lists of their own that the reader may see, the company's business first."""
    found = [
        spec
        for spec in uow.entities.values()
        if spec.navigable and spec.parent_field is None and may(uow, spec, "read")
    ]
    return sorted(found, key=lambda spec: spec.plugin == "core")


def beginnings() -> list[dict[str, Any]]:
    """What the reader may make, from anywhere: ``{"label", "url", "icon"}``."""
    with unit_of_work(write=False) as uow:
        return [
            {
                "label": str(spec.label),
                "url": new_record_url(spec),
                "icon": spec.icon,
            }
            for spec in entities_shown(uow)
            if spec.creatable and may(uow, spec, "create")
        ]


def navigation() -> list[dict[str, Any]]:
    """Groups ``{"title", "items": [{"label", "url", "icon", "active"}]}`` of what the reader may use."""
    groups = [{"title": "", "items": [_item(_("Home"), url_for("web.home"), "home")]}]
    with unit_of_work(write=False) as uow:
        specs = entities_shown(uow)
        entries = [
            (spec.plugin, 50, _item(str(spec.label_plural), _list_url(spec.name), spec.icon))
            for spec in specs
        ]
        for contribution in uow.contributions("register_navigation"):
            item = contribution.item
            if item.permission is None or actor().has_permission(item.permission):
                entry = _item(str(item.title), url_for(item.endpoint), item.icon)
                entries.append((contribution.owner, item.order, entry))
        # What the core itself has to offer stands behind the company's business.
        order = [*runtime().plugins.loaded, "custom", "core"]
    entries.sort(key=lambda entry: (order.index(entry[0]) if entry[0] in order else 99, entry[1]))
    for owner, items in groupby(entries, key=lambda entry: entry[0]):
        groups.append({"title": _title(owner), "items": [item for _o, _n, item in items]})
    if actor().is_admin and actor().token_scopes is None:
        shown = ADMIN_PAGES if runtime().config.workspace is None else ADMIN_PAGES[:-1]
        pages = [_item(str(label), url_for(page), icon) for page, icon, label in shown]
        groups.append({"title": _("Administration"), "items": pages})
    return groups


def _list_url(entity: str) -> str:
    return url_for("web.list_records", entity=entity)


def _title(owner: str) -> str:
    if owner in ("core", "custom"):
        return _("Reference data") if owner == "core" else _("Your own")
    manifest = runtime().plugins.loaded.get(owner)
    return manifest.text("title", current_locale()) if manifest else ""


def _item(label: str, url: str, icon: str) -> dict[str, Any]:
    active = request.path == url or (url != "/" and request.path.startswith(url + "/"))
    return {"label": label, "url": url, "icon": icon, "active": active}
