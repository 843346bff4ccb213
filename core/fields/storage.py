"""Which column type stores which field type: the first of the derivations."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy import Boolean as SqlBoolean
from sqlalchemy import Date as SqlDate
from sqlalchemy.types import TypeEngine

from core.db.types import BigId, ExactDecimal, Json, PlainText, UtcDateTime
from core.fields import types as t

__all__ = ["column_type", "is_detached"]


@singledispatch
def column_type(type_: t.FieldType) -> TypeEngine[Any]:
    """The column type of a field type; raises `TypeError` for types without a column."""
    raise TypeError(f"{type(type_).__name__} is not stored in a column")


def is_detached(type_: t.FieldType) -> bool:
    """True when values live in another table."""
    return isinstance(type_, (t.Lines, t.References))


@column_type.register
def _(type_: t.Text) -> TypeEngine[Any]:
    return PlainText(type_.max_length)


@column_type.register
def _(type_: t.Secret) -> TypeEngine[Any]:
    raise TypeError("a secret is a setting, not a field of an entity")


@column_type.register
def _(type_: t.LongText) -> TypeEngine[Any]:
    return PlainText()


@column_type.register
def _(type_: t.Integer) -> TypeEngine[Any]:
    return BigInteger()


@column_type.register
def _(type_: t.Number) -> TypeEngine[Any]:
    return ExactDecimal(type_.precision, type_.scale)


@column_type.register
def _(type_: t.Boolean) -> TypeEngine[Any]:
    return SqlBoolean()


@column_type.register
def _(type_: t.Date) -> TypeEngine[Any]:
    return SqlDate()


@column_type.register
def _(type_: t.DateTime) -> TypeEngine[Any]:
    return UtcDateTime()


@column_type.register
def _(type_: t.ChoiceField) -> TypeEngine[Any]:
    return PlainText(64)


@column_type.register
def _(type_: t.MultiChoice) -> TypeEngine[Any]:
    return Json()


@column_type.register
def _(type_: t.Tags) -> TypeEngine[Any]:
    return Json()


@column_type.register
def _(type_: t.Document) -> TypeEngine[Any]:
    return Json()


@column_type.register
def _(type_: t.Region) -> TypeEngine[Any]:
    return PlainText(6)


@column_type.register
def _(type_: t.Reference) -> TypeEngine[Any]:
    return BigId


@column_type.register
def _(type_: t.File) -> TypeEngine[Any]:
    return BigId


@column_type.register
def _(type_: t.AutoNumber) -> TypeEngine[Any]:
    return PlainText(type_.max_length)


@column_type.register
def _(type_: t.Computed) -> TypeEngine[Any]:
    return column_type(type_.result)
