"""Templates and their prompts as checks and forms need them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import query
from core.entities.query import ListQuery
from core.entities.reading import Reading
from core.entities.values import BadValue, check_value
from core.fields import Date, Number
from core.i18n.formats import format_date, format_number

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "Prompt",
    "Template",
    "answers_of",
    "in_words",
    "meant",
    "prompts_of",
    "reading_answered",
    "templates_of",
]

#: What is answered to prompts of these kinds.
_TYPES = {"number": Number(18, 4), "date": Date()}


@dataclass(frozen=True)
class Prompt:
    """One thing that a template asks for; ``kind`` is ``text choice number date``."""

    id: int
    template: int
    label: str
    kind: str
    options: tuple[str, ...]
    is_required: bool

    @property
    def choices(self) -> list[tuple[str, str]]:
        """The options as inputs take them."""
        return [(option, option) for option in self.options]


@dataclass(frozen=True)
class Template:
    """A template with its prompts in their order."""

    id: int
    name: str
    kind: str
    is_active: bool
    is_obligatory: bool
    prompts: tuple[Prompt, ...] = ()

    def is_asked_of(self, kind: str | None) -> bool:
        """True when no follow-up of this kind is taken without a template such as this."""
        return self.is_active and self.is_obligatory and self.kind == kind


def meant(kind: str, answer: str | None) -> Decimal | date | None:
    """The number or the day that an answer is; None for a text, and for what is neither."""
    try:
        return check_value(_TYPES[kind], answer) if kind in _TYPES else None
    except BadValue:  # written by a rule, which nobody has checked
        return None


def in_words(kind: str, answer: str | None) -> str:
    """An answer as its reader writes numbers and days."""
    found = meant(kind, answer)
    if isinstance(found, Decimal):
        return format_number(found.normalize())
    return answer or "" if found is None else format_date(found)


def templates_of(uow: UnitOfWork) -> dict[int, Template]:
    """All templates by id, those in the recycle bin left out; two statements, kept for the transaction.

    They are the company's own words, which everybody who writes follow-ups is asked.
    """
    found: dict[int, Template] | None = uow.memo.get("follow-up templates")
    if found is None:
        table = uow.entity("follow_up_template").table
        rows = uow.execute(
            select(table).where(table.c.archived_at.is_(None)).order_by(table.c.name, table.c.id)
        ).all()
        prompts = _read(uow, template_ids=[row.id for row in rows]) if rows else {}
        found = {
            row.id: Template(
                row.id,
                row.name or "",
                row.kind or "",
                bool(row.is_active),
                bool(row.is_obligatory),
                tuple(each for each in prompts.values() if each.template == row.id),
            )
            for row in rows
        }
        uow.memo["follow-up templates"] = found
    return found


def prompts_of(uow: UnitOfWork, ids: Iterable[int | None]) -> dict[int, Prompt]:
    """Prompts by id, retired ones too: they are still answered where they were."""
    wanted = sorted({key for key in ids if key is not None})
    return _read(uow, ids=wanted) if wanted else {}


def _read(
    uow: UnitOfWork, *, ids: list[int] | None = None, template_ids: list[int] | None = None
) -> dict[int, Prompt]:
    table = uow.entity("follow_up_prompt").table
    statement = select(table).order_by(table.c.template_id, table.c.id)
    if ids is not None:
        statement = statement.where(table.c.id.in_(ids[:900]))
    else:
        living = table.c.archived_at.is_(None)
        statement = statement.where(living, table.c.template_id.in_((template_ids or [])[:900]))
    return {row.id: _prompt(row) for row in uow.execute(statement)}


def _prompt(row: Any) -> Prompt:
    return Prompt(
        row.id,
        row.template_id,
        row.label or "",
        row.kind or "text",
        tuple(row.options or ()),
        bool(row.is_required),
    )


def answers_of(uow: UnitOfWork, ids: Sequence[int]) -> dict[int, dict[int, dict[str, Any]]]:
    """The answers in follow-ups that the reader has just been given, by these and by prompt.

    Lines are as open as what they belong to, which need not be asked again for each of them: only
    whether the reader may see lines at all, and these fields of theirs.
    """
    names = ("follow_up", "prompt", "answer", "number")
    if not ids or not _may_see_answers(uow, names):
        return {}
    asked = ListQuery(
        fields=names, filter={"field": "follow_up", "op": "in", "value": list(ids)}, sort="id"
    )
    found: dict[int, dict[int, dict[str, Any]]] = {}
    with uow.elevated():
        for page in query.stream(uow, "follow_up_answer", asked, action="read"):
            for row in page.items:
                found.setdefault(row["follow_up"], {})[row["prompt"]] = row
    return found


def reading_answered(
    uow: UnitOfWork, ids: Sequence[int]
) -> Reading[dict[int, list[tuple[str, str]]]]:
    """``(prompt, answer)`` in the same follow-ups, in their order."""
    if not ids or not _may_see_answers(uow, ("follow_up", "prompt", "answer")):
        return Reading((), dict)
    prompt = uow.entity("follow_up_prompt").table
    answer = uow.entity("follow_up_answer").table
    wanted = (
        select(answer.c.follow_up_id, prompt.c.label, prompt.c.kind, answer.c.answer)
        .join(prompt, prompt.c.id == answer.c.prompt_id)
        .where(answer.c.follow_up_id.in_(ids), answer.c.archived_at.is_(None))
        .order_by(answer.c.id)
    )
    return Reading((wanted,), _by_follow_up)


def _by_follow_up(rows: Sequence[Any]) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    for row in rows:
        found.setdefault(row.follow_up_id, []).append(
            (row.label or "", in_words(row.kind, row.answer))
        )
    return found


def _may_see_answers(uow: UnitOfWork, names: Iterable[str]) -> bool:
    told, spec = uow.entity("follow_up"), uow.entity("follow_up_answer")
    access = uow.actor.access(spec)
    return (
        uow.actor.access(told).can_see(told["answers"])
        and access.may("read")
        and all(access.can_use(spec[name]) for name in names)
    )
