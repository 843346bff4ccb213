"""How a person signs in: password, sessions and API tokens, as an administrator handles them."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request, url_for
from sqlalchemy import select

from core.admin import blueprint
from core.admin.display import moment
from core.entities.query import get
from core.errors import Invalid, NotFound
from core.http.asking import ask
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.http.sign_ins import recent_sessions
from core.i18n import gettext as _
from core.i18n import ngettext
from core.security.authentication import end_one_session, end_sessions_of
from core.security.credentials import set_password
from core.security.locks import locks_of, release
from core.security.models import api_token_table, credential_table
from core.security.reset import invite
from core.security.second_factor import remove_second_factor, second_factor_of
from core.security.tokens import revoke_token
from core.settings.service import get_setting
from core.work.uow import UnitOfWork

__all__ = ["account"]


def account(uow: UnitOfWork, user_id: int) -> dict[str, Any]:
    """Since when there is a password and a second factor, locks, the latest sessions, and the tokens."""
    tokens, credentials = api_token_table, credential_table
    stored = uow.execute(
        select(credentials.c.changed_at, credentials.c.must_change).where(
            credentials.c.user_id == user_id
        )
    ).one_or_none()
    factor, sessions = second_factor_of(uow, user_id), recent_sessions(uow, user_id)
    rows = uow.execute(
        select(tokens).where(tokens.c.user_id == user_id).order_by(tokens.c.id.desc()).limit(100)
    )
    return {
        "password_since": moment(stored.changed_at) if stored else "",
        "must_change": bool(stored and stored.must_change),
        "factor_since": moment(factor.since) if factor else "",
        "locks": [
            {"place": lock.place, "since": moment(lock.since), "until": moment(lock.until)}
            for lock in locks_of(uow, user_id)
        ],
        "has_mail": uow.runtime.config.smtp_url is not None,
        "sessions": sessions,
        "open": sum(each["is_open"] for each in sessions),
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
            set_password(
                uow,
                key,
                password,
                email=person["email"],
                name=person["name"],
                must_change="must_change" in request.form,
            )
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
        shortest = get_setting(uow, "core_sign_in", "password_length")
    return render(
        "core/admin/password.html", key=key, name=person["name"], shortest=shortest, error=error
    )


@blueprint.get("/people/<int:key>/sign-out")
@requires("admin")
def confirm_sign_out(key: int) -> Any:
    """Ask before all sessions of a person end."""
    return _ask_to_end(key, url_for("admin.sign_person_out", key=key), _("Sign out everywhere"))


def _ask_to_end(key: int, action: str, label: str) -> str:
    with unit_of_work(write=False) as uow:
        name = get(uow, "user", key).values["name"]
    text = _("Whoever works there has to sign in again.")
    back = url_for("admin.edit_person", key=key)
    title = _("Sign %(name)s out?", name=name)
    return ask(title, text, action=action, label=label, back=back, crumb=name)


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


@blueprint.get("/people/<int:key>/sessions/<int:session>/end")
@requires("admin")
def confirm_end_session(key: int, session: int) -> Any:
    """Ask before one session of a person ends."""
    action = url_for("admin.end_person_session", key=key, session=session)
    return _ask_to_end(key, action, _("End"))


@blueprint.post("/people/<int:key>/sessions/<int:session>/end")
@requires("admin")
def end_person_session(key: int, session: int) -> Any:
    """End one session of a person."""
    with unit_of_work() as uow:
        end_one_session(uow, key, session)
    flash(_("The session is ended."), "good")
    return redirect(url_for("admin.edit_person", key=key))


@blueprint.post("/people/<int:key>/invite")
@requires("admin")
def invite_person(key: int) -> Any:
    """Mail a person the link to choose a password."""
    with unit_of_work() as uow:
        person = get(uow, "user", key).values
        invite(uow, key)
    flash(_("A mail with a link goes to %(email)s.", email=person["email"]), "good")
    return redirect(url_for("admin.edit_person", key=key))


@blueprint.post("/people/<int:key>/unlock")
@requires("admin")
def unlock_person(key: int) -> Any:
    """Let a person sign in again before a lock is over."""
    with unit_of_work() as uow:
        name = get(uow, "user", key).values["name"]
        release(uow, key)
    flash(_("%(name)s can sign in again.", name=name), "good")
    return redirect(url_for("admin.edit_person", key=key))


@blueprint.get("/people/<int:key>/second-factor/reset")
@requires("admin")
def confirm_reset_factor(key: int) -> Any:
    """Ask before a person's second factor is taken away."""
    with unit_of_work() as uow:
        name = get(uow, "user", key).values["name"]
    return render(
        "core/admin/confirm.html",
        title=_("Reset the second factor of %(name)s?", name=name),
        text=_(
            "From then on the password alone signs this person in, until another second factor is "
            "set up. Be sure who asks you for it. All sessions of the person end."
        ),
        items=[],
        action=url_for("admin.reset_factor", key=key),
        label=_("Reset"),
        kind="danger",
        back=url_for("admin.edit_person", key=key),
        crumb=name,
    )


@blueprint.post("/people/<int:key>/second-factor/reset")
@requires("admin")
def reset_factor(key: int) -> Any:
    """Take away the second factor of who has lost phone and recovery codes."""
    with unit_of_work() as uow:
        name = get(uow, "user", key).values["name"]
        remove_second_factor(uow, key)
    flash(_("The second factor of %(name)s was reset.", name=name), "good")
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
