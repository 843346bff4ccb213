"""Text by code point: parts, trimming, and the patterns of TEXT."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from core.expressions.arithmetic import multiply, round_half_up
from core.expressions.errors import Refused
from core.expressions.limits import DECIMALS
from core.expressions.symbols import Kind
from core.i18n import gettext as _

__all__ = ["check_pattern", "format_date", "format_number", "left", "middle", "right"]

_NUMBER_PATTERN = re.compile(r"(?P<group>#,##)?(?P<whole>0+)(?:\.(?P<decimals>0+))?(?P<percent>%)?")
_DATE_PART = re.compile(r"yyyy|yy|hh|mm|dd|ss|m|d|[-/.: 年月日时分秒]", re.IGNORECASE)


def left(text: str, count: Decimal) -> str:
    """The first ``count`` characters."""
    return text[: max(0, int(count))]


def right(text: str, count: Decimal) -> str:
    """The last ``count`` characters."""
    size = int(count)
    return text[-size:] if size > 0 else ""


def middle(text: str, start: Decimal, count: Decimal) -> str:
    """``count`` characters from the 1-based ``start``."""
    first = max(1, int(start)) - 1
    return text[first : first + max(0, int(count))]


def check_pattern(pattern: str | None, kind: Kind | None) -> None:
    """Refuse a pattern that TEXT cannot use for values of ``kind``."""
    if pattern is None:
        return
    if kind is Kind.NUMBER:
        match = _NUMBER_PATTERN.fullmatch(pattern)
        if match is None or len(match["decimals"] or "") > DECIMALS or len(match["whole"]) > 48:
            raise Refused(_('Write a number pattern such as "0", "0.00", "#,##0.00" or "0%".'))
    elif not pattern or _DATE_PART.sub("", pattern) or len(pattern) > 60:
        raise Refused(_('Write a date pattern such as "yyyy-mm-dd" or "yyyy-mm-dd hh:mm".'))


def format_number(value: Decimal, pattern: str) -> str | None:
    """``value`` by a pattern such as ``0.00`` or ``#,##0.00``, rounded half up."""
    match = _NUMBER_PATTERN.fullmatch(pattern)
    if match is None:
        return None
    scaled = multiply(value, Decimal(100)) if match["percent"] else value
    if scaled is None:
        return None
    decimals = len(match["decimals"] or "")
    rounded = round_half_up(scaled, Decimal(decimals))
    whole, _point, fraction = format(abs(rounded), f".{decimals}f").partition(".")
    whole = whole.zfill(len(match["whole"]))
    if match["group"]:
        whole = format(int(whole), f"0{_grouped_width(len(match['whole']))},d")
    sign = "-" if rounded < 0 else ""
    return sign + whole + ("." + fraction if fraction else "") + (match["percent"] or "")


def _grouped_width(digits: int) -> int:
    return digits + (digits - 1) // 3


def format_date(value: date, pattern: str) -> str:
    """``value`` by a pattern such as ``yyyy-mm-dd hh:mm``; ``mm`` after hours means minutes."""
    return "".join(_part(value, part) for part in _date_parts(pattern))


@lru_cache(maxsize=256)
def _date_parts(pattern: str) -> tuple[str, ...]:
    parts: list[str] = []
    timed = False
    for match in _DATE_PART.finditer(pattern):
        part = match[0].lower()
        if part == "mm" and timed:
            part = "minute"
        timed = part == "hh" or (timed and not part[0].isalpha())
        parts.append(part)
    return tuple(parts)


def _part(value: date, part: str) -> str:
    moment = value if isinstance(value, datetime) else datetime.combine(value, datetime.min.time())
    numbers = {
        "yyyy": f"{moment.year:04}",
        "yy": f"{moment.year % 100:02}",
        "mm": f"{moment.month:02}",
        "m": str(moment.month),
        "dd": f"{moment.day:02}",
        "d": str(moment.day),
        "hh": f"{moment.hour:02}",
        "minute": f"{moment.minute:02}",
        "ss": f"{moment.second:02}",
    }
    return numbers.get(part, part)
