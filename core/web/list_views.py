"""Saving the state of a list under a name, and what can be done with a saved view."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import redirect, request, url_for

from core.entities.list_views import (
    choose_first,
    delete_view,
    get_view,
    restore_view,
    save_view,
    update_view,
)
from core.errors import Invalid
from core.http.presenting import tell
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.web import blueprint
from core.web.list_page import own_page, view_url
from core.web.list_state import read_state
from core.web.profile import require_own_session


def _query_sent() -> str:
    """The state that the form tells of, in the form that all states are kept in."""
    pairs = parse_qsl(request.values.get("query", ""), keep_blank_values=True)
    return urlencode(read_state(pairs).pairs())


@blueprint.post("/r/<entity>/views", endpoint="save_view")
@signed_in
def save(entity: str) -> Any:
    """Keep what the list shows under a name; what is wrong with the name is told on the list."""
    require_own_session()
    with unit_of_work(write=True) as uow:
        spec = uow.entity(entity)
        title, shared = request.values.get("title", ""), "shared" in request.values
        try:
            key = save_view(uow, spec, title, _query_sent(), shared=shared)
        except Invalid as error:
            return _back_with(error, spec)
        url = view_url(spec, get_view(uow, spec, key))
    tell(_("The view “%(title)s” is kept.", title=" ".join(title.split())))
    return redirect(url, 303)


@blueprint.post("/r/<entity>/views/<int:key>", endpoint="change_view")
@signed_in
def change(entity: str, key: int) -> Any:
    """Save over it, call it otherwise, share it or keep it to oneself, or begin with it."""
    require_own_session()
    what = request.form.get("what", "")
    with unit_of_work(write=True) as uow:
        spec = uow.entity(entity)
        try:
            match what:
                case "save":
                    update_view(uow, spec, key, query=_query_sent())
                case "rename":
                    update_view(uow, spec, key, title=request.form.get("name", ""))
                case "share" | "unshare":
                    update_view(uow, spec, key, shared=what == "share")
                case "first_for_all":
                    update_view(uow, spec, key, is_first=True)
                case "first":
                    view = get_view(uow, spec, key)
                    choose_first(uow, spec, None if view.is_first else view)
                case _:
                    raise Invalid(_("There is nothing to do."))
        except Invalid as error:
            return _back_with(error, spec)
        if what in ("save", "rename", "share", "unshare"):
            return redirect(view_url(spec, get_view(uow, spec, key)), 303)
    tell(_("The list begins with another view now."))
    return redirect(own_page(request.form.get("back"), spec), 303)


@blueprint.post("/r/<entity>/views/<int:key>/delete", endpoint="delete_view")
@signed_in
def delete(entity: str, key: int) -> Any:
    """Take it away; the message brings it back."""
    require_own_session()
    with unit_of_work(write=True) as uow:
        spec = uow.entity(entity)
        gone = delete_view(uow, spec, key)
    undo = url_for("web.restore_view", entity=entity, key=key)
    tell(_("The view “%(title)s” is deleted.", title=gone.title), undo_url=undo)
    return redirect(url_for("web.list_records", entity=entity, view="all"), 303)


@blueprint.post("/r/<entity>/views/<int:key>/restore", endpoint="restore_view")
@signed_in
def restore(entity: str, key: int) -> Any:
    """Bring back the one that was deleted last."""
    require_own_session()
    try:
        with unit_of_work(write=True) as uow:
            spec = uow.entity(entity)
            url = view_url(spec, restore_view(uow, spec, key))
    except Invalid as error:
        return _back_with(error, spec)
    return redirect(url, 303)


def _back_with(error: Invalid, spec: Any) -> Any:
    tell(error.message, "bad")
    return redirect(own_page(request.values.get("back"), spec), 303)
