"""Routes for machines: health, metrics, static files."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, Response, current_app, redirect, request, send_file
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text

from core.db.migrate import CORE_MIGRATIONS, head_revision
from core.errors import NotFound
from core.http.requests import public, requires, runtime
from core.i18n import gettext as _

blueprint = Blueprint("system", __name__)


@blueprint.get("/healthz")
@public
def healthz() -> Response:
    """The process answers."""
    return Response("ok", content_type="text/plain; charset=utf-8")


@blueprint.get("/readyz")
@public
def readyz() -> Response:
    """Each thing the process needs answers."""
    checks = {"database": _database(), "schema": _schema(), "storage": _storage()}
    if runtime().config.redis_url:
        checks["redis"] = _redis()
    good = all(value == "ok" for value in checks.values())
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

        Redis.from_url(runtime().config.redis_url or "", socket_timeout=1).ping()
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
