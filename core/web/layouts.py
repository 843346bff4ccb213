"""The ways to lay out the records of an entity, told from its fields alone."""

from __future__ import annotations

from dataclasses import dataclass

from core.entities.scope import may_use
from core.entities.tables import columns_offered
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.fields.types import Label
from core.i18n import lazy_gettext as _l
from core.work.uow import UnitOfWork

__all__ = ["Layout", "board_fields", "calendar_fields", "layouts_offered"]

#: Dates that the service keeps: nobody plans by them.
_KEPT = frozenset({"created_at", "updated_at", "archived_at"})


@dataclass(frozen=True)
class Layout:
    """One way to lay records out."""

    name: str
    label: Label
    icon: str


TABLE = Layout("table", _l("Table view"), "table")
BOARD = Layout("board", _l("Board view"), "layout-kanban")
CALENDAR = Layout("calendar", _l("Calendar view"), "calendar")


def layouts_offered(uow: UnitOfWork, spec: EntitySpec) -> list[Layout]:
    """Those that make sense for the entity and this reader."""
    found = [TABLE]
    found += [BOARD] if board_fields(uow, spec) else []
    return found + ([CALENDAR] if calendar_fields(uow, spec) else [])


def board_fields(uow: UnitOfWork, spec: EntitySpec) -> list[FieldSpec]:
    """The fields whose values may be the columns of a board: stage and status, choices, references."""
    usable = [item for item in _usable(uow, spec) if item.name not in ("created_by", "updated_by")]
    choices = [item for item in usable if type(item.type) is t.ChoiceField]
    references = [item for item in usable if isinstance(item.type, t.Reference)]
    fit = [*choices, *references]
    state = [item for name in ("stage", "status") for item in fit if item.name == name]
    return state + [item for item in fit if item not in state]


def calendar_fields(uow: UnitOfWork, spec: EntitySpec) -> list[FieldSpec]:
    """The dates by which records may be put into a calendar: those that lists show come first."""
    found = [
        item
        for item in _usable(uow, spec)
        if isinstance(item.type, (t.Date, t.DateTime)) and item.name not in _KEPT
    ]
    return sorted(found, key=lambda item: item.name not in spec.list_columns)


def _usable(uow: UnitOfWork, spec: EntitySpec) -> list[FieldSpec]:
    return [
        item for item in columns_offered(uow, spec) if item.is_stored and may_use(uow, spec, item)
    ]
