"""Dates and times as people write them and as spreadsheets store them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from core.tabular.clean_text import as_text, clean_text, refuse

__all__ = ["clean_date", "clean_datetime"]

_YEAR_FIRST = re.compile(
    r"([0-9]{4})\s*[-/.年]\s*([0-9]{1,2})\s*[-/.月]\s*([0-9]{1,2})\s*[日号]?(?:[\sT,，]*(.+))?"
)
_COMPACT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:[\sT]*([0-9]{2}:?[0-9]{2}.*|[0-9]{4,6}))?")
_YEAR_LAST = re.compile(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4})(?:[\s,]+(.+))?")
_SERIAL = re.compile(r"[0-9]{5}(?:\.[0-9]{1,12})?")
_TIME = re.compile(
    r"""
    (?:周.|星期.|\(周.\)|\(星期.\))?\s*
    (?P<period>凌晨|早上|早晨|清晨|上午|中午|下午|傍晚|晚上|夜里|晚|[ap]\.?m\.?)?\s*
    (?P<hour>[0-9]{1,2})
    (?:
        \s*[:时点]\s*(?:(?P<minute>[0-9]{1,2})|(?P<half>半)|整)?\s*分?
        (?:\s*:?\s*(?P<second>[0-9]{1,2})(?:\.(?P<fraction>[0-9]{1,9}))?\s*秒?)?
    )
    \s*(?P<english>[ap]\.?m\.?)?
    \s*(?P<offset>z|[+-][0-9]{2}:?[0-9]{2})?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_COMPACT_TIME = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})?")
_WIDTHS = str.maketrans("－／．：", "-/.:")
_MORNING = frozenset(["凌晨", "早上", "早晨", "清晨", "上午", "am"])
#: Serial numbers of 1927 to 2099; smaller ones are more likely a year or a quantity.
_SERIALS = range(10_000, 73_051)
_EPOCH = datetime(1899, 12, 30)
_DAY_SECONDS = 86_400


def clean_date(value: Any, *, day_first: bool = False, month_first: bool = False) -> date | None:
    """A day; a time that follows it is dropped.

    ``3/4/2024`` is refused unless ``day_first`` or ``month_first`` says how to read it.
    """
    if isinstance(value, datetime):
        return value.date()
    if value is None or isinstance(value, date):
        return value
    found = _moment(value, "date", day_first, month_first)
    return None if found is None else found.date()


def clean_datetime(
    value: Any,
    *,
    zone: tzinfo | None = None,
    day_first: bool = False,
    month_first: bool = False,
) -> datetime | None:
    """A moment; midnight when no time is written.

    What is written without an offset is wall time in ``zone`` and comes back in UTC. Without
    ``zone`` it comes back naive, for callers that know the zone later.
    """
    if isinstance(value, datetime):
        moment: datetime | None = value
    elif isinstance(value, date):
        moment = datetime.combine(value, time())
    else:
        moment = _moment(value, "datetime", day_first, month_first)
    if moment is None:
        return None
    if moment.tzinfo is None:
        if zone is None:
            return moment
        moment = moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise refuse("datetime", value) from error


def _moment(value: Any, code: str, day_first: bool, month_first: bool) -> datetime | None:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _from_number(value, code)
    if not isinstance(value, str):
        if value is None:
            return None
        raise refuse(code, as_text(value))
    text = value if _COMPACT.fullmatch(value) or value.isascii() else clean_text(value)
    text = text.strip().translate(_WIDTHS) if text else None
    if not text:
        return None
    if _SERIAL.fullmatch(text):
        return _from_number(Decimal(text), code)
    try:
        return _from_text(text, code, day_first, month_first)
    except (ValueError, OverflowError) as error:
        if hasattr(error, "code"):
            raise
        raise refuse(code, text) from error


def _from_number(value: int | float | Decimal, code: str) -> datetime:
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if number.is_finite() and int(number) in _SERIALS:
        seconds = (number * _DAY_SECONDS).quantize(Decimal(1), ROUND_HALF_UP)
        return _EPOCH + timedelta(seconds=int(seconds))
    if (
        number.is_finite()
        and number == int(number)
        and (found := _COMPACT.fullmatch(f"{number:f}"))
    ):
        try:
            return datetime(int(found[1]), int(found[2]), int(found[3]))
        except ValueError as error:
            raise refuse(code, value) from error
    raise refuse(code, value)


def _from_text(text: str, code: str, day_first: bool, month_first: bool) -> datetime:
    if found := _YEAR_FIRST.fullmatch(text) or _COMPACT.fullmatch(text):
        year, month, day = int(found[1]), int(found[2]), int(found[3])
    elif found := _YEAR_LAST.fullmatch(text):
        year = int(found[3])
        month, day = _month_and_day(text, int(found[1]), int(found[2]), day_first, month_first)
    else:
        raise refuse(code, text)
    start = datetime(year, month, day)
    return start if found[4] is None else _with_time(start, found[4])


def _month_and_day(
    text: str, first: int, second: int, day_first: bool, month_first: bool
) -> tuple[int, int]:
    if month_first and not day_first:
        return first, second
    if day_first and not month_first:
        return second, first
    if first == second or second > 12:
        return first, second
    if first > 12:
        return second, first
    raise refuse("ambiguous_date", text)


def _with_time(start: datetime, text: str) -> datetime:
    """``start`` at the time ``text``; raises ValueError when it is none."""
    if compact := _COMPACT_TIME.fullmatch(text):
        return start.replace(
            hour=int(compact[1]), minute=int(compact[2]), second=int(compact[3] or 0)
        )
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(text)
    period = (found["period"] or found["english"] or "").lower().replace(".", "")
    moment = start.replace(
        hour=_hour(int(found["hour"]), period),
        minute=30 if found["half"] else int(found["minute"] or 0),
        second=int(found["second"] or 0),
        microsecond=int((found["fraction"] or "0")[:6].ljust(6, "0")),
    )
    offset = found["offset"]
    return moment if offset is None else _shifted(moment, offset)


def _hour(hour: int, period: str) -> int:
    """24-hour clock; ``下午 15:00`` is taken at its word."""
    if not period or hour > 12:
        return hour
    if period in _MORNING:
        return 0 if hour == 12 and period in ("am", "凌晨") else hour
    if period == "中午":
        return hour + 12 if hour < 3 else hour
    if hour == 12:
        return 0 if period in ("晚上", "夜里", "晚") else 12
    return hour + 12


def _shifted(moment: datetime, offset: str) -> datetime:
    if offset in "zZ":
        return moment.replace(tzinfo=UTC)
    sign = -1 if offset[0] == "-" else 1
    digits = offset[1:].replace(":", "")
    delta = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return (moment - sign * delta).replace(tzinfo=UTC)
