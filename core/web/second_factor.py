"""A person's own second factor: setting it up, other recovery codes, turning it off."""

from __future__ import annotations

from typing import Any

from flask import make_response, redirect, request, url_for

from core.errors import Problem
from core.http.limits import limited
from core.http.presenting import tell
from core.http.qr import grouped, qr_address
from core.http.rendering import render
from core.http.requests import actor, signed_in, unit_of_work
from core.http.sign_ins import begin, read_browser, set_session_cookie
from core.i18n import gettext as _
from core.security.authentication import (
    Proof,
    SignInRefused,
    accept,
    open_session,
    prove,
    prove_code,
)
from core.security.second_factor import (
    begin_set_up,
    confirm_set_up,
    is_required,
    new_recovery_codes,
    remove_second_factor,
    set_up_of,
)
from core.web import blueprint
from core.web.profile import profile_page, require_own_session


@blueprint.post("/profile/second-factor/begin")
@signed_in
def begin_second_factor() -> Any:
    """Make a key that waits for its first code."""
    require_own_session()
    with unit_of_work() as uow:
        begin_set_up(uow, _me())
    return redirect(url_for("web.second_factor"), 303)


@blueprint.get("/profile/second-factor")
@signed_in
def second_factor() -> Any:
    """The key, as a picture and as text, and the form for its first code."""
    require_own_session()
    return _page({})


@blueprint.post("/profile/second-factor")
@signed_in
@limited("code")
def confirm_second_factor() -> Any:
    """Turn it on with the password and a first code; all other sessions end, this browser stays."""
    require_own_session()
    browser = read_browser()
    try:
        proof = _prove_password()
    except SignInRefused as refused:
        return _page({"password": refused.message}), 422
    with unit_of_work() as uow:
        who = accept(uow, proof)
        codes = confirm_set_up(uow, proof.user_id, request.form.get("code", ""))
        session = None if codes is None else open_session(uow, who, browser)
    if session is None:
        return _page({"code": _("The code is wrong. Is the time of your phone right?")}), 422
    response = make_response(
        render("core/recovery_codes.html", codes=codes, go_on=url_for("web.profile"))
    )
    set_session_cookie(response, session, browser)
    return response


@blueprint.post("/profile/second-factor/codes")
@signed_in
@limited("code")
def renew_recovery_codes() -> Any:
    """Other recovery codes, for the password and a code; shown in this one answer."""
    require_own_session()
    try:
        proof = _prove_both()
    except SignInRefused as refused:
        return _refused(refused)
    with unit_of_work() as uow:
        accept(uow, proof)
        codes = new_recovery_codes(uow, proof.user_id)
    return render("core/recovery_codes.html", codes=codes, go_on=url_for("web.profile"))


@blueprint.post("/profile/second-factor/off")
@signed_in
@limited("code")
def turn_off_second_factor() -> Any:
    """Turn it off, for the password and a code; all other sessions end, this browser stays.

    Who has to have one signs in again, and sets up another there.
    """
    require_own_session()
    browser = read_browser()
    try:
        proof = _prove_both()
    except SignInRefused as refused:
        return _refused(refused)
    with unit_of_work() as uow:
        who = accept(uow, proof)
        remove_second_factor(uow, proof.user_id)
        session = None if is_required(uow, who) else open_session(uow, who, browser)
    if session is None:
        return redirect(url_for("web.sign_in_page"), 303)
    tell(_("The second factor is off. All other sessions were ended."))
    response = redirect(url_for("web.profile"), 303)
    set_session_cookie(response, session, browser)
    return response


def _me() -> int:
    me = actor().user_id
    assert me is not None
    return me


def _prove_password() -> Proof:
    password, address = request.form.get("password", ""), request.remote_addr or ""
    return prove(begin, actor().email, password, address=address)


def _prove_both() -> Proof:
    """The password first: a code is used up by being right."""
    proof = _prove_password()
    code, address = request.form.get("code", ""), request.remote_addr or ""
    prove_code(begin, proof.user_id, code, address=address)
    return proof


def _refused(refused: SignInRefused) -> Any:
    return profile_page((Problem("second_factor", "sign_in", refused.message),)), 422


def _page(errors: dict[str, str]) -> Any:
    with unit_of_work(write=False) as uow:
        set_up = set_up_of(uow, uow.actor)
    if set_up is None:
        return redirect(url_for("web.profile"))
    return render(
        "core/second_factor.html",
        key=grouped(set_up.secret),
        qr=qr_address(set_up.uri),
        uri=set_up.uri,
        email=actor().email,
        errors=errors,
    )
