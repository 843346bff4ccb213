"""Routes for machines: health, metrics, static files, and what browsers ask for by themselves."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, Response, current_app, redirect, request, send_file
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text

from core.db.migrate import CORE_MIGRATIONS, head_revision
from core.errors import NotFound
from core.files.icons import ICON_SIZES, draw_icon
from core.files.logo import open_logo
from core.http.downloads import stream_response
from core.http.looks import COLOR_SCHEMES, icon_address, look, sheet_of
from core.http.rendering import render_with
from core.http.requests import public, requires, runtime, unit_of_work
from core.i18n import LOCALES, current_locale, use_locale
from core.i18n import gettext as _
from core.theming.static import FOREVER

blueprint = Blueprint("system", __name__)
#: Seconds: who asks whether the process is ready waits no longer because of Redis.
REDIS_TIMEOUT = 0.5


@blueprint.get("/healthz")
@public
def healthz() -> Response:
    """The process answers."""
    return Response("ok", content_type="text/plain; charset=utf-8")


@blueprint.get("/readyz")
@public
def readyz() -> Response:
    """Each thing the process needs answers. Redis is told of, and not needed: without it everything goes
    on, so that no proxy may take the process away."""
    checks = {"database": _database(), "schema": _schema(), "storage": _storage()}
    good = all(value == "ok" for value in checks.values())
    if runtime().config.redis_url:
        checks["redis"] = _redis()
    return Response(orjson.dumps(checks), 200 if good else 503, content_type="application/json")


def _database() -> str:
    try:
        with runtime().read_connection() as connection:
            connection.execute(text("SELECT 1"))
    except Exception as error:  # whatever is wrong, the answer says that it is
        return type(error).__name__
    return "ok"


def _schema() -> str:
    """Whether the tables are those of this code. A process that has seen it stays ready: while the
    next version takes over, the tables are ahead of those that still serve."""
    if "dougong.schema" not in current_app.extensions:
        try:
            with runtime().read_connection() as connection:
                found = connection.execute(text("SELECT version_num FROM core_alembic")).scalar()
        except Exception as error:  # likewise
            return type(error).__name__
        if found != (newest := head_revision(CORE_MIGRATIONS)):
            return f"at {found}, the code is at {newest}"
        current_app.extensions["dougong.schema"] = found
    return "ok"


def _storage() -> str:
    try:
        runtime().storage.exists("00/00/" + "0" * 28)
    except Exception as error:  # likewise
        return type(error).__name__
    return "ok"


def _redis() -> str:
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        once = Retry(NoBackoff(), 0)
        with Redis.from_url(
            runtime().config.redis_url or "",
            socket_timeout=REDIS_TIMEOUT,
            socket_connect_timeout=REDIS_TIMEOUT,
            retry=once,
        ) as redis:
            redis.ping()
    except Exception as error:  # likewise
        return type(error).__name__
    return "ok"


@blueprint.get("/metrics")
@requires("core.see_metrics")
def metrics() -> Response:
    """Prometheus' text format."""
    measured = current_app.extensions["dougong.measurements"].text()
    return Response(measured, content_type=CONTENT_TYPE_LATEST)


@blueprint.get("/favicon.ico")
@public
def favicon() -> Any:
    """Asked for by browsers where no page names an icon, as beside a JSON document."""
    return redirect(current_app.extensions["dougong.static"].url("core/icons/logo.svg"))


@blueprint.get("/theme/<theme>/<colour>/<any(light, dark):scheme>.css")
@public
def accent(theme: str, colour: str, scheme: str) -> Response:
    """The company's colour, as the accent of a theme; what is given decides alone what it says."""
    themes = current_app.extensions["dougong.themes"]
    text, version = sheet_of(themes, theme, f"#{colour}", scheme)
    if theme not in themes or not version:
        raise NotFound(_("There is no such page."))
    response = Response(text, content_type="text/css; charset=utf-8")
    present = request.args.get("v") == version
    response.headers["Cache-Control"] = FOREVER if present else "no-cache"
    return response


@blueprint.get("/theme/logo/<int:file_id>")
@public
def company_logo(file_id: int) -> Response:
    """The picture that the company has chosen; every other one is kept from this address."""
    with unit_of_work(write=False) as uow:
        if uow.snapshot.settings["core_look"]["logo"] != file_id:
            raise NotFound(_("There is no such page."))
        row, stream = open_logo(uow, file_id)
    response = stream_response(stream, row.name, row.media_type, inline=True)
    response.content_length = row.size
    response.headers["Cache-Control"] = FOREVER
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


@blueprint.get("/theme/logo/<int:file_id>/<int:size>.png")
@public
def company_icon(file_id: int, size: int) -> Any:
    """The same as a square for the first screen of a phone; the theme's where it cannot be drawn."""
    with unit_of_work(write=False) as uow:
        chosen = uow.snapshot.settings["core_look"]["logo"]
        if chosen != file_id or size not in ICON_SIZES:
            raise NotFound(_("There is no such page."))
        _row, stream = open_logo(uow, file_id)
    with stream:
        drawn = draw_icon(stream.read(), size)
    if drawn is None:
        themes, static = (current_app.extensions[f"dougong.{n}"] for n in ("themes", "static"))
        name = "apple-touch-icon.png" if size == 180 else f"icon-{size}.png"
        return redirect(static.url(themes.icon(look().theme, name)))
    response = Response(drawn, content_type="image/png")
    response.headers["Cache-Control"] = FOREVER
    return response


@blueprint.get("/manifest.webmanifest")
@public
def manifest() -> Response:
    """What a phone shows of the suite on its first screen."""
    shown = look()
    themes, static = (current_app.extensions[f"dougong.{name}"] for name in ("themes", "static"))
    tokens = themes.tokens(shown.theme)
    icons = [
        {
            "src": icon_address(size) or static.url(themes.icon(shown.theme, file)),
            "sizes": f"{size}x{size}",
            "type": "image/png",
            **more,
        }
        for file, size, more in _ICONS
    ]
    answer = {
        "id": "/",
        "name": shown.company or "Dougong",
        "short_name": (shown.company or "Dougong")[:12],
        "lang": current_locale().replace("_", "-"),
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": tokens["paper"],
        "theme_color": tokens["head"],
        "icons": icons,
    }
    return Response(orjson.dumps(answer), content_type="application/manifest+json")


#: (the theme's picture, its side in px, more about it); a company's logo takes the place of each.
_ICONS: tuple[tuple[str, int, dict[str, str]], ...] = (
    ("icon-192.png", 192, {}),
    ("icon-512.png", 512, {}),
    ("icon-maskable-512.png", 512, {"purpose": "maskable"}),
)


@blueprint.get("/sw.js")
@public
def service_worker() -> Response:
    """The worker of all pages: it must lie at the root to stand before all of them."""
    path = current_app.extensions["dougong.static"].resolve("core/sw.js")
    return Response(path.read_bytes(), content_type="text/javascript; charset=utf-8")


@blueprint.get("/offline")
@public
def offline() -> str:
    """What the worker shows when the server is away: of nobody, in the language that is asked for."""
    locale, scheme = request.args.get("locale", ""), request.args.get("scheme", "")
    with use_locale(locale if locale in LOCALES else current_locale()):
        nobody = {"current_user": None, "behind": "", "messages": (), "navigation": ()}
        scheme = scheme if scheme in COLOR_SCHEMES else "system"
        spoken = {"locale": current_locale(), "color_scheme": scheme}
        return render_with("core/offline.html", nobody | spoken)


@blueprint.get("/static/<path:path>")
@public
def static(path: str) -> Any:
    """A file of the core, a theme or a plugin."""
    files = current_app.extensions["dougong.static"]
    found = files.resolve(path)
    if found is None:
        raise NotFound(_("There is no such page."))
    response = send_file(found, conditional=True)
    response.headers.update(files.headers(path, request.args.get("v")))
    return response
