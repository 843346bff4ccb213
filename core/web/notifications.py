"""The bell: what a person is told of, opened, read, put off, and chosen."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from flask import redirect, request, url_for

from core.clock import Clock
from core.errors import Invalid
from core.http.addresses import list_url, read_number, record_url
from core.http.presenting import page_url, reader_of, tell
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.i18n.formats import format_datetime
from core.notifications.service import (
    choose_kinds,
    kinds,
    latest,
    mark_read,
    put_off,
    read_all,
    unread_again,
    unwanted_kinds,
)
from core.web import blueprint
from core.web.profile import require_own_session

PAGE = 50
MORNING = time(9)
PUT_OFF = (
    ("hour", _l("In an hour")),
    ("tomorrow", _l("Tomorrow at nine")),
    ("monday", _l("On Monday at nine")),
)


@blueprint.get("/notifications")
@signed_in
def notifications() -> Any:
    """The reader's, the newest first; those that were put off come back when they are due."""
    with unit_of_work(write=False) as uow:
        found = latest(uow, PAGE + 1, before=_place(request.args.get("before", "")))
        shown, zone = found[:PAGE], reader_of(uow).zone
        unwanted = unwanted_kinds(uow)
        last = shown[-1] if len(found) > PAGE else None
        return render(
            "core/notifications.html",
            items=[(each, format_datetime(each.at, zone)) for each in shown],
            is_first_page="before" not in request.args,
            next_url=last and url_for("web.notifications", before=_mark(last.due_at, last.id)),
            put_off=PUT_OFF,
            kinds=[(kind, name not in unwanted) for name, kind in sorted(kinds(uow).items())],
        )


def _mark(moment: datetime, key: int) -> str:
    return f"{moment.isoformat()}~{key}"


def _place(text: str) -> tuple[datetime, int] | None:
    moment, _tilde, number = text.partition("~")
    key = read_number(number)
    try:
        if text and key is None:
            raise ValueError(number)
        return None if key is None else (datetime.fromisoformat(moment), key)
    except ValueError:
        raise Invalid(_("This address cannot be read.")) from None


@blueprint.post("/notifications/<int:key>")
@signed_in
def open_notification(key: int) -> Any:
    """To what it is about; it has been read by that."""
    require_own_session()
    with unit_of_work() as uow:
        kind, entity, record_id = mark_read(uow, key)
        known = entity is not None and entity in uow.entities
        told = kinds(uow).get(kind)
    if told is not None and told.page and (address := page_url(told.page)):
        return redirect(address, 303)
    if not known or entity is None:
        return redirect(url_for("web.notifications"), 303)
    if record_id is None:
        return redirect(list_url(entity, ("owner", "is_me")), 303)
    return redirect(record_url(entity, record_id), 303)


@blueprint.post("/notifications/<int:key>/later")
@signed_in
def put_off_notification(key: int) -> Any:
    """Not now: again in an hour, tomorrow, or on Monday."""
    require_own_session()
    with unit_of_work() as uow:
        until = _until(request.form.get("until", ""), uow.runtime.clock)
        put_off(uow, key, until)
        zone = reader_of(uow).zone
    tell(_("You are told again on %(when)s.", when=format_datetime(until, zone)))
    return redirect(url_for("web.notifications"), 303)


def _until(choice: str, clock: Clock) -> datetime:
    today = clock.today()
    if choice == "hour":
        return clock.now() + timedelta(hours=1)
    if choice == "tomorrow":
        day = today + timedelta(days=1)
    elif choice == "monday":
        day = today + timedelta(days=7 - today.weekday())
    else:
        raise Invalid(_("Choose until when."))
    return datetime.combine(day, MORNING, clock.timezone).astimezone(UTC)


@blueprint.post("/notifications/read")
@signed_in
def read_notifications() -> Any:
    """All are read; the message takes it back."""
    require_own_session()
    with unit_of_work() as uow:
        moment = read_all(uow)
    undo = url_for("web.unread_notifications", at=moment.isoformat())
    tell(_("All are read."), undo_url=undo)
    return redirect(url_for("web.notifications"), 303)


@blueprint.post("/notifications/unread")
@signed_in
def unread_notifications() -> Any:
    """What was unread until all of it was read at once is so again."""
    require_own_session()
    try:
        moment = datetime.fromisoformat(request.args.get("at", "")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(_("This address cannot be read.")) from None
    with unit_of_work() as uow:
        unread_again(uow, moment)
    return redirect(url_for("web.notifications"), 303)


@blueprint.post("/notifications/kinds")
@signed_in
def choose_notifications() -> Any:
    """What one is told of from now on."""
    require_own_session()
    with unit_of_work() as uow:
        choose_kinds(uow, request.form.getlist("kinds"))
    tell(_("Your choice is kept."))
    return redirect(url_for("web.notifications"), 303)
