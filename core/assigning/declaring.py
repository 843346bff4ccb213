"""What a plugin says of an entity whose records are assigned by rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, Table

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.fields.types import Label
    from core.plugins.contributions import NotificationKind
    from core.work.events import Event
    from core.work.uow import UnitOfWork

__all__ = ["Assigned", "Row"]

Row = Mapping[str, Any]


def _no_values(uow: UnitOfWork, row: Row) -> Row:
    return {}


def _nothing(uow: UnitOfWork, rows: Mapping[int, Row]) -> None:
    """Nothing else happens."""


@dataclass(frozen=True, kw_only=True)
class Assigned:
    """An entity with an owner, the rules that say who gets its records, and what is particular about it."""

    entity: str
    #: The entity of its rules, of the model `core.assigning.models.AssignmentRule`, and of their conditions,
    #: of the model `core.assigning.models.AssignmentCondition`; tables follow from them.
    rules: str
    conditions: str
    #: Made by `core.assigning.models.rotation_table`.
    rotation: Table
    #: Made by `core.assigning.models.move_table`: rules with ``on_change`` are asked of changed records, too.
    moves: Table | None = None
    #: The field of the record that says by which rule it is whose it is.
    reason: str = "assignment_reason"
    #: A field and its values while a record is worked on; None: always. Closed ones are neither assigned
    #: nor counted.
    open: tuple[str, tuple[str, ...]] | None = None
    #: Why somebody with few records got one: a text with ``%(rule)s`` and ``%(n)s``.
    fewest: Label
    #: What the new owner is told where no person has changed the record; what the former one is told.
    given: NotificationKind
    lost: NotificationKind | None = None
    #: The event, by the ids and the new owner.
    assigned: Callable[[tuple[int, ...], int], Event] | None = None
    #: What a record holds besides once somebody gets it, and what else happens, with all that was written
    #: by id; both are given these fields.
    fields: tuple[str, ...] = ()
    taken: Callable[[UnitOfWork, Row], Row] = _no_values
    along: Callable[[UnitOfWork, Mapping[int, Row]], None] = _nothing
    #: Which rows with an owner no rule puts into a pool: a condition on the table.
    kept: Callable[[UnitOfWork, FromClause], ColumnElement[bool]] | None = None

    def spec(self, uow: UnitOfWork) -> EntitySpec:
        """The entity, also where it is closed to the actor."""
        found: EntitySpec = uow.snapshot.installed_entities[self.entity]
        return found

    def is_open(self, row: Row) -> bool:
        """Whether a row is worked on."""
        return self.open is None or row[self.open[0]] in self.open[1]

    def open_filter(self) -> list[dict[str, Any]]:
        """The same as conditions of a filter."""
        if self.open is None:
            return []
        return [{"field": self.open[0], "op": "in", "value": list(self.open[1])}]
