"""Values on their way in: each kind accepts its own Python type and nothing that resembles it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from core.expressions.arithmetic import fit, multiply
from core.expressions.limits import MAX_TEXT
from core.expressions.symbols import Kind, fold

__all__ = ["READERS", "read_cell"]

_PLAIN_NUMBER = re.compile(r"[+-]?[0-9]{1,48}(?:\.[0-9]{1,12})?(%?)")
_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "1", "是", "真"), True),
    **dict.fromkeys(("false", "no", "0", "否", "假"), False),
}


def _number(value: Any) -> Decimal | None:
    if type(value) is Decimal:
        return fit(value)
    if isinstance(value, Decimal) or (type(value) is int and value.bit_length() < 256):
        return fit(Decimal(value))
    return None


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        return None
    return value if type(value) is str else str(value)


def _boolean(value: Any) -> bool | None:
    return value if value is True or value is False else None


def _date(value: Any) -> date | None:
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, datetime) or value.tzinfo is None:
        return None
    try:
        return value if value.tzinfo is UTC else value.astimezone(UTC)
    except OverflowError:
        return None


#: What turns a value that is not null into the language's own; null means it is not of that kind.
READERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.NUMBER: _number,
    Kind.TEXT: _text,
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _date,
    Kind.DATETIME: _moment,
}


def read_cell(text: str, kind: Kind) -> Any:
    """A cell of a reference table as a value of ``kind``; None when it is not one.

    Numbers may have thousands separators and a percent sign, dates are written 2026-05-01.
    """
    text = fold(text)
    try:
        match kind:
            case Kind.NUMBER:
                plain = text.replace(",", "")
                found = _PLAIN_NUMBER.fullmatch(plain)
                if found is None:
                    return None
                value = Decimal(plain.rstrip("%"))
                return multiply(value, Decimal("0.01")) if found[1] else value
            case Kind.BOOLEAN:
                return _BOOLEANS.get(text)
            case Kind.DATE:
                return date.fromisoformat(text)
            case Kind.DATETIME:
                return datetime.fromisoformat(text)
    except ValueError:
        return None
    return text
