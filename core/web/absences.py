"""One's own absences, and who stands in meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import redirect, request, url_for

from core.entities import query, service
from core.entities.form_reading import read_fields
from core.entities.labels import resolve_labels
from core.errors import Forbidden, Invalid, NotFound
from core.fields import FieldSpec
from core.http.presenting import draw_controls, input_context, tell
from core.http.rendering import render
from core.http.requests import actor, signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_date
from core.security.oneself import require_oneself
from core.web import blueprint
from core.work.uow import UnitOfWork

FIELDS = ("starts_on", "ends_on", "deputy", "reason")


@blueprint.get("/profile/absences")
@signed_in
def own_absences() -> Any:
    """The list, and the form for one more."""
    if actor().token_scopes is not None:
        raise _not_by_token()
    return _page()


@blueprint.post("/profile/absences")
@signed_in
def add_absence() -> Any:
    """Add one; the deputy reaches one's records from its first to its last day."""
    try:
        with unit_of_work() as uow:
            me = _oneself(uow)
            values, problems = read_fields(input_context(uow), _fields(uow), request.form)
            if problems:
                raise Invalid(_("Please correct what is marked."), problems)
            with uow.elevated():  # everybody says when they are away
                service.create(uow, "absence", [{**values, "user": me}])
    except Invalid as error:
        return _page(error.by_field()), error.status
    tell(_("Saved."))
    return redirect(url_for("web.own_absences"), 303)


@blueprint.post("/profile/absences/<int:key>/remove")
@signed_in
def remove_absence(key: int) -> Any:
    """Remove one of one's own: nobody stands in any more. The message brings it back."""
    with unit_of_work() as uow:
        me = _oneself(uow)
        if key not in {each["id"] for each in _absences(uow, me)}:
            raise NotFound(_("There is no such page."))
        with uow.elevated():
            service.delete(uow, "absence", [key])
    tell(_("The absence is removed."), undo_url=url_for("web.restore_absence", key=key))
    return redirect(url_for("web.own_absences"), 303)


@blueprint.post("/profile/absences/<int:key>/restore")
@signed_in
def restore_absence(key: int) -> Any:
    """Bring back one of one's own that was removed."""
    try:
        with unit_of_work() as uow:
            me = _oneself(uow)
            with uow.elevated():
                if query.get(uow, "absence", key, archived=True).values["user"] != me:
                    raise NotFound(_("There is no such page."))
                service.restore(uow, "absence", [key])
    except Invalid as error:  # another one lies in that time by now
        tell(error.message, "bad")
    return redirect(url_for("web.own_absences"), 303)


def _oneself(uow: UnitOfWork) -> int:
    """Who asks, in person: to name a deputy passes rights on."""
    require_oneself(uow)
    if uow.actor.user_id is None or uow.actor.token_scopes is not None:
        raise _not_by_token()
    return uow.actor.user_id


def _not_by_token() -> Forbidden:
    return Forbidden(_("You do not have the right to do this."))


def _fields(uow: UnitOfWork) -> list[FieldSpec]:
    spec = uow.entity("absence")
    return [spec[name] for name in FIELDS]


def _absences(uow: UnitOfWork, me: int) -> Sequence[dict[str, Any]]:
    with uow.elevated():
        return list(query.get(uow, "user", me).values["absences"])


def _page(errors: Mapping[str, str] | None = None) -> str:
    with unit_of_work(write=False) as uow:
        assert uow.actor.user_id is not None
        found = sorted(
            _absences(uow, uow.actor.user_id), key=lambda each: each["starts_on"], reverse=True
        )
        deputies = {each["deputy"] for each in found if each["deputy"] is not None}
        names = resolve_labels(uow, {"user": deputies}).get("user", {})
        today = uow.clock.today()
        rows = [
            {
                "id": each["id"],
                "period": f"{format_date(each['starts_on'])} – {format_date(each['ends_on'])}",
                "reason": each["reason"],
                "deputy": names.get(each["deputy"], ""),
                "is_now": each["starts_on"] <= today <= each["ends_on"],
            }
            for each in found
        ]
        controls = draw_controls(input_context(uow), _fields(uow), {}, errors or {}, {})
        message = (errors or {}).get("", "")
        return render("core/absences.html", absences=rows, controls=controls, message=message)
