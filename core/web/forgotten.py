"""Forgotten passwords: asking for a link by mail, and setting the password with it."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for

from core.errors import Invalid
from core.http.limits import limited
from core.http.presenting import tell
from core.http.rendering import render
from core.http.requests import public, unit_of_work
from core.i18n import gettext as _
from core.security.reset import LinkOver, ask_for_link, owner_of, redeem
from core.web import blueprint


@blueprint.get("/forgotten")
@public
def forgotten() -> Any:
    """The form that asks for an address."""
    return render("core/forgotten.html", is_sent=False)


@blueprint.post("/forgotten")
@public
@limited("reset")
def ask_for_password() -> Any:
    """The same answer for every address, whether somebody has it or not."""
    with unit_of_work() as uow:
        ask_for_link(uow, request.form.get("email", ""))
    return render("core/forgotten.html", is_sent=True)


@blueprint.get("/password/<token>")
@public
def password_link(token: str) -> Any:
    """The form behind a link; to open it uses nothing up, since mail programs do."""
    return _page(token, "")


@blueprint.post("/password/<token>")
@public
@limited("reset")
def use_password_link(token: str) -> Any:
    """Set the password; who has a second factor is asked for it when signing in."""
    password = request.form.get("password", "")
    if password != request.form.get("repeated_password", ""):
        return _page(token, _("The two passwords differ."))
    try:
        with unit_of_work() as uow:
            redeem(uow, token, password)
    except LinkOver:
        return _page(token, "")
    except Invalid as error:
        return _page(token, " ".join(dict.fromkeys(p.message for p in error.problems)))
    tell(_("The password is set. Sign in with it."))
    return redirect(url_for("web.sign_in_page"), 303)


def _page(token: str, error: str) -> Any:
    with unit_of_work(write=False) as uow:
        owner = owner_of(uow, token)
    email = owner.email if owner else ""
    page = render(
        "core/new_password.html", is_over=owner is None, email=email, token=token, error=error
    )
    return page, LinkOver.status if owner is None else 422 if error else 200
