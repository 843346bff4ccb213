"""What a refusal looks like: problem+json for programs, a page or a fragment for people."""

from __future__ import annotations

import logging
from typing import Any

import orjson
from flask import Flask, Response, g, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from core.errors import Conflict, Refusal
from core.http.rendering import render
from core.i18n import gettext as _
from core.plugins.failures import is_away
from core.plugins.manager import HookFailed

__all__ = ["problem", "register_error_handlers"]

log = logging.getLogger("dougong.web")


def register_error_handlers(app: Flask) -> None:
    """Every exception ends as an answer in the reader's language that tells nothing of the inside."""
    app.register_error_handler(Refusal, _refusal)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(HookFailed, _hook_failed)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(PoolTimeout, _database)
    app.register_error_handler(Exception, _unexpected)


def problem(status: int, code: str, title: str, **more: Any) -> Response:
    """An RFC 9457 problem document."""
    body = {"type": f"urn:dougong:{code}", "title": title, "status": status, **more}
    body.setdefault("errors", [])
    return Response(
        orjson.dumps(body, default=str), status, content_type="application/problem+json"
    )


def _wants_json() -> bool:
    return request.path.startswith("/api/")


def _answer(status: int, code: str, title: str, **more: Any) -> Response:
    if _wants_json():
        return problem(status, code, title, **more)
    fragment = bool(request.headers.get("HX-Request"))
    html = render(
        "core/error.html",
        code=status,
        title=title,
        text="",
        fragment=fragment,
        reference=g.get("request_id", ""),
    )
    return Response(html, status)


def _refusal(error: Refusal) -> Response:
    more: dict[str, Any] = {
        "errors": [
            {"field": item.field, "code": item.code, "message": item.message, "item": item.item}
            for item in error.problems
        ]
    }
    if isinstance(error, Conflict):
        more |= {"current": error.current, "yours": error.yours}
    response = _answer(error.status, error.code, error.message, **more)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if retry := getattr(error, "retry_after", 0):
        response.headers["Retry-After"] = str(retry)
    return response


def _too_large() -> str:
    """Named by its limit where it was the whole of what was sent, and not one part of it."""
    limit = request.max_content_length
    if limit is None or (request.content_length or 0) <= limit:
        return _("That is too large.")
    return _("What you sent is larger than %(size)s MB.", size=limit // 1_000_000)


_TITLES = {
    400: lambda: _("The request could not be understood."),
    404: lambda: _("There is no such page."),
    405: lambda: _("This address does not take that method."),
    413: lambda: _too_large(),
    415: lambda: _("This kind of content is not understood here."),
    429: lambda: _("Too many requests. Wait a moment and try again."),
    503: lambda: _("The service is not ready. Wait a moment and try again."),
}


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None:
        return error.response  # type: ignore[return-value]
    make = _TITLES.get(status)
    response = _answer(status, f"http_{status}", make() if make else error.name)
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after", "location"):
            response.headers[name] = value
    return response


def _hook_failed(error: HookFailed) -> Response:
    cause = error.__cause__
    if isinstance(cause, (DBAPIError, PoolTimeout)) and _is_passing(cause):
        return _database(cause)
    log.error("%s", error, extra={"plugin": error.plugin})
    text = _(
        "The module %(name)s failed, so nothing was changed. An administrator can switch it off.",
        name=error.plugin,
    )
    return _answer(500, "plugin_failed", text, plugin=error.plugin)


def _database(error: DBAPIError | PoolTimeout) -> Response:
    """Too busy or away for the moment is a 503 that may be tried again; anything else is our fault."""
    if not _is_passing(error):
        return _unexpected(error)
    log.warning("the database did not answer: %s", getattr(error, "orig", error))
    response = _answer(503, "busy", _("The database is busy. Please try again."))
    response.headers["Retry-After"] = "2"
    return response


def _is_passing(error: DBAPIError | PoolTimeout) -> bool:
    if isinstance(error, PoolTimeout) or is_away(error):
        return True
    text = str(error.orig).lower()
    return "timeout" in text or "deadlock" in text


def _unexpected(error: Exception) -> Response:
    log.exception("request %s failed", g.get("request_id", ""))
    text = _(
        "Something went wrong. Tell your administrator the number %(id)s.",
        id=g.get("request_id", ""),
    )
    return _answer(500, "internal", text)
