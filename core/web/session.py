"""Signing in and out, and what a reader chooses for the browser: language and appearance."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import current_app, redirect, request, url_for

from core.entities import service
from core.http.addresses import page_before, safe_target
from core.http.limits import limited
from core.http.rendering import COLOR_SCHEMES, render
from core.http.requests import actor, public, session_cookie, signed_in, unit_of_work
from core.http.sign_ins import begin, read_browser, set_session_cookie, set_step_cookie
from core.i18n import LOCALES
from core.security.authentication import SignInRefused, end_session, prove
from core.security.devices import Browser
from core.security.steps import NewStep, sign_in
from core.web import blueprint
from core.web.profile import require_own_session

YEAR = 365 * 24 * 3600


@blueprint.get("/sign-in")
@public
def sign_in_page() -> Any:
    """The form; who is signed in already goes on."""
    target = safe_target(request.args.get("next"))
    if not actor().is_anonymous:
        return redirect(target)
    return _page(target)


@blueprint.post("/sign-in", endpoint="sign_in")
@public
@limited("sign_in")
def sign_in_submit() -> Any:
    """Check the password; a session is made and its cookie set, or the next step is asked for."""
    email, password = request.form.get("email", ""), request.form.get("password", "")
    target, browser = safe_target(request.form.get("next")), read_browser()
    try:
        new = _begin(email, password, browser)
    except SignInRefused as refused:
        return _page(target, email, refused.message), 401
    if isinstance(new, NewStep):
        response = redirect(url_for("web.sign_in_step", next=target))
        set_step_cookie(response, new.token)
        return response
    response = redirect(target)
    set_session_cookie(response, new, browser)
    return response


def _page(target: str, email: str = "", error: str = "") -> str:
    """The form; who comes from one of our forms is told that what they typed waits for them."""
    is_kept = "draft" in parse_qs(urlsplit(target).query)
    return render("core/sign_in.html", email=email, next=target, error=error, is_kept=is_kept)


def _begin(email: str, password: str, browser: Browser) -> Any:
    """A new session, or a step towards one; the session that this browser had ends."""
    proof = prove(begin, email, password, address=browser.address)
    with unit_of_work() as uow:
        return sign_in(uow, proof, browser, instead_of=actor().session_id)


@blueprint.post("/sign-out")
@signed_in
def sign_out() -> Any:
    """End the session in the database and forget the cookie."""
    if actor().behind is not None:
        return redirect(url_for("web.end_sign_in_as"), 307)  # back to oneself
    session_id = actor().session_id
    if session_id is not None:
        with unit_of_work() as uow:
            end_session(uow, session_id)
    response = redirect(url_for("web.sign_in_page"))
    response.delete_cookie(session_cookie(current_app), path="/")
    response.headers["Clear-Site-Data"] = '"storage"'
    return response


@blueprint.post("/language")
@public
def set_language() -> Any:
    """Switch the language: for good when signed in, in a cookie before that."""
    locale = request.form.get("locale", "")
    response = redirect(_back())
    if locale in LOCALES:
        me = actor().user_id
        if me is not None:
            require_own_session()
            with unit_of_work() as uow, uow.elevated():
                service.update(uow, "user", {me: {"locale": locale}})
        response.set_cookie("locale", locale, max_age=YEAR, samesite="Lax", path="/")
    return response


@blueprint.post("/appearance")
@public
def set_color_scheme() -> Any:
    """Light, dark, or as the device."""
    scheme = request.form.get("color_scheme", "")
    response = redirect(_back())
    if scheme in COLOR_SCHEMES:
        response.set_cookie("color_scheme", scheme, max_age=YEAR, samesite="Lax", path="/")
    return response


@blueprint.post("/keyboard")
@signed_in
def set_single_keys() -> Any:
    """Whether keys without Ctrl do something: who speaks to the machine may want that they do not."""
    response = redirect(_back())
    wanted = "off" if request.form.get("single_keys") == "off" else "on"
    response.set_cookie("single_keys", wanted, max_age=YEAR, samesite="Lax", path="/")
    return response


@blueprint.post("/navigation")
@signed_in
def set_navigation() -> Any:
    """Whether the navigation is folded to its icons."""
    response = redirect(_back())
    wanted = "narrow" if request.form.get("navigation") == "narrow" else "wide"
    response.set_cookie("navigation", wanted, max_age=YEAR, samesite="Lax", path="/")
    return response


def _back() -> str:
    """Where the reader came from, when that is one of our own pages."""
    return safe_target(page_before())
