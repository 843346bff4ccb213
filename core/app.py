"""The composition root of the web: one gate in front, blueprints behind it."""

from __future__ import annotations

from typing import Any

from flask import Flask, g
from werkzeug.middleware.proxy_fix import ProxyFix

from core import admin, api, web
from core.boot import CORE, boot
from core.help import HelpBook, read_topics
from core.http import requests, system
from core.http.addresses import Number
from core.http.compression import compress
from core.http.errors import register_error_handlers
from core.http.flashing import MessageCookie
from core.http.limits import check_limits, open_limiter
from core.http.mounting import mount_plugins
from core.http.observing import observe_requests
from core.http.rendering import template_globals
from core.http.requests import authenticate, close_reading, reader_locale
from core.http.retrying import RetryingFlask
from core.http.security import add_headers, check_csrf, check_policies, check_route
from core.i18n import use_locale
from core.plugins.failures import switch_off_failing
from core.runtime import Runtime
from core.theming import THEMES, Slots, StaticFiles, ThemeRegistry, build_environment
from core.web.components import development

__all__ = ["SLOTS", "create_app"]

MAX_UPLOAD = 100_000_000
#: Places of the generic pages that plugins fill; a plugin's own pages declare theirs by use.
SLOTS = (
    "entity.list.above",
    "entity.detail.above",
    "entity.detail.aside",
    "entity.form.above",
    "home.actions",
    "home.main",
    "profile.main",
)


def create_app(runtime: Runtime | None = None) -> Flask:
    """A Flask application; all set-up happens here, before the first request."""
    runtime = runtime or boot()
    app = RetryingFlask("dougong", static_folder=None, template_folder=None)
    config = runtime.config
    secure, workspace = config.base_url.startswith("https://"), config.workspace
    app.config.update(
        SECRET_KEY=config.secret_key,
        SECRET_KEY_FALLBACKS=list(config.old_secret_keys),
        SESSION_COOKIE_NAME=f"dougong_flash{f'_{workspace.name}' if workspace else ''}",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=MAX_UPLOAD,
        MAX_FORM_MEMORY_SIZE=2 * 1024 * 1024,
        MAX_FORM_PARTS=2_000,
        BASE_URL=config.base_url.rstrip("/"),
    )
    app.session_interface = MessageCookie()
    app.url_map.converters["int"] = Number
    app.extensions["dougong"] = runtime
    if config.proxy_hops:
        hops = config.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.extensions["dougong.limits"] = open_limiter(config.redis_url)
    app.extensions["dougong.help"] = _help_book(runtime)
    _set_up_rendering(app, runtime)
    _set_up_requests(app, runtime)
    register_error_handlers(app)
    for blueprint in (system.blueprint, web.blueprint, admin.blueprint, api.blueprint):
        app.register_blueprint(blueprint)
    if config.development:
        app.register_blueprint(development)
    mount_plugins(app, runtime)
    check_policies(app)
    return app


def _help_book(runtime: Runtime) -> HelpBook:
    """All topics; a module whose topics cannot be read is held back."""
    topics = read_topics("core", CORE / "help" / "texts")
    for owner, folder in runtime.plugins.folders("help").items():
        with runtime.plugins.guard(owner, "help"):
            topics += read_topics(owner, folder)
    return HelpBook(topics)


def _set_up_rendering(app: Flask, runtime: Runtime) -> None:
    themes = ThemeRegistry([THEMES])
    plugins = runtime.plugins
    watching = app.debug or runtime.config.development
    folders = {"core": CORE / "static", **plugins.folders("static")}
    static = StaticFiles(folders, themes, watch=watching)
    slots = Slots(SLOTS, is_enabled=lambda owner: owner == "core" or owner in g.enabled)
    for contribution in runtime.installed("register_slots"):
        with plugins.guard(contribution.owner, "register_slots"):
            fill = contribution.item
            slots.fill(fill.slot, fill.render, owner=contribution.owner, order=fill.order)
    app.extensions["dougong.static"] = static
    app.extensions["dougong.themes"] = themes
    app.extensions["dougong.renderer"] = build_environment(
        template_folders={"core": CORE / "templates", **plugins.folders("templates")},
        themes=themes,
        globals=template_globals(static.url, slots),
        strict=watching,
    )


def _set_up_requests(app: Flask, runtime: Runtime) -> None:
    """Who asks, in which language, from where, and whether that page exists for them."""
    observe_requests(app, runtime)
    app.before_request(authenticate)
    app.before_request(_speak)
    app.before_request(check_route)
    app.before_request(check_csrf)
    app.before_request(check_limits)
    app.after_request(add_headers)
    app.after_request(compress)
    app.teardown_request(_switch_off_failing)  # called last: torn down is from last to first
    app.teardown_request(_fall_silent)
    app.teardown_request(close_reading)


def _speak() -> None:
    g.speaking = use_locale(reader_locale())
    g.speaking.__enter__()


def _switch_off_failing(_error: BaseException | None) -> None:
    switch_off_failing(requests.runtime())


def _fall_silent(error: BaseException | None) -> None:
    speaking: Any = g.pop("speaking", None)
    if speaking is not None:
        speaking.__exit__(None, None, None)
