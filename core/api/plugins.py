"""Modules: what is installed, and switching it on and off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response
from sqlalchemy import Row, select

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import arguments, json_body
from core.api.shapes import IDENTIFIER, TEXT, items_of, listing, nullable, object_of
from core.errors import Invalid, Problem, Refusal, Refused
from core.http.requests import requires, unit_of_work
from core.i18n import current_locale
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.ops.lifecycle import disable, enable, note_failure
from core.ops.opening import open_to
from core.plugins.manager import HookFailed
from core.plugins.state import plugin_table
from core.work.uow import UnitOfWork

MOST_DEPARTMENTS = 500

PLUGIN = object_of(
    name=TEXT,
    title=TEXT,
    summary=TEXT,
    version=TEXT,
    enabled={"type": "boolean"},
    depends=listing(TEXT),
    departments=nullable(listing(IDENTIFIER)),
    held_back=nullable(TEXT),
    error=nullable(TEXT),
)


@blueprint.get("/v1/plugins")
@requires("admin")
@operation(_l("Modules that are installed"), "plugins", answer=items_of(PLUGIN), errors=(403,))
def list_plugins() -> Response:
    """All that is installed, with why a module cannot be used or could not be switched."""
    arguments()
    with unit_of_work() as uow:
        return answer({"items": _plugins(uow)})


@blueprint.post("/v1/plugins/<name>/enable")
@requires("admin")
@operation(
    _l("Switch a module on, with what it needs"), "plugins", answer=PLUGIN, errors=(403, 404, 409)
)
def enable_plugin(name: str) -> Response:
    """On whole, or not at all."""
    return _switch(name, enable)


@blueprint.post("/v1/plugins/<name>/disable")
@requires("admin")
@operation(_l("Switch a module off"), "plugins", answer=PLUGIN, errors=(403, 404, 409))
def disable_plugin(name: str) -> Response:
    """Its rows stay."""
    return _switch(name, disable)


@blueprint.post("/v1/plugins/<name>/open")
@requires("admin")
@operation(
    _l("Open a module to some departments and all below them, or to everybody"),
    "plugins",
    body=object_of(departments=nullable({**listing(IDENTIFIER), "maxItems": MOST_DEPARTMENTS})),
    answer=PLUGIN,
    errors=(403, 404, 422),
)
def open_plugin(name: str) -> Response:
    """For everybody else it is as if it were off; null opens it to everybody."""
    arguments()
    body = json_body()
    with unit_of_work() as uow:
        open_to(uow, name, _chosen(body))
        return answer(next(item for item in _plugins(uow) if item["name"] == name))


def _chosen(body: dict[str, Any]) -> list[int] | None:
    for key in body.keys() - {"departments"}:
        message = _("There is no field %(name)s.", name=key[:60])
        raise Invalid(message, [Problem(key[:60], "unknown_field", message)])
    chosen: Any = body.get("departments", ())
    is_list = isinstance(chosen, list) and len(chosen) <= MOST_DEPARTMENTS
    if chosen is not None and not (is_list and all(type(key) is int for key in chosen)):
        message = _("Give the numbers of departments, or null for everybody.")
        raise Invalid(message, [Problem("departments", "type", message)])
    return None if chosen is None else list(chosen)


def _departments(row: Row[Any] | None) -> list[int] | None:
    found: list[int] | None = None if row is None else row.departments
    return found


def _switch(name: str, turn: Callable[[UnitOfWork, str], Any]) -> Response:
    arguments()
    try:
        with unit_of_work() as uow:
            turn(uow, name)
    except Refusal:
        raise
    except Exception as error:  # whatever the module did, its reason is kept and told
        failed = error.plugin if isinstance(error, HookFailed) else name
        reason = str(error) if isinstance(error, HookFailed) else f"{type(error).__name__}: {error}"
        with unit_of_work() as uow:
            note_failure(uow, failed, reason)
        message = _("%(name)s could not be switched: %(reason)s", name=failed, reason=reason[:500])
        raise Refused(message) from error
    with unit_of_work(write=False) as uow:
        return answer(next(item for item in _plugins(uow) if item["name"] == name))


def _plugins(uow: UnitOfWork) -> list[dict[str, Any]]:
    manager, locale = uow.runtime.plugins, current_locale()
    rows = {row.name: row for row in uow.execute(select(plugin_table))}
    found = [
        {
            "name": manifest.name,
            "title": manifest.text("title", locale),
            "summary": manifest.text("summary", locale),
            "version": manifest.version,
            "enabled": manifest.name in uow.snapshot.enabled,
            "depends": list(manifest.depends),
            "departments": _departments(rows.get(manifest.name)),
            "held_back": manager.held_back.get(manifest.name),
            "error": rows[manifest.name].error if manifest.name in rows else None,
        }
        for manifest in manager.manifests.values()
    ]
    return found + [
        {
            "name": name,
            "title": name,
            "summary": "",
            "version": "",
            "enabled": False,
            "depends": [],
            "departments": _departments(rows.get(name)),
            "held_back": reason,
            "error": None,
        }
        for name, reason in manager.held_back.items()
        if name not in manager.manifests
    ]
