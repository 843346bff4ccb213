"""The cookies of a session under another's name: one's own session waits beside it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import current_app, request

from core.http.requests import session_cookie
from core.http.sign_ins import set_cookie
from core.security.impersonation import BehindSession

__all__ = ["forget_both", "keep_own", "own_token", "return_to_own"]


def own_token() -> str:
    """The token of one's own session that waits in this browser; empty when there is none."""
    return request.cookies.get(_own_cookie(), "")


def keep_own(response: Any, new: BehindSession) -> None:
    """Let the browser carry the session under another's name, and one's own beside it."""
    name = session_cookie(current_app)
    set_cookie(response, _own_cookie(), request.cookies[name], expires=new.expires_at)
    set_cookie(response, name, new.token, expires=new.expires_at)


def return_to_own(response: Any, until: datetime) -> None:
    """Let the browser carry one's own session again."""
    set_cookie(response, session_cookie(current_app), own_token(), expires=until)
    _forget(response, _own_cookie())


def forget_both(response: Any) -> None:
    """Let the browser carry no session."""
    _forget(response, session_cookie(current_app))
    _forget(response, _own_cookie())


def _own_cookie() -> str:
    return f"{session_cookie(current_app)}-own"


def _forget(response: Any, name: str) -> None:
    response.delete_cookie(name, path="/", secure=current_app.config["SESSION_COOKIE_SECURE"])
