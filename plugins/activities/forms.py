"""Reading the short forms of this plugin: what was sent, as the service takes it, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from core.entities.values import BadValue
from core.errors import Invalid, Problem
from core.fields import FieldSpec, Number
from core.http.addresses import read_number
from core.http.forms import KeptForm
from core.http.presenting import input_context, read_control
from core.i18n import gettext as _
from plugins.activities.about import find_about, suggest
from plugins.activities.models import KINDS, PRIORITIES, RECURRENCES, REMINDERS
from plugins.activities.prompts import Prompt, Template, templates_of

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from core.work.uow import UnitOfWork

__all__ = [
    "NEW_FOLLOW_UP",
    "NEW_TASK",
    "NEXT",
    "choices",
    "fitting_templates",
    "moment_text",
    "next_choices",
    "read_follow_up",
    "read_task",
    "template_for",
]

NEW_FOLLOW_UP = KeptForm("follow_up", "activities.new_follow_up", known_by="content")
NEW_TASK = KeptForm("task", "activities.new_task")
#: A planned follow-up is due at this hour of the company's day.
_MORNING = time(9)
#: Days from now, by what the form calls them.
NEXT = {"1": 1, "3": 3, "7": 7, "30": 30}


def choices(of: Any) -> list[tuple[str, str]]:
    """(value, label) of a list of choices."""
    return [(choice.value, str(choice.label)) for choice in of]


def next_choices() -> list[tuple[str, str]]:
    """When to follow up next."""
    return [
        ("1", _("Tomorrow")),
        ("3", _("In 3 days")),
        ("7", _("In a week")),
        ("30", _("In 30 days")),
        ("date", _("On a date")),
        ("none", _("No further follow-up")),
    ]


def moment_text(uow: UnitOfWork, moment: datetime) -> str:
    """A moment as an input of the browser holds it."""
    return f"{moment.astimezone(uow.clock.timezone):%Y-%m-%dT%H:%M}"


def template_for(uow: UnitOfWork, kind: str, wanted: str = "") -> Template | None:
    """The template that the form shows: the one asked for, else the one that is obligatory."""
    fitting = fitting_templates(uow, kind)
    if wanted.isdecimal():
        return next((each for each in fitting if str(each.id) == wanted), None)
    return next((each for each in fitting if each.is_obligatory), None)


def fitting_templates(uow: UnitOfWork, kind: str) -> list[Template]:
    """The templates for a kind of follow-up that this reader may use."""
    if not uow.actor.access(uow.entity("follow_up_template")).may("read"):
        return []
    return [each for each in templates_of(uow).values() if each.is_active and each.kind == kind]


def read_follow_up(uow: UnitOfWork, form: MultiDict[str, str]) -> dict[str, Any]:
    """The values of a new follow-up. Raises `Invalid` for what cannot be read at all."""
    problems: list[Problem] = []
    kind = form.get("kind", "")
    values: dict[str, Any] = {
        "kind": kind if kind in {choice.value for choice in KINDS} else None,
        "content": form.get("content", ""),
        "next_step": form.get("next_step", ""),
        **_about(uow, form, problems),
    }
    _moment(uow, form, "happened_at", values, problems)
    _next(uow, form, values, problems)
    template = template_for(uow, kind, form.get("template", ""))
    if template is not None:
        values["template"] = template.id
        values["answers"] = [
            {"prompt": prompt.id, "answer": answer}
            for prompt in template.prompts
            if (answer := _answer(uow, form, prompt))
        ]
    _refuse(problems)
    return {name: value for name, value in values.items() if value not in (None, "")}


def _answer(uow: UnitOfWork, form: MultiDict[str, str], prompt: Prompt) -> str:
    """What was answered, a number without its separators; what is none is told by the service."""
    name = f"answer.{prompt.id}"
    if prompt.kind == "number":
        item = FieldSpec(name, Number(18, 4), prompt.label)
        with suppress(BadValue):
            number = read_control(input_context(uow), item, form)
            return "" if number is None else f"{number.normalize():f}"
    return form.get(name, "").strip()


def read_task(uow: UnitOfWork, form: MultiDict[str, str]) -> dict[str, Any]:
    """The values of a new task. Raises `Invalid` for what cannot be read at all."""
    problems: list[Problem] = []
    values: dict[str, Any] = {
        "title": form.get("title", ""),
        "description": form.get("description", ""),
        "priority": _one_of(form, "priority", PRIORITIES),
        "reminder": _one_of(form, "reminder", REMINDERS),
        "recurrence": _one_of(form, "recurrence", RECURRENCES),
        **_about(uow, form, problems),
    }
    if "assignee__label" in form:
        values["assignee"] = _control(uow, form, "assignee", problems)
    else:
        values["assignee"] = read_number(form.get("assignee"))
    _moment(uow, form, "due_at", values, problems)
    if values["recurrence"]:
        values["every"] = _control(uow, form, "every", problems) or 1
    _refuse(problems)
    return {name: value for name, value in values.items() if value not in (None, "")}


def _control(uow: UnitOfWork, form: MultiDict[str, str], name: str, problems: list[Problem]) -> Any:
    """What was typed into the field of a task, as on the generic form: a name that nobody has chosen
    from the list is looked for, and stands above the number that was there before."""
    try:
        return read_control(input_context(uow), uow.entity("task")[name], form)
    except BadValue as error:
        problems.append(Problem(name, error.code, str(error)))
        return None


def _one_of(form: Mapping[str, str], name: str, of: Any) -> str | None:
    value = form.get(name, "")
    return value if value in {choice.value for choice in of} else None


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)


def _about(uow: UnitOfWork, form: MultiDict[str, str], problems: list[Problem]) -> dict[str, Any]:
    """The record: chosen from the list, from those at hand, or typed so that only one is meant."""
    text = form.get("about", "") or form.get("recent", "")
    typed = form.get("about__label", "").strip()
    if not text and typed:
        exact = [about for about, label, _kind in suggest(uow, typed[:200]) if label == typed]
        text = exact[0] if len(exact) == 1 else "?"
    if not text:
        return {}
    found = find_about(uow, text)
    if found is None:
        problems.append(Problem("about", "reference", _("Choose a record from the list.")))
        return {}
    return {"related_entity": found.entity, "related_id": found.id}


def _moment(
    uow: UnitOfWork,
    form: Mapping[str, str],
    name: str,
    values: dict[str, Any],
    problems: list[Problem],
) -> None:
    text = form.get(name, "").strip()
    if not text:
        return
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        problems.append(Problem(name, "type", _("Write a day and a time, as 2026-05-31 09:00.")))
        return
    values[name] = local.replace(tzinfo=uow.clock.timezone).astimezone(UTC)


def _next(
    uow: UnitOfWork, form: Mapping[str, str], values: dict[str, Any], problems: list[Problem]
) -> None:
    chosen = form.get("next", "")
    if chosen == "none":
        values["no_next"] = True
    elif chosen in NEXT:
        values["next_follow_at"] = _morning(uow, NEXT[chosen])
    elif chosen == "date" and not form.get("next_follow_at", "").strip():
        problems.append(Problem("next_follow_at", "required", _("Which day?")))
    else:
        _moment(uow, form, "next_follow_at", values, problems)


def _morning(uow: UnitOfWork, days: int) -> datetime:
    day: date = uow.clock.today() + timedelta(days=days)
    return datetime.combine(day, _MORNING, uow.clock.timezone).astimezone(UTC)
