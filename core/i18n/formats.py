"""How a reader's language writes numbers, dates, money and sizes. Moments need the company's zone."""

from __future__ import annotations

from copy import copy
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date as babel_date
from babel.dates import format_datetime as babel_datetime
from babel.numbers import NumberPattern, get_currency_precision, get_currency_symbol

from core.i18n.messages import current_locale

__all__ = [
    "currency_decimals",
    "currency_sign",
    "format_date",
    "format_datetime",
    "format_money",
    "format_month",
    "format_number",
    "format_size",
    "format_time",
    "format_weekday",
]

#: Business papers in China write days as ISO 8601 does; elsewhere the month is a word.
_ISO_LOCALE = "zh_CN"
_DAY = "d MMM y"
_MOMENT = "d MMM y, HH:mm"
_UNITS = ("B", "kB", "MB", "GB", "TB")


@cache
def _locale(name: str) -> Locale:
    return Locale.parse(name)


@cache
def _decimal_pattern(name: str, scale: int) -> NumberPattern:
    pattern: NumberPattern = copy(_locale(name).decimal_formats[None])
    pattern.frac_prec = (scale, scale)
    return pattern


def format_number(value: Decimal | int, scale: int | None = None) -> str:
    """A number with separators; ``scale`` digits after the point, else as many as it has."""
    name = current_locale()
    if scale is None:
        exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
        scale = max(0, -exponent) if isinstance(exponent, int) else 0
    return str(_decimal_pattern(name, min(scale, 40)).apply(value, _locale(name)))


def format_size(size: int) -> str:
    """How much room a file takes: ``640 B``, ``12.3 kB``, ``1.5 MB``."""
    amount, unit = Decimal(size), 0
    while amount >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{format_number(amount, 1 if unit and amount < 100 else 0)} {_UNITS[unit]}"


@cache
def _currency_sign(code: str, name: str) -> str:
    return get_currency_symbol(code, locale=_locale(name)) or code


def currency_sign(code: str) -> str:
    """``¥`` for CNY where that is clear, else ``CN¥``; an unknown code stands for itself."""
    return _currency_sign(code, current_locale())


@cache
def currency_decimals(code: str) -> int:
    """How many decimals amounts of a currency have: 2 for CNY, none for JPY and KRW."""
    return int(get_currency_precision(code))


def format_money(value: Decimal, currency: str, scale: int = 2) -> str:
    """An amount with the sign of its currency in front: ``¥1,250,000.00``, ``-US$3.50``."""
    amount = format_number(abs(value), scale)
    minus = "-" if value < 0 else ""
    return f"{minus}{currency_sign(currency)}{amount}"


@lru_cache(maxsize=4096)
def _day(value: date, name: str) -> str:
    return babel_date(value, _DAY, locale=_locale(name))


def format_date(value: date) -> str:
    """A calendar day."""
    name = current_locale()
    return value.isoformat() if name == _ISO_LOCALE else _day(value, name)


def format_datetime(value: datetime, zone: ZoneInfo, *, seconds: bool = False) -> str:
    """A moment, to the minute or the second, on the clocks of ``zone``."""
    local = value.astimezone(zone)
    name = current_locale()
    if name == _ISO_LOCALE:
        return f"{local:%Y-%m-%d %H:%M:%S}" if seconds else f"{local:%Y-%m-%d %H:%M}"
    return babel_datetime(local, _MOMENT + ":ss" * seconds, locale=_locale(name))


def format_month(value: date) -> str:
    """The month of a day, with its year: ``2026年11月``, ``November 2026``."""
    name = current_locale()
    pattern = "y年M月" if name.startswith("zh") else "MMMM y"
    return babel_date(value, pattern, locale=_locale(name))


def format_weekday(value: date, width: str = "abbreviated") -> str:
    """The day of the week: ``周一``, ``Mon``; ``wide`` in full."""
    return babel_date(value, "EEEE" if width == "wide" else "EEE", locale=_locale(current_locale()))


def format_time(value: datetime, zone: ZoneInfo) -> str:
    """The time of day on the clocks of ``zone``, to the minute."""
    return f"{value.astimezone(zone):%H:%M}"
