"""Ending a session under another's name: the administrator goes on as themselves."""

from __future__ import annotations

from typing import Any

from flask import redirect, url_for

from core.http.behind import forget_both, own_token, return_to_own
from core.http.presenting import tell
from core.http.requests import actor, signed_in, unit_of_work
from core.i18n import gettext as _
from core.security.impersonation import end, own_session_until
from core.web import blueprint


@blueprint.post("/sign-in-as/end")
@signed_in
def end_sign_in_as() -> Any:
    """End it. Whose own session is over by now signs in anew."""
    behind, person = actor().behind, actor().user_id
    if behind is None:
        return redirect(url_for("web.home"), 303)
    with unit_of_work() as uow:
        end(uow)
        until = own_session_until(uow, own_token(), behind)
    if until is None:
        response = redirect(url_for("web.sign_in_page"), 303)
        forget_both(response)
        return response
    tell(_("You are yourself again."))
    response = redirect(url_for("admin.edit_person", key=person), 303)
    return_to_own(response, until)
    return response
