"""Which columns a list shows: the declared ones, as plugins adjust them, or a person's choice."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import singledispatch
from typing import TYPE_CHECKING

from core.entities.edits import ListEdit
from core.entities.query import visible
from core.entities.reading import Reading
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.settings.preferences import get_preference, put_preference, reading_preferences

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "choose_columns",
    "column_kind",
    "column_widths",
    "columns_offered",
    "keep_widths",
    "list_columns",
    "order_columns",
    "reading_columns",
]

log = logging.getLogger("dougong.web")

#: More would not be read, and each costs time.
MAX_COLUMNS = 30
#: Pixels that a column may be wide.
MIN_WIDTH, MAX_WIDTH = 48, 800
_NOT_LISTED = (t.Lines, t.Document)
#: Told by the page itself.
_SILENT = frozenset({"id", "version", "archived_at"})


@singledispatch
def column_kind(type_: t.FieldType) -> str:
    """How a column is set: ``text``, ``number`` (to the right) or ``date``."""
    return "text"


@column_kind.register
def _(type_: t.Integer) -> str:
    return "number"


@column_kind.register
def _(type_: t.Related) -> str:
    return "text"


@column_kind.register
def _(type_: t.Number) -> str:
    return "number"


@column_kind.register
def _(type_: t.Date) -> str:
    return "date"


@column_kind.register
def _(type_: t.DateTime) -> str:
    return "date"


@column_kind.register
def _(type_: t.Computed) -> str:
    return column_kind(type_.result)


def columns_offered(uow: UnitOfWork, spec: EntitySpec) -> tuple[FieldSpec, ...]:
    """The fields that this reader may have as columns."""
    return tuple(
        item
        for item in visible(uow, spec)
        if item.name not in _SILENT and not isinstance(item.type, _NOT_LISTED)
    )


def list_columns(
    uow: UnitOfWork, spec: EntitySpec, wanted: Sequence[str] = ()
) -> tuple[FieldSpec, ...]:
    """The columns of this reader's list, the one that names the record first.

    ``wanted`` are those of a view, which come before what the reader has chosen for all lists.
    """
    offered = {item.name: item for item in columns_offered(uow, spec)}
    chosen = [name for name in wanted if name] or get_preference(uow, _key(spec))
    names = chosen if isinstance(chosen, list) else _adjusted(uow, spec)
    shown = [offered[name] for name in names if name in offered]
    if not any(item.name == spec.label_field for item in shown) and spec.label_field in offered:
        shown.insert(0, offered[spec.label_field])
    shown.sort(key=lambda item: item.name != spec.label_field)
    return tuple(shown[:MAX_COLUMNS]) or tuple(offered.values())[:6]


def choose_columns(uow: UnitOfWork, spec: EntitySpec, names: Iterable[str]) -> None:
    """Remember a person's columns in their order; none go back to the declared ones."""
    put_preference(uow, _key(spec), order_columns(uow, spec, names) or None)


def reading_columns(uow: UnitOfWork, specs: Iterable[EntitySpec]) -> Reading[None]:
    """What this reader has chosen for several lists, which are about to be shown."""
    return reading_preferences(uow, [_key(spec) for spec in specs])


def order_columns(uow: UnitOfWork, spec: EntitySpec, names: Iterable[str]) -> list[str]:
    """Those of ``names`` that this reader may have, each once."""
    offered = {item.name for item in columns_offered(uow, spec)}
    return [name for name in dict.fromkeys(names) if name in offered][:MAX_COLUMNS]


def column_widths(uow: UnitOfWork, spec: EntitySpec) -> dict[str, int]:
    """How wide this reader has drawn columns, in pixels; empty when they follow their contents."""
    found = get_preference(uow, f"widths:{spec.name}")
    return found if isinstance(found, dict) else {}


def keep_widths(uow: UnitOfWork, spec: EntitySpec, widths: Mapping[str, int]) -> None:
    """Remember the widths of a person's columns; none let them follow their contents again."""
    offered = {item.name for item in columns_offered(uow, spec)}
    kept = {
        name: min(max(width, MIN_WIDTH), MAX_WIDTH)
        for name, width in widths.items()
        if name in offered
    }
    put_preference(uow, f"widths:{spec.name}", kept or None)


def _key(spec: EntitySpec) -> str:
    return f"columns:{spec.name}"


def _adjusted(uow: UnitOfWork, spec: EntitySpec) -> Sequence[str]:
    names = list(spec.list_columns)
    enabled = uow.open_plugins
    if not uow.runtime.plugins.has("adjust_list", enabled):
        return names
    for edits in uow.runtime.plugins.ask("adjust_list", enabled, entity=spec, actor=uow.actor):
        for edit in edits:
            _apply(names, edit, spec)
    return names


def _apply(names: list[str], edit: ListEdit, spec: EntitySpec) -> None:
    if edit.field not in spec:
        log.warning("adjust_list: %s has no field %s", spec.name, edit.field)
    elif edit.kind == "remove":
        names[:] = [name for name in names if name != edit.field]
    elif edit.field not in names:
        place = names.index(edit.before) if edit.before in names else len(names)
        names.insert(place, edit.field)
