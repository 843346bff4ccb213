"""Signing in as a person, from their page: asked for with a reason."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for

from core.admin import blueprint
from core.entities.query import get
from core.errors import Invalid
from core.http.behind import keep_own
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.security.impersonation import begin


@blueprint.get("/people/<int:key>/sign-in-as")
@requires("admin")
def ask_to_sign_in_as(key: int) -> Any:
    """Ask for the reason, and say what it means."""
    return _page(key)


@blueprint.post("/people/<int:key>/sign-in-as")
@requires("admin")
def sign_in_as(key: int) -> Any:
    """Begin; one's own session waits in the browser."""
    agent = request.headers.get("User-Agent", "")
    try:
        with unit_of_work() as uow:
            reason = request.form.get("reason", "")
            new = begin(uow, key, reason, address=request.remote_addr or "", agent=agent)
    except Invalid as error:
        return _page(key, error.by_field().get("reason", error.message)), error.status
    response = redirect(url_for("web.home"), 303)
    keep_own(response, new)
    return response


def _page(key: int, error: str = "") -> str:
    with unit_of_work(write=False) as uow:
        person = get(uow, "user", key).values
    reason = request.form.get("reason", "")
    return render(
        "core/admin/sign_in_as.html", key=key, name=person["name"], reason=reason, error=error
    )
