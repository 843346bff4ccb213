"""The verbs on tasks and follow-ups, and what follows from changes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import service
from core.entities.changes import Change
from core.settings.service import get_setting
from plugins.activities.communications import place
from plugins.activities.planning import plan
from plugins.activities.prompts import meant, prompts_of
from plugins.activities.recurring import recur, take_back
from plugins.activities.reminders import keep_reminders
from plugins.activities.subscribers import go_along

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["cancel", "complete", "prepare", "reopen", "review", "settle"]

Record = Mapping[str, Any]
_SUBJECT = 60

# Verbs: the service has checked the right and the condition, and has locked the rows.


def complete(uow: UnitOfWork, tasks: Sequence[Record], params: Mapping[str, Any]) -> dict[str, Any]:
    """Tasks are done; of those that repeat the next ones are made."""
    return {"completed": _become(uow, tasks, "done")}


def reopen(uow: UnitOfWork, tasks: Sequence[Record], params: Mapping[str, Any]) -> dict[str, Any]:
    """Tasks are to be done after all."""
    return {"reopened": _become(uow, tasks, "open")}


def cancel(uow: UnitOfWork, tasks: Sequence[Record], params: Mapping[str, Any]) -> dict[str, Any]:
    """Tasks need not be done; what repeats ends with it."""
    return {"cancelled": _become(uow, tasks, "cancelled")}


def _become(uow: UnitOfWork, tasks: Sequence[Record], status: str) -> list[int]:
    return service.update(uow, "task", {task["id"]: {"status": status} for task in tasks})


def review(
    uow: UnitOfWork, follow_ups: Sequence[Record], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Follow-ups were looked at by somebody who checks samples."""
    found = {
        "review": params["result"],
        "review_note": params.get("note"),
        "reviewed_by": uow.actor.user_id,
        "reviewed_at": uow.now(),
    }
    ids = service.update(uow, "follow_up", {row["id"]: found for row in follow_ups})
    return {"reviewed": ids}


# Before changes are written: derived values.


def prepare(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Derived values of what this plugin keeps."""
    rule = _PREPARED.get(changes[0].entity.name)
    if rule is not None:
        rule(changes, uow)


def _prepare_follow_ups(changes: Sequence[Change], uow: UnitOfWork) -> None:
    for change in changes:
        if change.after["happened_at"] is None:
            change.set("happened_at", uow.now())
        if change.changed("content"):
            change.set("subject", _in_short(change.after["content"] or ""))
    _follow_departments(uow, place(changes, uow))


def _in_short(content: str) -> str | None:
    """The beginning of a text, in one line."""
    line = " ".join(content.split())
    return (line if len(line) <= _SUBJECT else f"{line[:_SUBJECT]}…") or None


def _prepare_answers(changes: Sequence[Change], uow: UnitOfWork) -> None:
    prompts = prompts_of(uow, {change.after["prompt"] for change in changes})
    for change in changes:
        prompt, answer = prompts.get(change.after["prompt"]), change.after["answer"]
        kind = prompt.kind if prompt else "text"
        change.set("number", meant(kind, answer) if kind == "number" else None)
        change.set("day", meant(kind, answer) if kind == "date" else None)


def _prepare_tasks(changes: Sequence[Change], uow: UnitOfWork) -> None:
    handed_over = [change for change in changes if _follow_assignee(change)]
    _follow_departments(uow, handed_over)
    for change in handed_over:
        if change.kind == "create":
            change.set("assigned_at", change.after["created_at"])
        elif not change.changed("assigned_at"):
            change.set("assigned_at", uow.now())
    for change in changes:
        after = change.after
        if change.changed("status"):
            change.set("completed_at", uow.now() if after["status"] == "done" else None)
        if change.kind == "create" and after["reminder"] is None and after["due_at"] is not None:
            change.set("reminder", get_setting(uow, "activities", "default_reminder"))
        anew = any(change.changed(name) for name in ("recurrence", "every"))
        if after["recurrence"] is None:
            change.set("recurs_from", None)
        elif anew and (change.kind == "update" or after["recurs_from"] is None):
            change.set("recurs_from", after["due_at"])


def _follow_assignee(change: Change) -> bool:
    """Keep owner and assignee one and the same; true when that is somebody else than before."""
    after, is_new = change.after, change.kind == "create"
    if is_new:
        named = "assignee" in change.given and after["assignee"] is not None
    else:
        named = change.changed("assignee")
    if named:
        change.set("owner", after["assignee"])
    elif is_new or change.changed("owner"):
        change.set("assignee", after["owner"])
    return change.changed("owner")


def _follow_departments(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    people = {change.after["owner"] for change in changes} - {None}
    homes: dict[int, int | None] = {}
    if people:
        users = uow.entity("user").table
        rows = uow.execute(
            select(users.c.id, users.c.department_id).where(users.c.id.in_(sorted(people)))
        )
        homes = {row.id: row.department_id for row in rows}
    for change in changes:
        change.set("department", homes.get(change.after["owner"]))


_PREPARED: dict[str, Callable[[Sequence[Change], UnitOfWork], None]] = {
    "follow_up": _prepare_follow_ups,
    "follow_up_answer": _prepare_answers,
    "task": _prepare_tasks,
}

# After changes are written: what follows, in the same transaction.


def settle(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Plans, reminders, what repeats, and what goes along with a record."""
    go_along(changes, uow)
    rule = _SETTLED.get(changes[0].entity.name)
    if rule is not None:
        rule(changes, uow)


def _settle_tasks(changes: Sequence[Change], uow: UnitOfWork) -> None:
    keep_reminders(changes, uow)
    if changes[0].kind == "update":
        take_back(changes, uow)
        recur(changes, uow)


def _forget_templates(changes: Sequence[Change], uow: UnitOfWork) -> None:
    uow.memo.pop("follow-up templates", None)


_SETTLED: dict[str, Callable[[Sequence[Change], UnitOfWork], None]] = {
    "follow_up": plan,
    "follow_up_template": _forget_templates,
    "follow_up_prompt": _forget_templates,
    "task": _settle_tasks,
}
