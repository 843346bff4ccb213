"""Modules: what is installed, switching it on and off, and why something is held back."""

from __future__ import annotations

import logging
from typing import Any

from flask import flash, redirect, url_for
from sqlalchemy import func, select

from core.admin import blueprint
from core.admin.display import owner_title
from core.entities.labels import resolve_labels
from core.errors import NotFound, Refusal
from core.http.rendering import render
from core.http.requests import requires, runtime, unit_of_work
from core.i18n import current_locale, ngettext
from core.i18n import gettext as _
from core.ops.lifecycle import disable, enable, note_failure, pending_migrations
from core.plugins.manager import HookFailed
from core.plugins.state import plugin_table, read_departments
from core.work.tables import job_table
from core.work.uow import UnitOfWork

log = logging.getLogger("dougong.plugins")


@blueprint.get("/apps")
@requires("admin")
def apps() -> Any:
    """All installed modules."""
    with unit_of_work() as uow:
        modules = _modules(uow)
    return render("core/admin/apps.html", modules=modules)


def _modules(uow: UnitOfWork) -> dict[str, list[dict[str, Any]]]:
    """Modules in plugin order, by whether they are ``on``, ``off`` or ``held``."""
    plugins = runtime().plugins
    rows = uow.execute(select(plugin_table.c.name, plugin_table.c.error, plugin_table.c.enabled))
    switched = {row.name: row for row in rows}
    pending = set(pending_migrations(uow.connection, runtime()))
    open_to = _open_to(uow)
    found: dict[str, list[dict[str, Any]]] = {"held": [], "on": [], "off": []}
    for name in (*plugins.loaded, *(n for n in plugins.held_back if n not in plugins.loaded)):
        state = "on" if name in uow.snapshot.enabled else "off"
        if name in plugins.held_back:
            state = "held"
        found[state].append(
            _module(uow, name, state)
            | {
                "error": switched[name].error if name in switched else None,
                "pending": name in pending,
                "open_to": open_to.get(name),
                "can_switch_off": name in switched and switched[name].enabled,
            }
        )
    return found


def _open_to(uow: UnitOfWork) -> dict[str, list[str]]:
    """What the departments are called that a module is open to; modules for everybody left out."""
    chosen = read_departments(uow.connection)
    ids = {key for departments in chosen.values() for key in departments}
    names = resolve_labels(uow, {"department": ids}).get("department", {})
    return {
        module: [names.get(key, f"#{key}") for key in sorted(departments)]
        for module, departments in chosen.items()
    }


def _module(uow: UnitOfWork, name: str, state: str) -> dict[str, Any]:
    plugins, enabled = runtime().plugins, uow.snapshot.enabled
    manifest = plugins.loaded.get(name) or plugins.manifests.get(name)
    needed_by = [m.name for m in plugins.manifests.values() if name in m.depends]
    return {
        "name": name,
        "state": state,
        "title": owner_title(name),
        "summary": manifest.text("summary", current_locale()) if manifest else "",
        "version": manifest.version if manifest else "",
        "icon": manifest.icon if manifest else "apps",
        "reason": plugins.held_back.get(name, ""),
        "needs": [
            (owner_title(n), n, n in enabled) for n in (manifest.depends if manifest else ())
        ],
        "needed_by": [(owner_title(n), n, n in enabled) for n in needed_by],
    }


@blueprint.get("/apps/<name>/enable")
@requires("admin")
def confirm_enable(name: str) -> Any:
    """Ask, naming what is switched on with it."""
    with unit_of_work() as uow:
        switched = [n for n in _with_needs(name) if n not in uow.snapshot.enabled]
    _require_installed(name)
    others = [owner_title(n) for n in switched if n != name]
    return render(
        "core/admin/confirm.html",
        title=_("Switch %(name)s on?", name=owner_title(name)),
        text=_("Its tables are made or brought up to date, and its roles are added."),
        list_title=_("Switched on with it, because it needs them") if others else "",
        items=others,
        action=url_for("admin.enable_app", name=name),
        label=_("Switch on"),
        kind="primary",
        back=url_for("admin.apps"),
        crumb=_("Modules"),
    )


def _with_needs(name: str) -> list[str]:
    """The module and all that it needs, what is needed first."""
    plugins = runtime().plugins
    found, waiting = set(), [name] if name in plugins.loaded else []
    while waiting:
        each = waiting.pop()
        found.add(each)
        waiting += [n for n in plugins.loaded[each].depends if n not in found]
    return plugins.order(found)


def _require_installed(name: str) -> None:
    plugins = runtime().plugins
    if name not in plugins.loaded and name not in plugins.held_back:
        raise NotFound(_("There is no plugin named %(name)s.", name=name[:60]))


@blueprint.post("/apps/<name>/enable")
@requires("admin")
def enable_app(name: str) -> Any:
    """Switch it on with what it needs, whole or not at all; a failure is kept and shown."""
    _require_installed(name)
    try:
        with unit_of_work() as uow:
            switched = enable(uow, name)
    except Refusal as refused:
        flash(refused.message, "bad")
    except Exception as error:  # whatever a plugin's migration or hook raises, the suite goes on
        _failed(name, error)
    else:
        names = _(", ").join(owner_title(each) for each in switched)
        flash(_("Switched on: %(names)s.", names=names or owner_title(name)), "good")
    return redirect(url_for("admin.apps", _anchor=f"app-{name}"))


def _failed(name: str, error: Exception) -> None:
    log.exception("plugin %s could not be switched", name)
    reason = str(error) if isinstance(error, HookFailed) else f"{type(error).__name__}: {error}"
    with unit_of_work(write=True) as uow:
        note_failure(uow, name, reason)
    flash(_("%(name)s failed, so nothing was changed.", name=owner_title(name)), "bad")


@blueprint.get("/apps/<name>/disable")
@requires("admin")
def confirm_disable(name: str) -> Any:
    """Ask, naming what becomes invisible."""
    _require_installed(name)
    with unit_of_work() as uow:
        items = what_goes_away(uow, name)
    return render(
        "core/admin/confirm.html",
        title=_("Switch %(name)s off?", name=owner_title(name)),
        text=_("All its data stays, and is back as it was when you switch the module on again."),
        list_title=_("Until then nobody sees") if items else "",
        items=items,
        action=url_for("admin.disable_app", name=name),
        label=_("Switch off"),
        kind="danger",
        back=url_for("admin.apps"),
        crumb=_("Modules"),
    )


def what_goes_away(uow: UnitOfWork, name: str) -> list[str]:
    """What nobody sees any more once the module is off."""
    snapshot = uow.snapshot
    items = [
        _("%(entities)s: list, records, import and export", entities=str(spec.label_plural))
        for spec in snapshot.entities.values()
        if spec.plugin == name and spec.parent_field is None
    ]
    for spec in snapshot.entities.values():
        added = [str(field.label) for field in spec if field.owner == name != spec.plugin]
        if added:
            text = _(
                "%(entities)s: the fields %(fields)s",
                entities=str(spec.label_plural),
                fields=_(", ").join(added),
            )
            items.append(text)
    pages = snapshot.contributions.get("register_navigation", ())
    items += [_("The page %(title)s", title=str(c.item.title)) for c in pages if c.owner == name]
    groups = snapshot.contributions.get("register_settings", ())
    items += [
        _("The settings %(title)s", title=str(c.item.title)) for c in groups if c.owner == name
    ]
    queued = select(func.count()).where(job_table.c.owner == name, job_table.c.state == "queued")
    if waiting := uow.execute(queued).scalar_one():
        items.append(
            ngettext(
                "%(n)s job waits until it is on again",
                "%(n)s jobs wait until it is on again",
                waiting,
            )
        )
    return items


@blueprint.post("/apps/<name>/disable")
@requires("admin")
def disable_app(name: str) -> Any:
    """Switch it off; refused while something that is on needs it."""
    _require_installed(name)
    try:
        with unit_of_work() as uow:
            disable(uow, name)
    except Refusal as refused:
        flash(refused.message, "bad")
    except Exception as error:  # likewise
        _failed(name, error)
    else:
        flash(_("%(name)s is off. Its data stays.", name=owner_title(name)), "good")
    return redirect(url_for("admin.apps", _anchor=f"app-{name}"))
