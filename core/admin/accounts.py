"""How a person signs in: password, sessions and API tokens, as an administrator handles them."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request, url_for
from sqlalchemy import func, select

from core.admin import blueprint
from core.admin.display import moment
from core.entities.query import get
from core.errors import Invalid, NotFound
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import gettext as _
from core.i18n import ngettext
from core.security.authentication import end_sessions_of, revoke_token, set_password
from core.security.models import api_token_table, credential_table, session_table
from core.work.uow import UnitOfWork

__all__ = ["account"]


def account(uow: UnitOfWork, user_id: int) -> dict[str, Any]:
    """Since when there is a password, how many sessions are open, and the tokens, newest first."""
    sessions, tokens, credentials = session_table, api_token_table, credential_table
    open_ = select(func.count(), func.max(sessions.c.seen_at)).where(
        sessions.c.user_id == user_id,
        sessions.c.revoked_at.is_(None),
        sessions.c.expires_at > uow.now(),
    )
    count, seen = tuple(uow.execute(open_).one())
    changed = select(credentials.c.changed_at).where(credentials.c.user_id == user_id)
    rows = uow.execute(
        select(tokens).where(tokens.c.user_id == user_id).order_by(tokens.c.id.desc()).limit(100)
    )
    return {
        "password_since": moment(uow.execute(changed).scalar_one_or_none()),
        "sessions": count,
        "seen": moment(seen),
        "tokens": [_token(row, uow) for row in rows],
    }


def _token(row: Any, uow: UnitOfWork) -> dict[str, Any]:
    over = row.expires_at is not None and row.expires_at <= uow.now()
    state = "revoked" if row.revoked_at else "over" if over else "good"
    return {
        "id": row.id,
        "title": row.title or f"#{row.id}",
        "scopes": ", ".join(row.scopes),
        "created": moment(row.created_at),
        "used": moment(row.used_at),
        "expires": moment(row.expires_at),
        "state": state,
    }


@blueprint.get("/people/<int:key>/password")
@requires("admin")
def password_form(key: int) -> Any:
    """Set another password."""
    return _password_page(key, "")


@blueprint.post("/people/<int:key>/password")
@requires("admin")
def put_password(key: int) -> Any:
    """Set it; the person's sessions end, and the API tokens of anybody but oneself."""
    try:
        with unit_of_work() as uow:
            person = get(uow, "user", key).values
            password = request.form.get("password", "")
            set_password(uow, key, password, email=person["email"], name=person["name"])
    except Invalid as error:
        problems = " ".join(dict.fromkeys(problem.message for problem in error.problems))
        return _password_page(key, problems or error.by_field()[""]), 422
    flash(
        _(
            "The password was set. All sessions and API tokens of %(name)s have ended.",
            name=person["name"],
        ),
        "good",
    )
    return redirect(url_for("admin.edit_person", key=key))


def _password_page(key: int, error: str) -> str:
    with unit_of_work(write=False) as uow:
        person = get(uow, "user", key).values
    return render("core/admin/password.html", key=key, name=person["name"], error=error)


@blueprint.post("/people/<int:key>/sign-out")
@requires("admin")
def sign_person_out(key: int) -> Any:
    """End all sessions of a person."""
    with unit_of_work() as uow:
        name = get(uow, "user", key).values["name"]
        ended = end_sessions_of(uow, key)
    text = ngettext(
        "%(n)s session of %(name)s ended.", "%(n)s sessions of %(name)s ended.", ended, name=name
    )
    flash(text, "good")
    return redirect(url_for("admin.edit_person", key=key))


@blueprint.get("/people/<int:key>/tokens/<int:token>/revoke")
@requires("admin")
def confirm_revoke_token(key: int, token: int) -> Any:
    """Ask before a token ends."""
    with unit_of_work() as uow:
        name = get(uow, "user", key).values["name"]
        title = _token_title(uow, key, token)
    return render(
        "core/admin/confirm.html",
        title=_("Revoke the token %(title)s?", title=title),
        text=_("Programs that use it are refused from now on. This cannot be taken back."),
        items=[],
        action=url_for("admin.revoke_person_token", key=key, token=token),
        label=_("Revoke"),
        kind="danger",
        back=url_for("admin.edit_person", key=key),
        crumb=name,
    )


@blueprint.post("/people/<int:key>/tokens/<int:token>/revoke")
@requires("admin")
def revoke_person_token(key: int, token: int) -> Any:
    """End a token of that person."""
    with unit_of_work() as uow:
        title = _token_title(uow, key, token)
        revoke_token(uow, token)
    flash(_("The token %(title)s was revoked.", title=title), "good")
    return redirect(url_for("admin.edit_person", key=key))


def _token_title(uow: UnitOfWork, key: int, token: int) -> str:
    table = api_token_table
    found = uow.execute(
        select(table.c.title).where(table.c.id == token, table.c.user_id == key)
    ).scalar_one_or_none()
    if found is None:
        raise NotFound(_("There is no such token."))
    return str(found) or f"#{token}"
