"""Sorting and keyset pages: a page continues after the last row's values, at any depth as quickly."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import ColumnElement, and_, false, or_, select, tuple_

from core.entities.labels import label_column
from core.entities.scope import may_use, scope_clause
from core.entities.values import BadValue, check_value, is_text
from core.entities.veils import seen
from core.errors import Invalid, Problem
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["SortKey", "after_cursor", "is_sortable", "make_cursor", "parse_sort"]

MAX_KEYS = 4


@dataclass(frozen=True)
class SortKey:
    """One column of the order. Nulls stand where the database's own indexes have them."""

    name: str
    expression: ColumnElement[Any]
    type: t.FieldType
    descending: bool
    nullable: bool
    #: Under which name the value is among the selected columns.
    alias: str

    def order(self) -> ColumnElement[Any]:
        """The ORDER BY element."""
        return self.expression.desc() if self.descending else self.expression.asc()


def parse_sort(uow: UnitOfWork, spec: EntitySpec, text: str) -> tuple[SortKey, ...]:
    """``-created_at,name`` as keys; the id comes last, so that the order is total.

    It runs the same way as the key before it, which lets one index serve both.
    """
    keys: list[SortKey] = []
    names = [part.strip() for part in text.split(",") if part.strip()]
    if len(names) > MAX_KEYS:
        raise _bad(_("Sort by at most %(n)s fields.", n=MAX_KEYS))
    for part in names:
        descending, name = part.startswith("-"), part.lstrip("+-")
        field = spec.by_name.get(name)
        if field is None or not may_use(uow, spec, field) or not is_sortable(field):
            raise _bad(_("Cannot sort by %(name)s.", name=name[:60]))
        if any(key.name == name for key in keys):
            continue
        keys.append(_key(uow, spec, field, descending))
        if name == "id":
            return tuple(keys)
    last = keys[-1].descending if keys else True
    keys.append(_key(uow, spec, spec["id"], last))
    return tuple(keys)


def is_sortable(field: FieldSpec) -> bool:
    """True when a list can be put in the order of this field."""
    listed = (t.MultiChoice, t.Tags, t.LongText, t.Document, t.File)
    return field.is_stored and not isinstance(field.value_type, listed)


def _key(uow: UnitOfWork, spec: EntitySpec, field: FieldSpec, descending: bool) -> SortKey:
    column = seen(uow, spec, field, spec.table)
    if isinstance(field.type, t.Reference):
        target = uow.snapshot.installed_entities[field.type.entity]
        other = uow.alias(target.table)
        named = select(label_column(target, other)).where(other.c.id == column)
        if not may_use(uow, target, target[target.label_field]):
            named = named.where(false())
        if (clause := scope_clause(uow, target, "read", other)) is not None:
            named = named.where(clause)
        label_type = target[target.label_field].value_type
        return SortKey(
            field.name,
            named.scalar_subquery(),
            label_type,
            descending,
            True,
            f"{field.name}__label",
        )
    stored = spec.column(field.name)
    # What is masked in some rows is another value than the column's, and must not take its name.
    alias = field.name if column is stored else f"{field.name}__seen"
    nullable = column is not stored or bool(stored.nullable)
    return SortKey(field.name, column, field.value_type, descending, nullable, alias)


def make_cursor(keys: Sequence[SortKey], row: Mapping[str, Any]) -> str:
    """An opaque text from which the next page continues."""
    order = [("-" if key.descending else "") + key.name for key in keys]
    values = [_plain(row[key.alias]) for key in keys]
    return base64.urlsafe_b64encode(orjson.dumps([order, values])).decode().rstrip("=")


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def after_cursor(
    uow: UnitOfWork, spec: EntitySpec, keys: Sequence[SortKey], cursor: str
) -> ColumnElement[bool]:
    """The condition "comes after the row of the cursor"; `Invalid` for a cursor of another order."""
    values = _read_cursor(keys, cursor)
    if not any(key.nullable for key in keys) and len({key.descending for key in keys}) == 1:
        left = tuple_(*(key.expression for key in keys))
        right = tuple_(*values)
        return left < right if keys[0].descending else left > right
    nulls_are_large = not uow.runtime.database.is_sqlite
    alternatives = []
    same: list[ColumnElement[bool]] = []
    for key, value in zip(keys, values, strict=True):
        alternatives.append(and_(*same, _beyond(key, value, nulls_are_large)))
        column = key.expression
        same.append(column.is_(None) if value is None else column == value)
    return or_(*alternatives)


def _beyond(key: SortKey, value: Any, nulls_are_large: bool) -> ColumnElement[bool]:
    column = key.expression
    nulls_last = nulls_are_large is not key.descending
    if value is None:
        return false() if nulls_last else column.is_not(None)
    further = column < value if key.descending else column > value
    return or_(further, column.is_(None)) if nulls_last and key.nullable else further


def _read_cursor(keys: Sequence[SortKey], cursor: str) -> list[Any]:
    order = [("-" if key.descending else "") + key.name for key in keys]
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        given, values = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if given != order or len(values) != len(keys):
            raise ValueError(given)
        return [_typed(key, value) for key, value in zip(keys, values, strict=True)]
    except (ValueError, TypeError, UnicodeEncodeError, binascii.Error, BadValue):
        message = _("This page no longer exists. Begin with the first one.")
        raise Invalid(message, [Problem("after", "cursor", message)]) from None


def _typed(key: SortKey, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(key.type, (t.Text, t.AutoNumber, t.ChoiceField, t.Region)):
        if not is_text(value):
            raise ValueError(value)
        return value
    return check_value(key.type, value)


def _bad(message: str) -> Invalid:
    return Invalid(message, [Problem("sort", "sort", message)])
