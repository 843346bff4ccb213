"""Who may do what, and the rules that follow-ups, answers and tasks must keep."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, select

from core.entities import query
from core.entities.changes import Change
from core.entities.query import ListQuery
from core.entities.values import BadValue, check_value
from core.errors import Forbidden, NotFound, Problem
from core.fields import Date, Number, ScopeSpec
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import RoleTemplate
from core.security.directory import load_actor
from core.settings.service import get_setting
from plugins.activities import communications
from plugins.activities.prompts import Prompt, Template, prompts_of, templates_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["MADE", "READABLE", "ROLES", "substance", "validate"]

#: Clocks of phones and servers differ.
_PATIENCE = timedelta(minutes=5)


def _on_records(uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
    # That the record may be read is asked of every row, whatever the scope.
    found: ColumnElement[bool] = table.c.related_id.is_not(None)
    return found


def _by_me(uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
    found: ColumnElement[bool] = table.c.created_by == uow.actor.user_id
    return found


READABLE = ScopeSpec("readable", _l("on records that one may read"), _on_records)
MADE = ScopeSpec("made", _l("made by oneself"), _by_me)

_ORDINARY = ("create", "update", "delete", "import", "export")
_VERBS = ("complete", "reopen", "cancel")


def _grants(scope: str, *, leads: bool) -> dict[str, dict[str, Any]]:
    """What people do with their own, or with those of their departments."""
    theirs = [scope, "made"]
    return {
        "follow_up": {
            **dict.fromkeys(_ORDINARY, scope),
            "read": [scope, "readable"],
            "check_in": "own",  # where somebody is, only they can say
            **({"review": scope} if leads else {}),
        },
        "task": {
            **dict.fromkeys((*_ORDINARY, *_VERBS), theirs),
            "read": [scope, "made", "readable"],
        },
        "follow_up_template": {"read": "all"},
    }


_OWN, _TEAM = _grants("own", leads=False), _grants("department_below", leads=True)

#: The calendar and the numbers, within what each of them reads.
_PAGES = ("activities.see_pages",)

ROLES = (
    RoleTemplate("sales", _l("Sales"), _OWN, permissions=_PAGES),
    RoleTemplate("sales_manager", _l("Sales manager"), _TEAM, permissions=_PAGES),
    RoleTemplate("marketing", _l("Marketing"), _OWN, permissions=_PAGES),
    RoleTemplate("service_agent", _l("Service agent"), _OWN, permissions=_PAGES),
    RoleTemplate("service_manager", _l("Service manager"), _TEAM, permissions=_PAGES),
)


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Problems of changes to what this plugin keeps; none for other entities."""
    check = _CHECKS.get(changes[0].entity.name)
    return () if check is None else check(changes, uow)


# Follow-ups


def _validate_follow_ups(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    if uow.actor.is_system or changes[0].kind not in ("create", "update"):
        return
    with uow.elevated():
        templates = templates_of(uow)
    yield from communications.validate(changes, uow)
    for change in changes:
        yield from _check_moment(change, uow)
        if change.kind == "create" and communications.is_logged(change.after):
            continue  # nobody wrote it
        yield from _check_plan(change, uow)
        yield from _check_content(change, uow)
        yield from _check_template(change, templates)


def _check_moment(change: Change, uow: UnitOfWork) -> Iterable[Problem]:
    happened = change.after["happened_at"]
    is_new = happened is not None and change.changed("happened_at")
    if is_new and happened > uow.now() + _PATIENCE:
        message = _("A follow-up tells what has happened. Make a task of what is to come.")
        yield change.problem("happened_at", "future", message)


def _check_plan(change: Change, uow: UnitOfWork) -> Iterable[Problem]:
    happened, following = change.after["happened_at"], change.after["next_follow_at"]
    if not _plans(change):
        return
    if following is None:
        if not change.after["no_next"] and get_setting(uow, "activities", "require_next"):
            message = _("Say when you follow up next, or that no further follow-up is needed.")
            yield change.problem("next_follow_at", "required", message)
    elif change.after["no_next"]:
        message = _("Give a date, or say that none is needed; not both.")
        yield change.problem("next_follow_at", "both", message)
    elif following <= (happened or uow.now()):
        message = _("The next follow-up lies before this one.")
        yield change.problem("next_follow_at", "range", message)


def _plans(change: Change) -> bool:
    touched = change.changed("next_follow_at") or change.changed("no_next")
    return change.kind == "create" or touched


def _check_content(change: Change, uow: UnitOfWork) -> Iterable[Problem]:
    content = change.after["content"]
    if not content or not change.changed("content"):
        return
    said, wanted = substance(content), get_setting(uow, "activities", "min_length")
    fillers = {substance(word) for word in get_setting(uow, "activities", "fillers") or ()}
    if not said or said in fillers or (len(said) > 1 and len(set(said)) == 1):
        message = _("This says nothing. What was talked about, and what came of it?")
        yield change.problem("content", "filler", message)
    elif len(said) < wanted:
        message = _(
            "At least %(n)s characters, please: what was said, and what came of it?", n=wanted
        )
        yield change.problem("content", "too_short", message)


def substance(text: str) -> str:
    """The letters, digits and characters of a text in one case, without spaces and marks."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in plain if unicodedata.category(sign)[0] in "LN")


def _check_template(change: Change, templates: Mapping[int, Template]) -> Iterable[Problem]:
    chosen = change.after["template"]
    if change.kind == "update":
        if change.changed("template"):
            message = _("The template stays. Write another follow-up instead.")
            yield change.problem("template", "readonly", message)
        return
    kind = change.after["kind"]
    if chosen is None:
        obligatory = [each for each in templates.values() if each.is_asked_of(kind)]
        if obligatory:
            message = _(
                "This kind of follow-up needs the template “%(name)s”.", name=obligatory[0].name
            )
            yield change.problem("template", "required", message)
        return
    template = templates.get(chosen)
    if template is None or not template.is_active or template.kind != kind:
        message = _("This template is not for this kind of follow-up.")
        yield change.problem("template", "unfit", message)
        return
    yield from _check_answered(change, template)


def _check_answered(change: Change, template: Template) -> Iterable[Problem]:
    given: dict[Any, str] = {}
    for place, line in enumerate(change.detached.get("answers") or ()):
        prompt = line.get("prompt")
        if prompt in given:
            message = _("This prompt is answered twice.")
            yield change.problem(f"answers.{place}.prompt", "twice", message)
        given[prompt] = str(line.get("answer") or "").strip()
    for prompt in template.prompts:
        if prompt.is_required and not given.get(prompt.id):
            message = _("“%(prompt)s” must be answered.", prompt=prompt.label)
            yield change.problem("answers", "required", message, prompt=prompt.id)


# Answers


def _validate_answers(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    with uow.elevated():
        prompts = prompts_of(uow, {change.after["prompt"] for change in changes})
        templates = _templates_in_use(uow, {change.after["follow_up"] for change in changes})
    for change in changes:
        prompt = prompts.get(change.after["prompt"])
        if change.kind in ("create", "update"):
            yield from _check_answer(change, prompt, templates.get(change.after["follow_up"]))
            continue
        if prompt is None or change.kind != "delete" or uow.actor.is_system:
            continue
        if prompt.is_required:
            message = _("“%(prompt)s” must be answered.", prompt=prompt.label)
            yield change.problem("answer", "required", message)


def _templates_in_use(uow: UnitOfWork, ids: set[int]) -> dict[int, int | None]:
    """The templates of follow-ups, by the ids of these."""
    table = uow.entity("follow_up").table
    found: dict[int, int | None] = {}
    wanted = sorted(ids)
    for start in range(0, len(wanted), 900):
        chunk = table.c.id.in_(wanted[start : start + 900])
        rows = uow.execute(select(table.c.id, table.c.template_id).where(chunk))
        found.update({row.id: row.template_id for row in rows})
    return found


def _check_answer(change: Change, prompt: Prompt | None, template: int | None) -> Iterable[Problem]:
    if prompt is None or prompt.template != template:
        message = _("The template of this follow-up does not ask this.")
        yield change.problem("prompt", "unfit", message)
        return
    answer = change.after["answer"] or ""
    if prompt.kind == "choice" and answer not in prompt.options:
        message = _("“%(answer)s” is none of the answers to choose from.", answer=answer[:60])
        yield change.problem("answer", "choice", message)
    elif prompt.kind in ("number", "date"):
        try:
            check_value(Number(18, 4) if prompt.kind == "number" else Date(), answer)
        except BadValue as error:
            yield change.problem("answer", error.code, str(error))


def _validate_templates(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    for change in changes:
        for place, line in enumerate(change.detached.get("prompts") or ()):
            if line.get("kind") == "choice" and not line.get("options"):
                message = _("Name the answers to choose from.")
                yield change.problem(f"prompts.{place}.options", "required", message)


# Tasks

_TRANSITIONS = {
    "open": ("done", "cancelled"),
    "done": ("open",),
    "cancelled": ("open",),
}


def _validate_tasks(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    if changes[0].kind not in ("create", "update"):
        return
    for change in changes:
        old, new = change.before.get("status"), change.after["status"]
        if old is not None and old != new and new not in _TRANSITIONS[old]:
            message = _("Open the task again first.")
            yield change.problem("status", "transition", message)
        yield from _check_series(change, uow)
    if not uow.actor.is_system:
        yield from _check_assignees(changes, uow)


def _check_series(change: Change, uow: UnitOfWork) -> Iterable[Problem]:
    due, until = change.after["due_at"], change.after["repeat_until"]
    if change.after["recurrence"] and due is None:
        message = _("A task that repeats needs a date.")
        yield change.problem("due_at", "required", message)
    if until is None or due is None or not change.changed("repeat_until"):
        return
    if until < due.astimezone(uow.clock.timezone).date():
        message = _("The last day lies before the first.")
        yield change.problem("repeat_until", "range", message)


def _check_assignees(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Who gets a task is still here, and may read the record that it is about."""
    given: dict[int, list[Change]] = defaultdict(list)
    for change in changes:
        names = ("assignee", "owner", "related_id", "related_entity")
        person = change.after["assignee"] if change.changed("assignee") else None
        person = person or (change.after["owner"] if change.changed("owner") else None)
        person = person or change.after["assignee"]
        if person in (None, uow.actor.user_id):
            continue
        if any(change.changed(name) for name in names):
            given[person].append(change)
    for person, theirs in given.items():
        reader = load_actor(uow, person)
        if reader is None:
            message = _("This person is no longer active.")
            yield from (change.problem("assignee", "inactive", message) for change in theirs)
            continue
        with uow.seen_by(reader):
            seen = _seen(uow, theirs)
        for change in theirs:
            about = (change.after["related_entity"], change.after["related_id"])
            if about[1] is not None and about not in seen:
                message = _("%(name)s may not see the record that this is about.", name=reader.name)
                yield change.problem("assignee", "reach", message)


def _seen(uow: UnitOfWork, changes: Sequence[Change]) -> set[tuple[str, int]]:
    """What the changes are about, as far as the reader of the moment sees it."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for change in changes:
        if change.after["related_id"] is not None:
            wanted[change.after["related_entity"] or ""].add(change.after["related_id"])
    seen: set[tuple[str, int]] = set()
    for entity, ids in wanted.items():
        asked = ListQuery(ids=tuple(ids))
        try:
            found = query.select_ids(uow, entity, asked, action="read", limit=len(ids))
        except (Forbidden, NotFound):
            continue
        seen |= {(entity, key) for key in found}
    return seen


_CHECKS: dict[str, Callable[..., Iterable[Problem]]] = {
    "follow_up": _validate_follow_ups,
    "follow_up_answer": _validate_answers,
    "follow_up_template": _validate_templates,
    "task": _validate_tasks,
}
