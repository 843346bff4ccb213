"""Help: the topic of a page, all topics, and the question to those who help."""

from __future__ import annotations

from typing import Any

from flask import current_app, g, redirect, request, url_for

from core.entities import query
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery
from core.errors import Invalid, NotFound
from core.help import HelpBook, Topic
from core.help.questions import ask, is_helper
from core.http.addresses import list_url, record_url
from core.http.presenting import reader_of, tell
from core.http.rendering import render
from core.http.requests import actor, runtime, signed_in, unit_of_work
from core.i18n import current_locale
from core.i18n import gettext as _
from core.i18n.formats import format_datetime
from core.web import blueprint
from core.web.profile import require_own_session
from core.work.uow import UnitOfWork

#: Questions of one's own, or to be answered, that the page shows.
SHOWN = 5
_LONGEST = 100


@blueprint.get("/help")
@signed_in
def help_index() -> Any:
    """All topics for this reader."""
    return _page(None)


@blueprint.get("/help/<topic>")
@signed_in
def help_topic(topic: str) -> Any:
    """One topic, with the others beside it."""
    found = _book().get(topic[:_LONGEST], g.enabled, is_admin=actor().manages_security)
    if found is None:
        raise NotFound(_("There is no such page."))
    return _page(found)


@blueprint.post("/help")
@signed_in
def ask_for_help() -> Any:
    """Send the question to those who help; it is kept as it was typed where it cannot be sent."""
    require_own_session()
    typed, page = request.form.get("question", ""), request.form.get("page", "")
    try:
        with unit_of_work() as uow:
            key = ask(uow, typed, page)
    except Invalid as error:
        return _page(None, typed, error.by_field().get("question", error.message)), 422
    tell(_("Your question is sent. You are told as soon as it is answered."))
    return redirect(record_url("help_question", key), 303)


def _book() -> HelpBook:
    book: HelpBook = current_app.extensions["dougong.help"]
    return book


def _page(topic: Topic | None, typed: str = "", error: str = "") -> str:
    locale = current_locale()
    groups: dict[str, list[dict[str, Any]]] = {}
    page = request.values.get("page", "")[:200]
    shown = _book().shown(g.enabled, is_admin=actor().manages_security)
    for each in sorted(shown, key=lambda topic: topic.is_for_admins):
        groups.setdefault(_group(each, locale), []).append(
            {
                "title": each.text(locale).title,
                "url": url_for("web.help_topic", topic=each.name, page=page or None),
                "is_current": topic is not None and each.name == topic.name,
            }
        )
    with unit_of_work(write=False) as uow:
        return render(
            "core/help.html",
            text=topic.text(locale) if topic else None,
            groups=list(groups.items()),
            asked_on=page,
            typed=typed,
            error=error,
            lists=_questions(uow),
        )


def _group(topic: Topic, locale: str) -> str:
    if topic.is_for_admins:
        return _("For administrators")
    if topic.owner == "core":
        return _("Everyday work")
    return runtime().plugins.loaded[topic.owner].text("title", locale)


def _questions(uow: UnitOfWork) -> list[dict[str, Any]]:
    """One's own questions, and for those who answer what waits for them; each list with its address."""
    me = uow.actor.user_id
    found = [_listed(uow, _("Your questions"), ("asked_by", "is_me"))]
    if me is not None and is_helper(uow):
        found.insert(0, _listed(uow, _("Waiting for an answer"), ("answered_at", "is_empty")))
    return [each for each in found if each["items"]]


def _listed(uow: UnitOfWork, title: str, row: tuple[str, str]) -> dict[str, Any]:
    field, op = row
    condition: dict[str, Any] = {"field": field, "op": "is_empty"}
    if op == "is_me":
        condition = {"field": field, "op": "eq", "value": {"var": "me"}}
    asked = ListQuery(
        fields=("subject", "asked_by", "created_at", "answered_at"),
        filter=condition,
        sort="-created_at",
        limit=SHOWN,
    )
    rows = query.page(uow, "help_question", asked).items
    people = resolve_labels(uow, {"user": {each["asked_by"] for each in rows}}).get("user", {})
    zone = reader_of(uow).zone
    return {
        "title": title,
        "url": list_url("help_question", row),
        "items": [
            {
                "text": each["subject"],
                "url": record_url("help_question", each["id"]),
                "who": people.get(each["asked_by"], ""),
                "when": format_datetime(each["created_at"], zone),
                "is_answered": each["answered_at"] is not None,
            }
            for each in rows
        ],
    }
