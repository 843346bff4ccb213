"""What is asked for between the password and the session: a code, a second factor, a new password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import make_response, redirect, request, url_for

from core.errors import Invalid
from core.http.addresses import safe_target
from core.http.limits import limited
from core.http.presenting import tell
from core.http.qr import grouped, qr_address
from core.http.rendering import render
from core.http.requests import public, unit_of_work
from core.http.sign_ins import begin, read_browser, set_session_cookie, step_cookie
from core.i18n import gettext as _
from core.security.authentication import NewSession, SignInRefused
from core.security.devices import Browser
from core.security.second_factor import set_up_of
from core.security.steps import (
    StepOver,
    choose_password,
    give_code,
    give_first_code,
    read_step,
)
from core.web import blueprint


@blueprint.get("/sign-in/step")
@public
def sign_in_step() -> Any:
    """The form of the next step; whose sign-in is over begins again."""
    return _page("")


@blueprint.post("/sign-in/step")
@public
@limited("code")
def take_sign_in_step() -> Any:
    """Take what was asked for; then the session, or the next step."""
    with unit_of_work(write=False) as uow:
        step = read_step(uow, _token())
    if step is None or step.missing is None:
        return _begin_again()
    try:
        return _TAKE[step.missing](read_browser())
    except SignInRefused as refused:
        return _page(refused.message), 401
    except Invalid as error:
        return _page(" ".join(dict.fromkeys(each.message for each in error.problems))), 422
    except StepOver:
        return _begin_again()


def _take_code(browser: Browser) -> Any:
    return _onwards(give_code(begin, _token(), request.form.get("code", ""), browser), browser)


def _take_first_code(browser: Browser) -> Any:
    with unit_of_work() as uow:
        taken = give_first_code(uow, _token(), request.form.get("code", ""), browser)
    if taken is None:
        raise SignInRefused(_("The code is wrong. Is the time of your phone right?"))
    codes, new = taken
    go_on = _target() if new is not None else url_for("web.sign_in_step", next=_target())
    response = make_response(render("core/recovery_codes.html", codes=codes, go_on=go_on))
    if new is not None:
        set_session_cookie(response, new, browser)
    return response


def _take_password(browser: Browser) -> Any:
    new, again = request.form.get("password", ""), request.form.get("repeated_password", "")
    if new != again:
        raise SignInRefused(_("The two passwords differ."))
    with unit_of_work() as uow:
        return _onwards(choose_password(uow, _token(), new, browser), browser)


_TAKE: dict[str, Callable[[Browser], Any]] = {
    "code": _take_code,
    "set_up": _take_first_code,
    "password": _take_password,
}


def _onwards(new: NewSession | None, browser: Browser) -> Any:
    if new is None:
        return redirect(url_for("web.sign_in_step", next=_target()))
    response = redirect(_target())
    set_session_cookie(response, new, browser)
    return response


def _page(error: str) -> Any:
    with unit_of_work(write=False) as uow:
        step = read_step(uow, _token())
        if step is None or step.missing is None:
            return _begin_again()
        set_up = set_up_of(uow, step.actor) if step.missing == "set_up" else None
    return render(
        "core/sign_in_step.html",
        missing=step.missing,
        email=step.actor.email,
        key=grouped(set_up.secret) if set_up else "",
        qr=qr_address(set_up.uri) if set_up else "",
        uri=set_up.uri if set_up else "",
        next=_target(),
        error=error,
    )


def _begin_again() -> Any:
    tell(_("That took too long. Please sign in again."), "warn")
    return redirect(url_for("web.sign_in_page", next=_target()))


def _token() -> str:
    return request.cookies.get(step_cookie(), "")[:200]


def _target() -> str:
    return safe_target(request.values.get("next"))
