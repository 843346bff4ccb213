"""What plugins register: plain data. The manager stamps each item with its owner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.fields.spec import FieldSpec
from core.fields.types import Label

if TYPE_CHECKING:
    from core.documents.content import Document
    from core.entities.query import Record
    from core.entities.reading import Reading
    from core.errors import Problem
    from core.fields.spec import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = [
    "DemoStep",
    "DocumentTemplate",
    "EntityExtension",
    "GoalAsked",
    "GoalMeasure",
    "Job",
    "NavItem",
    "NotificationKind",
    "Permission",
    "RoleTemplate",
    "Schedule",
    "SettingsGroup",
    "SlotFill",
    "Subscriber",
    "TimelineItem",
    "TimelineSource",
]


@dataclass(frozen=True)
class EntityExtension:
    """Fields that a plugin adds to another plugin's entity.

    Each becomes a column ``<plugin>_<name>``, which the adding plugin's own migration creates.
    """

    entity: str
    fields: tuple[FieldSpec, ...]


@dataclass(frozen=True)
class Permission:
    """A right beyond those derived from entities, e.g. ``crm_leads.see_reports``."""

    name: str
    label: Label


@dataclass(frozen=True)
class RoleTemplate:
    """A role as delivered. On enabling, grants for entities that the role does not know yet are added.

    ``grants``: ``{entity: {action: scope}}``; ``fields``: ``{entity: {field: access}}``.
    """

    name: str
    label: Label
    grants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True)
class NavItem:
    """A page in the navigation, shown to those who hold ``permission`` (or to all)."""

    title: Label
    endpoint: str
    icon: str = "file-text"
    order: int = 100
    permission: str | None = None


@dataclass(frozen=True)
class SlotFill:
    """HTML for a named place of another page: ``render(uow, **context)`` returns safe markup."""

    slot: str
    render: Callable[..., str]
    order: int = 100


@dataclass(frozen=True)
class SettingsGroup:
    """A page of settings: each field has a default; values are read with ``settings.get``."""

    name: str
    title: Label
    fields: tuple[FieldSpec, ...]
    #: What the types of the fields cannot tell: ``check(uow, values)`` of those that are about to be
    #: changed, checked one by one already; its problems name their field.
    check: Callable[[UnitOfWork, Mapping[str, Any]], Iterable[Problem]] | None = None


@dataclass(frozen=True)
class Subscriber:
    """A reaction to an event after its commit: ``handler(event, uow)``, at least once, effect once."""

    name: str
    event: type[Any]
    handler: Callable[..., None]
    #: Only events whose ``entity`` is this one.
    entity: str | None = None


@dataclass(frozen=True)
class Job:
    """Work done later: ``handler(context, **arguments)``; arguments are plain JSON values."""

    name: str
    handler: Callable[..., Any]
    title: Label = ""
    max_attempts: int = 5
    #: How many of them run at the same time, in all processes together; None: any number.
    limit: int | None = None
    #: How many first tries a worker takes in hand at once: more than one where each takes
    #: milliseconds, since what it has not begun within a second it gives back.
    handful: int = 1
    #: A try that shows no progress for so long is given up, and counts as failed.
    time_limit: timedelta = timedelta(minutes=10)
    #: Its rows are a history that pages show: they are not cleaned up with age.
    is_history: bool = False


@dataclass(frozen=True)
class Schedule:
    """A job that is started by the clock: every so often, or daily at ``HH:MM`` of the company's zone."""

    name: str
    job: str
    every: timedelta | None = None
    daily_at: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NotificationKind:
    """Something that people are told of, which each of them can switch off.

    ``text`` may name ``%(who)s`` brought it about and ``%(record)s``: what that is called is read
    when the notification is, with the rights of its reader; and ``%(n)s``, how many there were.
    """

    name: str
    label: Label
    text: Label
    icon: str = "bell"
    #: The endpoint of a page that is opened instead of the record.
    page: str = ""


@dataclass(frozen=True)
class TimelineItem:
    """One entry of a record's timeline."""

    at: datetime
    kind: str
    title: str
    actor: int | None = None
    body: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    #: When it was written down, where that is not when it was.
    noted_at: datetime | None = None


@dataclass(frozen=True)
class TimelineSource:
    """Adds entries to the timeline: ``fetch(uow, spec, record_id, before, limit)``, newest first.

    The record's own right to be read has been checked; what the source adds, it checks itself.
    A source that reads answers best with the `Reading` of its items, such as that of
    `query.reading_page`: all of these are read in one statement.
    """

    name: str
    fetch: Callable[
        [UnitOfWork, EntitySpec, int, datetime | None, int],
        Sequence[TimelineItem] | Reading[Sequence[TimelineItem]],
    ]
    entity: str | None = None
    #: Fields of the record that follow from its items: that they changed as one of those was written
    #: down is not told again.
    follows: tuple[str, ...] = ()
    #: Its items are told of what a record became, too: see `core.entities.origins`.
    goes_along: bool = False


@dataclass(frozen=True)
class DocumentTemplate:
    """What can be printed of a record: ``build(uow, record)`` says it, in the language in use.

    ``record`` is what `query.get` gives whoever prints: what they may not see is not in it, and what
    is masked is masked. What else it reads, it reads through ``query``.
    """

    entity: str
    #: Part of the address, after what it prints: ``quote``, ``statement``.
    name: str
    title: Label
    build: Callable[[UnitOfWork, Record], Document]


@dataclass(frozen=True)
class GoalAsked:
    """Of which days, both included, and of whom a measure is asked; neither means everybody."""

    first: date
    last: date
    person: int | None = None
    #: With all departments below it.
    department: int | None = None

    def rows(self, day: str) -> tuple[tuple[str, ...], ...]:
        """The rows of a list of owned records whose ``day`` lies within, for `list_url`."""
        within = (day, "between", self.first.isoformat(), self.last.isoformat())
        return (*self._whose(), within)

    def filter(self, day: str, *more: tuple[str, str, Any]) -> dict[str, Any]:
        """The same as a filter of `ListQuery`, with ``more`` rows of (field, operator, value)."""
        days = [self.first.isoformat(), self.last.isoformat()]
        rows = (*self._whose(), (day, "between", days), *more)
        return {"all": [{"field": name, "op": op, "value": value} for name, op, value in rows]}

    def _whose(self) -> tuple[tuple[str, str, str], ...]:
        wanted = (("owner", "eq", self.person), ("department", "under", self.department))
        return tuple((field, op, str(key)) for field, op, key in wanted if key is not None)


@dataclass(frozen=True)
class GoalMeasure:
    """A figure for which goals are set: ``reading(uow, asked)`` says what is to be read for it.

    It finds the figure within the reader's scope, or None where there is nothing to measure; it raises
    `Forbidden` for who may not use what it looks at. Many are sent as one statement.
    """

    #: Begins with the plugin and a dot: ``crm_sales.win_rate``.
    name: str
    label: Label
    #: ``percent``, ``days``, ``count``, or ``amount`` in the company's currency.
    unit: str
    reading: Callable[[UnitOfWork, GoalAsked], Reading[Decimal | None]]
    #: The list behind the figure: its entity, and the rows of its filter.
    behind: Callable[[GoalAsked], tuple[str, tuple[tuple[str, ...], ...]]]
    #: What is counted, in a sentence.
    help: Label = ""


@dataclass(frozen=True)
class DemoStep:
    """One part of the demonstration data: ``run(uow)``; steps run by plugin order, then ``order``."""

    name: str
    run: Callable[[UnitOfWork], Iterable[str] | None]
    order: int = 100
