"""What a plugin says of an entity whose records lie in pools until somebody claims them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, Table, and_, true

from core.i18n import lazy_gettext as _l

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.fields.types import Label
    from core.work.events import Event
    from core.work.uow import UnitOfWork

__all__ = ["IDLE", "Grades", "LimitKind", "Pooled", "Row", "Shelter"]

Row = Mapping[str, Any]
#: A date or a moment of each row, or null; a condition on each row.
Sql = Callable[["UnitOfWork", FromClause], ColumnElement[Any]]


@dataclass(frozen=True)
class LimitKind:
    """After how many days records go back, counted from the latest of several moments.

    The days are the pool's field ``<name>_days``. They count from when a record came into its owner's
    hands, or from what else is named here, whichever is later. ``says`` is a text with ``%(since)s``
    and ``%(n)s``.
    """

    name: str
    says: Label
    #: Fields of the record: moments or days.
    counts: tuple[str, ...] = ()
    #: What other tables know, as scalar subqueries.
    moments: tuple[Sql, ...] = ()
    #: Records that it does not bind.
    unless: Sql | None = None

    @property
    def field(self) -> str:
        """The pool's field with the days."""
        return f"{self.name}_days"


@dataclass(frozen=True)
class Shelter:
    """What keeps records with their owners whatever the limits say.

    ``field`` is the pool's: yes or no, then as long as there is a ``moment``; or a number of days, then
    so long after it. ``says`` is a text with ``%(since)s``, and ``%(n)s`` where there are days.
    """

    name: str
    field: str
    moment: Sql
    says: Label


@dataclass(frozen=True)
class Grades:
    """Other days for records of some grade, e.g. of a customer level.

    ``field`` is the record's. ``entity`` are lines of the pool with ``field``, with a field for each
    limit's days (empty: those of the pool) and ``stays``, for a grade that never goes back.
    """

    field: str
    entity: str


#: No follow-up; ``last_followed_at`` is a field of `core.pools.models.Pooling`.
IDLE = LimitKind(
    "idle",
    _l("No follow-up since %(since)s; %(n)s days are allowed."),
    counts=("last_followed_at",),
)


def _nothing(uow: UnitOfWork, rows: Sequence[Row]) -> None:
    """No row is refused, and nothing else happens."""


def _no_values(uow: UnitOfWork, row: Row) -> Row:
    return {}


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """An entity, its pools, and what is particular about it. Verbs, jobs and pages follow from it."""

    plugin: str
    entity: str
    #: The entity of its pools, of the model `core.pools.models.Pool`.
    pools: str
    #: The entity of its changes of hands, of the model `core.pools.models.Transfer`; its child.
    transfers: str
    #: Made by `core.pools.models.warning_table`.
    warnings: Table
    limits: tuple[LimitKind, ...] = (IDLE,)
    shelters: tuple[Shelter, ...] = ()
    grades: Grades | None = None
    #: A field and its values while a record is worked on; None: always.
    open: tuple[str, tuple[str, ...]] | None = None
    #: The group of settings with ``daily_claims`` and ``holding_limit`` for pools that say nothing.
    settings: str | None = None
    #: A record that nobody owns and that names no pool goes into one.
    takes_unowned: bool = False
    #: Raises `Refused` for rows that are not worked on, in the words of the business.
    require_open: Callable[[UnitOfWork, Sequence[Row]], None] = _nothing
    #: Raises `Refused` for rows that their owner may not give back yet.
    require_free: Callable[[UnitOfWork, Sequence[Row]], None] = _nothing
    #: What a row holds besides once somebody gets it; and once it lies in a pool again.
    taken: Callable[[UnitOfWork, Row], Row] = _no_values
    returned: Row = field(default_factory=dict)
    #: What else happens when somebody claims rows; it may refuse, and then nothing is claimed.
    along: Callable[[UnitOfWork, Sequence[Row]], None] = _nothing
    #: Events, by the ids and the new owner, or the reason.
    claimed: Callable[[tuple[int, ...], int], Event] | None = None
    released: Callable[[tuple[int, ...], str], Event] | None = None
    assigned: Callable[[tuple[int, ...], int], Event] | None = None
    #: The field that says by which rule somebody was given a record.
    assigned_because: str | None = None
    #: The verbs' names: who may assign changes hands and pools by hand, too.
    assign: str = "assign"
    move: str = "move"
    #: Where the rehearsal is, and the right to see it.
    returns_page: str = ""
    returns_right: str = ""

    def table(self, uow: UnitOfWork) -> Table:
        """The records."""
        return uow.snapshot.installed_entities[self.entity].table

    def pool_table(self, uow: UnitOfWork) -> Table:
        """The pools."""
        return uow.snapshot.installed_entities[self.pools].table

    def links(self, uow: UnitOfWork, name: str) -> Table:
        """Who or what belongs to a pool: ``members``, ``departments`` or ``administrators``."""
        table = self.pool_table(uow)
        return table.metadata.tables[f"{table.name}__{name}"]

    def label(self, uow: UnitOfWork, row: Row) -> str:
        """How a row is called."""
        return row.get(self.spec(uow).label_field) or f"#{row['id']}"

    def spec(self, uow: UnitOfWork) -> EntitySpec:
        """The entity, also where it is closed to the actor."""
        found: EntitySpec = uow.snapshot.installed_entities[self.entity]
        return found

    @property
    def fields(self) -> tuple[str, ...]:
        """What of a record tells when it goes back."""
        counted = (name for limit in self.limits for name in limit.counts)
        grade = (self.grades.field,) if self.grades else ()
        status = (self.open[0],) if self.open else ()
        return tuple(dict.fromkeys(("pool", "owner", *status, "held_since", *counted, *grade)))

    def is_open(self, row: Row) -> bool:
        """Whether a row is worked on."""
        return self.open is None or row[self.open[0]] in self.open[1]

    def while_open(self, uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
        """Rows that are worked on."""
        if self.open is None:
            return true()
        column = self.spec(uow).column(self.open[0])
        return and_(table.c[column.name].in_(self.open[1]))

    def open_filter(self) -> list[dict[str, Any]]:
        """The same as conditions of a filter."""
        if self.open is None:
            return []
        return [{"field": self.open[0], "op": "in", "value": list(self.open[1])}]

    def open_rows(self) -> list[tuple[str, ...]]:
        """The same as rows of a list's address."""
        return [(self.open[0], "in", *self.open[1])] if self.open else []
