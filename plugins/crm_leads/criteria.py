"""One test of a lead as people write it in a row: a field, a comparison, a value; as the core's condition."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from core.entities.conditions import parse_condition
from core.errors import Invalid
from core.fields import Choice
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l

if TYPE_CHECKING:
    from core.errors import Problem
    from core.work.uow import UnitOfWork

__all__ = ["COMPARISONS", "TESTED", "condition", "problem", "said"]

#: The fields of a lead that rules look at.
TESTED = (
    Choice("source", _l("Source")),
    Choice("province", _l("Province")),
    Choice("city", _l("City")),
    Choice("industry", _l("Industry")),
    Choice("expected_amount", _l("Expected amount")),
    Choice("score", _l("Score")),
    Choice("tags", _l("Tags")),
    Choice("company", _l("Company name")),
    Choice("mobile", _l("Mobile")),
    Choice("email", _l("E-mail")),
)
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
_VALUELESS = ("is_set", "is_empty")
_SEPARATORS = re.compile(r"[,，、;；\n]+")

Row = Mapping[str, Any]


def condition(rows: Iterable[Row]) -> dict[str, Any]:
    """All of the rows, each with ``field_name``, ``op`` and ``value``; without any every lead passes."""
    return {"all": [_one(row) for row in rows]}


def _one(row: Row) -> dict[str, Any]:
    op = _OPERATORS.get(row["op"], row["op"])
    if op in _VALUELESS:
        return {"field": row["field_name"], "op": op}
    text = (row["value"] or "").strip()
    value = _several(text) if op in ("in", "not_in") else text.replace("，", "")
    return {"field": row["field_name"], "op": op, "value": value}


def _several(text: str) -> list[str]:
    return [part.strip() for part in _SEPARATORS.split(text) if part.strip()]


def problem(uow: UnitOfWork, row: Row) -> tuple[str, str, str] | None:
    """What is wrong with a row: the name of its field, a code and a message; None when it can be asked."""
    if row["field_name"] is None or row["op"] is None:
        return None  # asked for already
    if row["op"] not in _VALUELESS and not (row["value"] or "").strip():
        return "value", "required", _("Please fill this in.")
    try:
        parse_condition(_one(row), uow.entity("lead"), uow)
    except Invalid as error:
        wrong: Problem | None = next(iter(error.problems), None)
        at_value = wrong is not None and wrong.field.endswith("value")
        message = wrong.message if wrong is not None else error.message
        return "value" if at_value else "op", wrong.code if wrong else "invalid", message
    return None


def said(row: Row) -> str:
    """The row in words: “Source is one of 展会”."""
    field = _named(TESTED, row["field_name"])
    op = _named(COMPARISONS, row["op"])
    value = "" if row["op"] in _VALUELESS else (row["value"] or "").strip()
    return _("%(field)s %(comparison)s %(value)s", field=field, comparison=op, value=value).strip()


def _named(choices: Iterable[Choice], value: str) -> str:
    return next((str(choice.label) for choice in choices if choice.value == value), value)
