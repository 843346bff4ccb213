"""Pages that the generic ones do not give: the short forms, the calendar, the numbers, spot checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.datastructures import MultiDict

from core.entities import query, service
from core.entities.bulk import act_undoably
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, Problem, Refused
from core.http.addresses import list_url, read_number, record_url, undo_url
from core.http.presenting import tell
from core.http.rendering import macros, render
from core.http.reports import send_report
from core.http.requests import requires, signed_in, unit_of_work
from core.i18n import gettext as _
from core.settings.service import get_setting
from plugins.activities import (
    answers,
    calendar,
    check_ins,
    handover,
    photos,
    spot_checks,
    statistics,
)
from plugins.activities.about import (
    about_pairs,
    find_about,
    name_about,
    suggest,
)
from plugins.activities.forms import (
    NEW_FOLLOW_UP,
    NEW_TASK,
    choices,
    fitting_templates,
    moment_text,
    next_choices,
    read_follow_up,
    read_task,
    template_for,
)
from plugins.activities.models import KINDS, PRIORITIES, RECURRENCES, REMINDERS

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["blueprint"]

blueprint = Blueprint("activities", __name__, url_prefix="/activities")

_RECENT = 5
_LOOKED_AT = 20


def _back(back: str, created: str = "") -> str:
    """Where the reader came from: one of our own places, never an address that was sent."""
    place, _colon, about = back.partition(":")
    if place == "record" and about:
        entity, _colon, key = about.partition(":")
        record_id = read_number(key)
        if entity.replace("_", "").isalnum() and record_id is not None:
            return record_url(entity, record_id)
    if place in ("calendar", "handover"):
        return url_for(f"activities.{place}")
    return created if place == "list" and created else url_for("web.home")


def _marks(problems: Sequence[Problem], answers: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The first message for each input of a form; answers are named by their prompts."""
    found: dict[str, str] = {}
    for problem in problems:
        name = problem.field
        if name == "answers" and "prompt" in problem.data:
            name = f"answer.{problem.data['prompt']}"
        elif name.startswith("answers."):
            place = name.split(".")[1]
            number = read_number(place)
            if number is not None and number < len(answers):
                name = f"answer.{answers[number].get('prompt')}"
        elif name in ("related_id", "related_entity"):
            name = "about"
        elif name in check_ins.PLACE:
            name = "place"
        found.setdefault(name, problem.message)
    return found


# Follow-ups


@blueprint.get("/follow-up")
@signed_in
def new_follow_up() -> Any:
    """The form, for the record that the address names or for one still to be chosen."""
    with unit_of_work() as uow:
        draft = NEW_FOLLOW_UP.draft(uow)
        return _follow_up_page(uow, request.args if draft is None else draft, draft)


@blueprint.post("/follow-up")
@signed_in
@NEW_FOLLOW_UP.taken
def create_follow_up() -> Any:
    """Write the follow-up; its next date becomes a task."""
    values: dict[str, Any] = {}

    def make(uow: UnitOfWork) -> str:
        sent, problems = photos.keep_photos(uow)
        if problems:
            raise Invalid(_("Please correct what is marked."), problems)
        values.update(read_follow_up(uow, sent))
        place = check_ins.read_check_in(uow, sent) if check_ins.is_wanted(sent) else None
        (key,) = service.create(uow, "follow_up", [values])
        if place is not None:
            service.act(uow, "follow_up", "check_in", [key], place)
        photos.attach_photos(uow, sent, key)
        return _saved(values, record_url("follow_up", key))

    try:
        return NEW_FOLLOW_UP.save_once(make)
    except (Invalid, Refused) as error:
        marks = _marks(error.problems, values.get("answers") or ())
        with unit_of_work() as uow:
            sent, _problems = photos.keep_photos(uow)
            return _follow_up_page(uow, sent, sent, marks, error.message), error.status


def _saved(values: Mapping[str, Any], made_url: str) -> str:
    """Say so, and lead back to where it was begun: the record that it is about, or what was made."""
    flash(_("Saved."), "good")
    back = request.form.get("back", "")
    if back == "record":
        back = f"record:{values.get('related_entity')}:{values.get('related_id')}"
    return _back(back, made_url)


def _follow_up_page(
    uow: UnitOfWork,
    sent: Mapping[str, str],
    typed: Mapping[str, str] | None = None,
    marks: Mapping[str, str] | None = None,
    message: str = "",
) -> str:
    """The form with what was ``sent``, by an address or, as it was ``typed``, by itself."""
    _require_create(uow, "follow_up")
    marks = _where_planned(marks or {}, sent)
    kind = sent.get("kind", "") or "call"
    about = find_about(uow, sent.get("about") or sent.get("recent"))
    return render(
        "activities/follow_up.html",
        kept=NEW_FOLLOW_UP.drawn(uow, typed),
        about=about,
        recent=[] if about else _recent(uow),
        typed=sent.get("about__label", ""),
        kinds=choices(KINDS),
        kind=kind,
        prompts_html=_prompts_html(uow, kind, sent, marks),
        happened_at=moment_text(uow, uow.now()) if typed is None else sent.get("happened_at", ""),
        content=sent.get("content", ""),
        checks_in=check_ins.can_check_in(uow),
        place=check_ins.drawn_place(uow, {} if typed is None else typed),
        attaches=photos.can_attach(uow),
        photos=photos.kept_photos(uow, typed),
        following=next_choices(),
        chosen=sent.get("next", ""),
        must_plan=get_setting(uow, "activities", "require_next"),
        next_follow_at=sent.get("next_follow_at", ""),
        next_step=sent.get("next_step", ""),
        back=sent.get("back", "list"),
        cancel_url=_back(_cancelled(sent, about), url_for("web.list_records", entity="follow_up")),
        errors=_summary(uow, "follow_up", marks),
        marks=marks,
        message="" if marks else message,
    )


def _where_planned(marks: Mapping[str, str], sent: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the plan, at the choice of when: the date is in sight only where one is given."""
    if sent.get("next") == "date":
        return dict(marks)
    return {("next" if name == "next_follow_at" else name): text for name, text in marks.items()}


def _cancelled(sent: Mapping[str, str], about: Any) -> str:
    back = sent.get("back", "list")
    return f"record:{about.text}" if back == "record" and about else back


def _require_create(uow: UnitOfWork, entity: str) -> None:
    if not uow.actor.access(uow.entity(entity)).may("create"):
        raise Forbidden(_("You do not have the right to do this."))


def _recent(uow: UnitOfWork) -> list[Any]:
    """The records that the reader followed up last, to be chosen at one tap."""
    mine = {"field": "owner", "op": "eq", "value": {"var": "me"}}
    asked = ListQuery(fields=("related_id",), filter=mine, sort="-happened_at", limit=_LOOKED_AT)
    try:
        rows = query.page(uow, "follow_up", asked).items
    except (Forbidden, Invalid):
        return []
    return name_about(uow, about_pairs(rows)[:_RECENT])


def _summary(uow: UnitOfWork, entity: str, marks: Mapping[str, str]) -> list[tuple[str, str, str]]:
    spec = uow.entity(entity)
    labels = {"about": _("Regarding"), "": str(spec.label)}
    labels |= {"place": _("Check-in"), "photos": _("Pictures"), "next": _("Next follow-up")}
    return [
        (
            name,
            labels.get(name) or (str(spec[name].label) if name in spec else _("What was answered")),
            text,
        )
        for name, text in marks.items()
    ]


@blueprint.get("/check-in", endpoint="check_in")
@signed_in
def ask_check_in() -> Any:
    """The page of the verb: where one is, for a visit that is written already. Without one, to the
    list of them."""
    key = read_number(request.args.get("ids"))
    if key is None:
        return redirect(list_url("follow_up", ("kind", "in", "visit")))
    with unit_of_work() as uow:
        return _check_in_page(uow, key, {})


@blueprint.post("/check-in/<int:follow_up_id>")
@signed_in
def save_check_in(follow_up_id: int) -> Any:
    """Check in, once, and back to the visit."""
    try:
        with unit_of_work() as uow:
            place = check_ins.read_check_in(uow, request.form)
            service.act(uow, "follow_up", "check_in", [follow_up_id], place)
    except (Invalid, Refused) as error:
        marks = _marks(error.problems, ()) or {"place": error.message}
        with unit_of_work(write=False) as uow:
            return _check_in_page(uow, follow_up_id, request.form, marks), error.status
    flash(_("Saved."), "good")
    return redirect(record_url("follow_up", follow_up_id), 303)


def _check_in_page(
    uow: UnitOfWork, key: int, sent: Mapping[str, str], marks: Mapping[str, str] | None = None
) -> str:
    if not check_ins.can_check_in(uow):
        raise Forbidden(_("You do not have the right to do this."))
    record = query.get(uow, "follow_up", key)
    return render(
        "activities/check_in.html",
        follow_up_id=key,
        label=record.values.get("subject") or _("Visit"),
        address=record_url("follow_up", key),
        place=check_ins.drawn_place(uow, sent),
        marks=marks or {},
    )


@blueprint.get("/prompts")
@signed_in
def prompts() -> str:
    """What the template for a kind of follow-up asks; the form fetches it when the kind changes."""
    with unit_of_work() as uow:
        _require_create(uow, "follow_up")
        return _prompts_html(uow, request.args.get("kind", ""), request.args, {})


def _prompts_html(
    uow: UnitOfWork, kind: str, sent: Mapping[str, str], marks: Mapping[str, str]
) -> str:
    template = template_for(uow, kind, sent.get("template", ""))
    fitting = fitting_templates(uow, kind)
    html: str = macros("activities/prompts.html").prompts(
        [(str(each.id), each.name) for each in fitting],
        template,
        any(each.is_obligatory for each in fitting),
        {f"answer.{each.id}": sent.get(f"answer.{each.id}", "") for each in template.prompts}
        if template
        else {},
        marks,
    )
    return html


@blueprint.get("/suggest")
@signed_in
def suggest_records() -> str:
    """Records of all entities that fit the words, for the picker of the forms."""
    with unit_of_work() as uow:
        words = request.args.get("q", "").strip()[:200]
        return str(macros().suggestions(suggest(uow, words)))


# Tasks


@blueprint.get("/task")
@signed_in
def new_task() -> Any:
    """The form of a task, for the record that the address names, for another, or for none."""
    with unit_of_work() as uow:
        draft = NEW_TASK.draft(uow)
        return _task_page(uow, request.args if draft is None else draft, draft)


@blueprint.post("/task")
@signed_in
@NEW_TASK.taken
def create_task() -> Any:
    """Make the task."""

    def make(uow: UnitOfWork) -> str:
        values = read_task(uow, request.form)
        (key,) = service.create(uow, "task", [values])
        return _saved(values, record_url("task", key))

    try:
        return NEW_TASK.save_once(make)
    except (Invalid, Refused) as error:
        marks, sent = _marks(error.problems, ()), request.form
        with unit_of_work(write=False) as uow:
            return _task_page(uow, sent, sent, marks, error.message), error.status


def _task_page(
    uow: UnitOfWork,
    sent: Mapping[str, str],
    typed: Mapping[str, str] | None = None,
    marks: Mapping[str, str] | None = None,
    message: str = "",
) -> str:
    """The form with what was ``sent``, by an address or, as it was ``typed``, by itself."""
    _require_create(uow, "task")
    about = find_about(uow, sent.get("about"))
    given = typed is not None
    person = sent.get("assignee", "") if given else str(uow.actor.user_id or "")
    return render(
        "activities/task.html",
        kept=NEW_TASK.drawn(uow, typed),
        about=about,
        typed=sent.get("about__label", ""),
        values=sent if given else MultiDict({"due_at": sent.get("due_at", ""), "every": "1"}),
        assignee=person,
        assignee_label=sent.get("assignee__label", "") if given else uow.actor.name,
        priorities=choices(PRIORITIES),
        reminders=choices(REMINDERS),
        recurrences=choices(RECURRENCES),
        back=sent.get("back", "list"),
        cancel_url=_back(_cancelled(sent, about), url_for("web.list_records", entity="task")),
        errors=_summary(uow, "task", marks or {}),
        marks=marks or {},
        message="" if marks else message,
    )


@blueprint.post("/task/<int:task_id>/complete")
@signed_in
def complete_task(task_id: int) -> Any:
    """Done, at one tap, and back to where one was, from where it can be taken back."""
    back = _back(request.form.get("back", ""))
    try:
        with unit_of_work() as uow:
            spec = uow.entity("task")
            key = act_undoably(uow, spec, spec.actions_by_name["complete"], [task_id], {})
    except Refused as error:
        flash(error.message, "bad")
    else:
        tell(_("Done."), undo_url=undo_url("task", key, back))
    return redirect(back, 303)


# Looking at many


@blueprint.get("/handover", endpoint="handover")
@signed_in
def show_handover() -> Any:
    """The reader's own records, the silent ones first: for who has taken some over."""
    with unit_of_work() as uow:
        return render("activities/handover.html", **handover.page_of(uow, request.args))


@blueprint.get("/calendar", endpoint="calendar")
@requires("activities.see_pages")
def show_calendar() -> Any:
    """Tasks, follow-ups and planned dates of a month or a week."""
    with unit_of_work() as uow:
        return render("activities/calendar.html", **calendar.page_of(uow, request.args))


@blueprint.get("/statistics", endpoint="statistics")
@requires("activities.see_pages")
def show_statistics() -> Any:
    """How many visits, calls and so on each person had in a period."""
    with unit_of_work() as uow:
        return render("activities/statistics.html", **statistics.page_of(uow, request.args))


@blueprint.post("/statistics/export")
@requires("activities.see_pages")
def export_statistics() -> Any:
    """The numbers as a table for a spreadsheet program."""
    sent = request.form
    with unit_of_work() as uow:
        header, rows = statistics.table_of(uow, sent)
        about = {name: sent[name][:20] for name in ("period", "department") if sent.get(name)}
        kind, title = sent.get("format", ""), _("Numbers of follow-ups")
        spec = uow.entity("follow_up")
        return send_report(uow, spec, title, header, rows, kind=kind, details=about)


@blueprint.get("/quota", endpoint="quota")
@requires("activities.see_pages")
def show_quota() -> Any:
    """The numbers of this week, with the quota."""
    return redirect(url_for("activities.statistics", period="this_week"))


@blueprint.get("/answers", endpoint="answers")
@requires("activities.see_pages")
def show_answers() -> Any:
    """What was answered to a template, one column a prompt."""
    with unit_of_work() as uow:
        return render("activities/answers.html", **answers.page_of(uow, request.args))


@blueprint.get("/spot-check", endpoint="spot_check")
@requires("activities.see_pages")
def show_spot_check() -> Any:
    """Some follow-ups at random, to be looked at."""
    with unit_of_work() as uow:
        return render("activities/spot_check.html", **spot_checks.page_of(uow, request.args))


@blueprint.post("/spot-check")
@requires("activities.see_pages")
def choose_spot_check() -> Any:
    """Whose are drawn, and how many at a time: remembered."""
    try:
        with unit_of_work() as uow:
            chosen = spot_checks.choose(uow, request.form)
    except Invalid as error:
        with unit_of_work(write=False) as uow:
            context = spot_checks.page_of(uow, request.form, error.message)
        return render("activities/spot_check.html", **context), error.status
    period = request.form.get("period", "")[:20]
    return redirect(url_for("activities.spot_check", period=period, **chosen), 303)


@blueprint.post("/spot-check/<int:follow_up_id>")
@signed_in
def check_follow_up(follow_up_id: int) -> Any:
    """Pass or fail one of them, and go on with others; the message takes it back."""
    found = {"result": request.form.get("result"), "note": request.form.get("note", "")}
    back = url_for("activities.spot_check", period=request.form.get("period", "")[:20])
    with unit_of_work() as uow:
        spec = uow.entity("follow_up")
        key = act_undoably(uow, spec, spec.actions_by_name["review"], [follow_up_id], found)
    tell(_("Saved."), undo_url=undo_url("follow_up", key, back))
    return redirect(back, 303)
