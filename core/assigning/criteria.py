"""One test of a record as people write it in a row: a field, a comparison, a value; as the core's condition."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from core.entities.conditions import parse_condition
from core.errors import Invalid
from core.fields import Boolean, Choice, ChoiceField
from core.i18n import LOCALES, use_locale
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l

if TYPE_CHECKING:
    from core.errors import Problem
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["COMPARISONS", "condition", "problem"]

COMPARISONS = (
    Choice("is", _l("is one of")),
    Choice("is_set", _l("is filled in")),
    Choice("is_empty", _l("is empty")),
    Choice("is_not", _l("is none of")),
    Choice("contains", _l("contains")),
    Choice("at_least", _l("is at least")),
    Choice("at_most", _l("is at most")),
)
_OPERATORS = {"is": "in", "is_not": "not_in", "at_least": "ge", "at_most": "le"}
_EQUAL = {"in": "eq", "not_in": "ne"}
_YES = ("1", "true", "yes", "y", "是", "有")
_VALUELESS = ("is_set", "is_empty")
_SEPARATORS = re.compile(r"[,，、;；\n]+")

Row = Mapping[str, Any]


def condition(spec: EntitySpec, rows: Iterable[Row]) -> dict[str, Any]:
    """All of the rows, each with ``field_name``, ``op`` and ``value``; without any every record passes."""
    return {"all": [_one(spec, row) for row in rows]}


def _one(spec: EntitySpec, row: Row) -> dict[str, Any]:
    op = str(_OPERATORS.get(row["op"]) or row["op"])
    test: dict[str, Any] = {"field": row["field_name"], "op": op}
    if op in _VALUELESS:
        return test
    text = (row["value"] or "").strip()
    item = spec.by_name.get(row["field_name"])
    type_ = item.value_type if item is not None else None
    if isinstance(type_, Boolean):
        return {**test, "op": _EQUAL.get(op, op), "value": text.casefold() in _YES}
    if op not in ("in", "not_in"):
        return {**test, "value": text.replace("，", "")}
    words = _several(text)
    if isinstance(type_, ChoiceField):
        known = _options(type_)
        words = [known.get(word.casefold(), word) for word in words]
    return {**test, "value": words}


def _several(text: str) -> list[str]:
    return [part.strip() for part in _SEPARATORS.split(text) if part.strip()]


def _options(type_: ChoiceField) -> dict[str, str]:
    """The values of a list of options, by themselves and by what they are called in any language."""
    known = {choice.value.casefold(): choice.value for choice in type_.choices}
    for locale in LOCALES:
        with use_locale(locale):
            for choice in type_.choices:
                known.setdefault(str(choice.label).casefold(), choice.value)
    return known


def problem(uow: UnitOfWork, entity: str, row: Row) -> tuple[str, str, str] | None:
    """What is wrong with a row: the name of its field, a code and a message; None when it can be asked."""
    if row["field_name"] is None or row["op"] is None:
        return None  # asked for already
    if row["op"] not in _VALUELESS and not (row["value"] or "").strip():
        return "value", "required", _("Please fill this in.")
    try:
        spec = uow.entity(entity)
        parse_condition(_one(spec, row), spec, uow)
    except Invalid as error:
        wrong: Problem | None = next(iter(error.problems), None)
        at_value = wrong is not None and wrong.field.endswith("value")
        message = wrong.message if wrong is not None else error.message
        return "value" if at_value else "op", wrong.code if wrong else "invalid", message
    return None
