"""What pages share about signing in: the browser of a request, its cookies, and lists of sessions."""

from __future__ import annotations

import secrets
from contextlib import AbstractContextManager
from typing import Any

from flask import current_app, request
from sqlalchemy import select

from core.http.presenting import reader_of
from core.http.requests import session_cookie, unit_of_work
from core.i18n.formats import format_datetime
from core.security.authentication import NewSession
from core.security.devices import Browser, browser_name
from core.security.models import session_table
from core.work.uow import UnitOfWork

__all__ = [
    "begin",
    "read_browser",
    "recent_sessions",
    "set_cookie",
    "set_session_cookie",
    "set_step_cookie",
    "step_cookie",
]

#: How long a browser keeps its mark, by which it is known to a person.
MARK_LIFE = 400 * 24 * 3600
#: A half-done sign-in; the row in the database says when it is over.
STEP_LIFE = 15 * 60
SHOWN = 20


def begin(write: bool) -> AbstractContextManager[UnitOfWork]:
    """A transaction of this request, for what takes several."""
    return unit_of_work(write=write)


def read_browser() -> Browser:
    """The browser of this request, with a mark made now when it has none."""
    mark = request.cookies.get(_mark_cookie(), "")
    return Browser(
        request.remote_addr or "",
        request.headers.get("User-Agent", ""),
        mark if 20 <= len(mark) <= 100 else secrets.token_urlsafe(32),
    )


def step_cookie() -> str:
    """The name of the cookie of a half-done sign-in."""
    return f"{session_cookie(current_app)}-step"


def set_session_cookie(response: Any, new: NewSession, browser: Browser) -> None:
    """Let the browser carry a session, and be known the next time; a half-done sign-in is over."""
    set_cookie(response, session_cookie(current_app), new.token, expires=new.expires_at)
    set_cookie(response, _mark_cookie(), browser.mark, max_age=MARK_LIFE)
    if step_cookie() in request.cookies:
        response.delete_cookie(
            step_cookie(), path="/", secure=current_app.config["SESSION_COOKIE_SECURE"]
        )


def set_step_cookie(response: Any, token: str) -> None:
    """Let the browser carry a half-done sign-in."""
    set_cookie(response, step_cookie(), token, max_age=STEP_LIFE)


def set_cookie(response: Any, name: str, value: str, **life: Any) -> None:
    """Set a cookie that no script reads, for this site alone; ``life`` says until when."""
    response.set_cookie(
        name,
        value,
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
        path="/",
        **life,
    )


def _mark_cookie() -> str:
    return f"{session_cookie(current_app)}-device"


def recent_sessions(
    uow: UnitOfWork, user_id: int, *, only_open: bool = False
) -> list[dict[str, Any]]:
    """A person's sessions, newest first: ``{"id", "agent", "address", "began", "seen", "is_open", "is_this"}``."""
    table, zone, now = session_table, reader_of(uow).zone, uow.now()
    is_open = table.c.revoked_at.is_(None) & (table.c.expires_at > now)
    statement = select(table, is_open.label("is_open")).where(table.c.user_id == user_id)
    if only_open:
        statement = statement.where(is_open).order_by(table.c.seen_at.desc())
    rows = uow.execute(statement.order_by(table.c.id.desc()).limit(SHOWN))
    return [
        {
            "id": row.id,
            "agent": browser_name(row.agent),
            "address": row.address,
            "began": format_datetime(row.created_at, zone),
            "seen": format_datetime(row.seen_at, zone),
            "is_open": bool(row.is_open),
            "is_this": row.id == uow.actor.session_id,
        }
        for row in rows
    ]
