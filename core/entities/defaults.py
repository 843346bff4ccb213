"""What a field holds when a record begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.entities.formulas import kind_of
from core.entities.values import BadValue, check_value
from core.expressions import Expression, ExpressionError, Scope, compile_expression
from core.fields import FieldSpec
from core.fields import types as t
from core.fields.rules import WrittenDefault
from core.i18n import gettext as _
from core.reference.reading import evaluation_context

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["WORDS", "compile_default", "default_of"]

#: Words for what only the moment knows, each with the entity whose references may say it.
WORDS = {"me": "user", "my_department": "department"}


def default_of(uow: UnitOfWork, item: FieldSpec) -> Any:
    """The value that a new record begins with, made now where it is made for each record."""
    default = item.default
    if isinstance(default, WrittenDefault):
        return _written(uow, item, default.source)
    return default() if callable(default) else default


def _written(uow: UnitOfWork, item: FieldSpec, source: str) -> Any:
    if source == "me":
        return uow.actor.user_id
    if source == "my_department":
        return uow.actor.departments[0] if uow.actor.departments else None
    memo, key = uow.snapshot.memo, ("default", source, item.type)
    try:
        if key not in memo:
            memo[key] = compile_default(item.type, source)
        expression: Expression = memo[key]
        return check_value(item.type, expression.evaluate({}, evaluation_context(uow)))
    except (ExpressionError, BadValue):  # e.g. too long for the field: begun with nothing
        return None


def compile_default(type_: t.FieldType, source: str) -> Expression | None:
    """The expression of a written default, None for a word; raises `ExpressionError`.

    It knows no fields: what it gives must be known before anything is filled in.
    """
    if source in WORDS:
        if isinstance(type_, t.Reference) and type_.entity == WORDS[source]:
            return None
        raise ExpressionError(_("This kind of field cannot have that."), 1, len(source))
    kind = kind_of(type_)
    if kind is None or isinstance(type_, t.Reference):
        raise ExpressionError(_("This kind of field cannot have that."), 1, len(source))
    return compile_expression(source.removeprefix("="), Scope([]), kind)
