"""A person's own page: name and language, password, sessions, API tokens."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from sqlalchemy import select, update

from core.audit.recorder import record_act
from core.entities import query, service
from core.errors import Forbidden, Invalid, NotFound, Problem
from core.http.presenting import reader_of, tell
from core.http.rendering import render
from core.http.requests import actor, signed_in, unit_of_work
from core.i18n import LOCALES, ngettext
from core.i18n import gettext as _
from core.i18n.formats import format_datetime
from core.security.authentication import (
    SignInRefused,
    change_password,
    create_token,
    prove,
    revoke_token,
    revoke_tokens_of,
)
from core.security.models import api_token_table, session_table
from core.web import blueprint
from core.web.session import set_session_cookie
from core.work.uow import UnitOfWork

SHOWN_SESSIONS = 20


@blueprint.get("/profile")
@signed_in
def profile() -> Any:
    """One's own page."""
    return _page()


def _page(problems: tuple[Problem, ...] = (), token: str = "") -> str:
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
            sessions=_sessions(uow, me),
            tokens=_tokens(uow, me),
            new_token=token,
            token_title=request.form.get("title", "") if not token else "",
            uow=uow,
        )


def _require_session() -> None:
    """An account is changed by its person: a token stands for a program."""
    if actor().token_scopes is not None:
        raise Forbidden(_("You do not have the right to do this."))


def _sessions(uow: UnitOfWork, person: int) -> list[dict[str, Any]]:
    table, zone = session_table, reader_of(uow).zone
    rows = uow.execute(
        select(table)
        .where(
            table.c.user_id == person, table.c.revoked_at.is_(None), table.c.expires_at > uow.now()
        )
        .order_by(table.c.seen_at.desc())
        .limit(SHOWN_SESSIONS)
    )
    return [
        {
            "id": row.id,
            "agent": _browser(row.agent),
            "address": row.address,
            "seen": format_datetime(row.seen_at, zone),
            "is_this": row.id == uow.actor.session_id,
        }
        for row in rows
    ]


def _browser(agent: str) -> str:
    """The browser and the system of a user agent, in two words."""
    browsers = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("MicroMessenger", "WeChat"),
                ("Chrome/", "Chrome"), ("Safari/", "Safari"))  # fmt: skip
    systems = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"),
               ("Windows", "Windows"), ("Mac OS", "macOS"), ("Linux", "Linux"))  # fmt: skip
    browser = next((name for mark, name in browsers if mark in agent), "")
    system = next((name for mark, name in systems if mark in agent), "")
    return " · ".join(part for part in (browser, system) if part) or _("Unknown browser")


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
    _require_session()
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
        return _page(error.problems), error.status
    tell(_("Saved."))
    return redirect(url_for("web.profile"), 303)


@blueprint.post("/profile/password", endpoint="change_password")
@signed_in
def save_password() -> Any:
    """Set a new password after the old one was given; all other sessions end, this browser stays."""
    _require_session()
    form = request.form
    new = form.get("new_password", "")
    if new != form.get("repeated_password", ""):
        problem = Problem("repeated_password", "differs", _("The two passwords differ."))
        return _page((problem,)), 422
    address, agent = request.remote_addr or "", request.headers.get("User-Agent", "")
    old = form.get("old_password", "")
    try:
        # The old password is checked as at signing in: with the same growing delay.
        proof = prove(lambda write: unit_of_work(write=write), actor().email, old, address=address)
        with unit_of_work() as uow:
            session = change_password(uow, proof, new, address=address, agent=agent)
    except SignInRefused as error:
        return _page((Problem("old_password", "sign_in", error.message),)), 422
    except Invalid as error:
        problems = [Problem("new_password", p.code, p.message) for p in error.problems]
        return _page(tuple(problems)), error.status
    tell(_("The password is changed. All other sessions were ended; API tokens still work."))
    response = redirect(url_for("web.profile"), 303)
    set_session_cookie(response, session)
    return response


@blueprint.post("/profile/sessions/<int:session_id>/end")
@signed_in
def end_own_session(session_id: int) -> Any:
    """End one of one's own sessions."""
    _require_session()
    table = session_table
    with unit_of_work() as uow:
        statement = update(table).where(
            table.c.id == session_id,
            table.c.user_id == uow.actor.user_id,
            table.c.revoked_at.is_(None),
        )
        if not uow.execute(statement.values(revoked_at=uow.now())).rowcount:
            raise NotFound(_("There is no such page."))
        record_act(uow, "sign_out", entity="user", record_ids=[uow.actor.user_id])
    tell(_("The session is ended."))
    return redirect(url_for("web.profile"), 303)


@blueprint.post("/profile/tokens")
@signed_in
def create_own_token() -> Any:
    """Make an API token of one's own; its text is in this one answer and nowhere else."""
    _require_session()
    title = request.form.get("title", "").strip()
    scopes = request.form.get("scopes", "").replace(",", " ").split()
    try:
        with unit_of_work() as uow:
            if not title:
                problem = Problem("title", "required", _("Please fill this in."))
                raise Invalid(problem.message, [problem])
            assert uow.actor.user_id is not None
            token = create_token(uow, uow.actor.user_id, title=title, scopes=scopes or None)
    except Invalid as error:
        return _page(error.problems), error.status
    return _page(token=token.text)


@blueprint.post("/profile/tokens/<int:token_id>/revoke")
@signed_in
def revoke_own_token(token_id: int) -> Any:
    """End an API token of one's own."""
    _require_session()
    table = api_token_table
    with unit_of_work() as uow:
        own = select(table.c.id).where(table.c.id == token_id, table.c.user_id == uow.actor.user_id)
        if uow.execute(own).first() is None or not revoke_token(uow, token_id):
            raise NotFound(_("There is no such page."))
    tell(_("The token is revoked."))
    return redirect(url_for("web.profile"), 303)


@blueprint.post("/profile/tokens/revoke")
@signed_in
def revoke_own_tokens() -> Any:
    """End all API tokens of one's own."""
    _require_session()
    with unit_of_work() as uow:
        assert uow.actor.user_id is not None
        ended = revoke_tokens_of(uow, uow.actor.user_id)
    tell(ngettext("%(n)s token is revoked.", "%(n)s tokens are revoked.", ended))
    return redirect(url_for("web.profile"), 303)
