"""A person's own page: name and language, password, sessions, API tokens."""

from __future__ import annotations

import secrets
from typing import Any

from flask import redirect, request, url_for
from sqlalchemy import select

from core.entities import query, service
from core.entities.labels import resolve_labels
from core.errors import Forbidden, Invalid, NotFound, Problem
from core.http.asking import ask
from core.http.presenting import reader_of, tell
from core.http.rendering import render
from core.http.requests import actor, signed_in, unit_of_work
from core.http.sign_ins import begin, read_browser, recent_sessions, set_session_cookie
from core.i18n import LOCALES, ngettext
from core.i18n import gettext as _
from core.i18n.formats import format_datetime
from core.security.authentication import (
    SignInRefused,
    change_password,
    end_one_session,
    prove,
)
from core.security.impersonation import visits
from core.security.models import api_token_table
from core.security.second_factor import is_required, second_factor_of
from core.security.tokens import create_token, revoke_token, revoke_tokens_of
from core.web import blueprint
from core.work.idempotency import keep_answer, was_used
from core.work.uow import UnitOfWork


@blueprint.get("/profile")
@signed_in
def profile() -> Any:
    """One's own page."""
    return profile_page()


def profile_page(problems: tuple[Problem, ...] = (), token: str = "") -> str:
    """One's own page with what is wrong in its forms, and a token that was just made."""
    errors = {problem.field: problem.message for problem in reversed(problems)}
    with unit_of_work(write=False) as uow:
        me = uow.actor.user_id
        assert me is not None
        with uow.elevated():
            person = query.get(uow, "user", me).values
        return render(
            "core/profile.html",
            person=person,
            name=request.form.get("name", person["name"]),
            email=person["email"],
            errors=errors,
            sessions=recent_sessions(uow, me, only_open=True),
            factor=_second_factor(uow, me),
            needs_factor=is_required(uow, uow.actor),
            visits=_visits(uow, me),
            tokens=_tokens(uow, me),
            new_token=token,
            token_title=request.form.get("title", "") if not token else "",
            once=secrets.token_urlsafe(16),
            uow=uow,
        )


def require_own_session() -> None:
    """An account, and what its person prefers, is changed by its person: a token stands for a program,
    and nobody for another."""
    who = actor()
    if who.behind is not None:
        raise Forbidden(_("You are signed in as somebody else: only the person does this."))
    if not who.is_oneself:
        raise Forbidden(_("You do not have the right to do this."))


def _visits(uow: UnitOfWork, person: int) -> list[dict[str, str]]:
    """When administrators signed in as the person, and why."""
    found, zone = visits(uow, person), reader_of(uow).zone
    names = resolve_labels(uow, {"user": {one.by for one in found}}).get("user", {})
    return [
        {
            "name": names.get(one.by, f"#{one.by}"),
            "when": format_datetime(one.at, zone),
            "reason": one.reason,
        }
        for one in found
    ]


def _second_factor(uow: UnitOfWork, person: int) -> dict[str, Any] | None:
    found = second_factor_of(uow, person)
    if found is None:
        return None
    since = format_datetime(found.since, reader_of(uow).zone)
    return {"since": since, "codes_left": found.codes_left}


def _tokens(uow: UnitOfWork, person: int) -> list[dict[str, Any]]:
    table, zone = api_token_table, reader_of(uow).zone
    rows = uow.execute(
        select(table)
        .where(table.c.user_id == person, table.c.revoked_at.is_(None))
        .order_by(table.c.id.desc())
    )
    now = uow.now()
    return [
        {
            "id": row.id,
            "title": row.title,
            "scopes": ", ".join(row.scopes),
            "created": format_datetime(row.created_at, zone),
            "used": format_datetime(row.used_at, zone) if row.used_at else "",
            "expires": format_datetime(row.expires_at, zone) if row.expires_at else "",
            "is_over": row.expires_at is not None and row.expires_at <= now,
        }
        for row in rows
    ]


@blueprint.post("/profile")
@signed_in
def save_profile() -> Any:
    """Change one's own name and language."""
    require_own_session()
    locale = request.form.get("locale", "")
    values = {"name": request.form.get("name", "")}
    if locale in LOCALES:
        values["locale"] = locale
    try:
        with unit_of_work() as uow:
            me = uow.actor.user_id
            assert me is not None
            with uow.elevated():  # everybody may say what they are called
                service.update(uow, "user", {me: values})
    except Invalid as error:
        return profile_page(error.problems), error.status
    tell(_("Saved."))
    return redirect(url_for("web.profile"), 303)


@blueprint.post("/profile/password", endpoint="change_password")
@signed_in
def save_password() -> Any:
    """Set a new password after the old one was given; all other sessions end, this browser stays."""
    require_own_session()
    form = request.form
    new = form.get("new_password", "")
    if new != form.get("repeated_password", ""):
        problem = Problem("repeated_password", "differs", _("The two passwords differ."))
        return profile_page((problem,)), 422
    browser, old = read_browser(), form.get("old_password", "")
    try:
        # The old password is checked as at signing in: with the same growing delay.
        proof = prove(begin, actor().email, old, address=browser.address)
        with unit_of_work() as uow:
            session = change_password(uow, proof, new, browser)
    except SignInRefused as error:
        return profile_page((Problem("old_password", "sign_in", error.message),)), 422
    except Invalid as error:
        problems = [Problem("new_password", p.code, p.message) for p in error.problems]
        return profile_page(tuple(problems)), error.status
    tell(_("The password is changed. All other sessions were ended; API tokens still work."))
    response = redirect(url_for("web.profile"), 303)
    set_session_cookie(response, session, browser)
    return response


@blueprint.get("/profile/sessions/<int:session_id>/end")
@signed_in
def confirm_end_own_session(session_id: int) -> Any:
    """Ask before one of one's own sessions ends."""
    require_own_session()
    with unit_of_work(write=False) as uow:
        assert uow.actor.user_id is not None
        sessions = recent_sessions(uow, uow.actor.user_id, only_open=True)
    agent = next((each["agent"] for each in sessions if each["id"] == session_id), None)
    if agent is None:
        raise NotFound(_("There is no such page."))
    return _ask(
        _("End the session in %(browser)s?", browser=agent),
        _("Whoever works there has to sign in again."),
        url_for("web.end_own_session", session_id=session_id),
        _("End"),
    )


def _ask(title: str, text: str, action: str, label: str) -> str:
    back = url_for("web.profile")
    return ask(title, text, action=action, label=label, back=back, crumb=_("Your profile"))


@blueprint.post("/profile/sessions/<int:session_id>/end")
@signed_in
def end_own_session(session_id: int) -> Any:
    """End one of one's own sessions."""
    require_own_session()
    with unit_of_work() as uow:
        assert uow.actor.user_id is not None
        end_one_session(uow, uow.actor.user_id, session_id)
    tell(_("The session is ended."))
    return redirect(url_for("web.profile"), 303)


@blueprint.post("/profile/tokens")
@signed_in
def create_own_token() -> Any:
    """Make an API token of one's own; its text is in this one answer and nowhere else.

    The page that shows it, loaded again, makes no second one.
    """
    require_own_session()
    title = request.form.get("title", "").strip()
    scopes = request.form.get("scopes", "").replace(",", " ").split()
    once = request.form.get("once", "")[:60]
    try:
        with unit_of_work() as uow:
            if once and was_used(uow, f"token:{once}"):
                tell(_("The token was made already, and is shown only once."), "warn")
                return redirect(url_for("web.profile"), 303)
            if not title:
                problem = Problem("title", "required", _("Please fill this in."))
                raise Invalid(problem.message, [problem])
            assert uow.actor.user_id is not None
            token = create_token(uow, uow.actor.user_id, title=title, scopes=scopes or None)
            if once:
                keep_answer(uow, f"token:{once}", "", 303, "")
    except Invalid as error:
        return profile_page(error.problems), error.status
    return profile_page(token=token.text)


@blueprint.get("/profile/tokens/<int:token_id>/revoke")
@signed_in
def confirm_revoke_own_token(token_id: int) -> Any:
    """Ask before an API token of one's own ends."""
    require_own_session()
    with unit_of_work(write=False) as uow:
        title = _token_title(uow, token_id)
    return _ask(
        _("Revoke the token %(title)s?", title=title),
        _("Programs that use it are refused from now on. This cannot be taken back."),
        url_for("web.revoke_own_token", token_id=token_id),
        _("Revoke"),
    )


def _token_title(uow: UnitOfWork, token_id: int) -> str:
    """What a token of one's own is for; `NotFound` for another, and for one that has ended."""
    c = api_token_table.c
    own = select(c.title).where(c.id == token_id, c.user_id == uow.actor.user_id)
    found = uow.execute(own.where(c.revoked_at.is_(None))).scalar_one_or_none()
    if found is None:
        raise NotFound(_("There is no such page."))
    return str(found) or f"#{token_id}"


@blueprint.post("/profile/tokens/<int:token_id>/revoke")
@signed_in
def revoke_own_token(token_id: int) -> Any:
    """End an API token of one's own."""
    require_own_session()
    with unit_of_work() as uow:
        _token_title(uow, token_id)
        revoke_token(uow, token_id)
    tell(_("The token is revoked."))
    return redirect(url_for("web.profile"), 303)


@blueprint.get("/profile/tokens/revoke")
@signed_in
def confirm_revoke_own_tokens() -> Any:
    """Ask before all API tokens of one's own end."""
    require_own_session()
    return _ask(
        _("Revoke all your tokens?"),
        _("Programs that use them are refused from now on. This cannot be taken back."),
        url_for("web.revoke_own_tokens"),
        _("Revoke all"),
    )


@blueprint.post("/profile/tokens/revoke")
@signed_in
def revoke_own_tokens() -> Any:
    """End all API tokens of one's own."""
    require_own_session()
    with unit_of_work() as uow:
        assert uow.actor.user_id is not None
        ended = revoke_tokens_of(uow, uow.actor.user_id)
    tell(ngettext("%(n)s token is revoked.", "%(n)s tokens are revoked.", ended))
    return redirect(url_for("web.profile"), 303)
