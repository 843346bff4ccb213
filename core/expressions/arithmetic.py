"""Exact decimal arithmetic with one rule for every database.

Products and quotients are rounded half up (away from zero) to 12 decimals, and are null when they
need more than 48 digits before the point. Sums are exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal

from core.expressions.limits import DECIMALS, WHOLE_DIGITS

__all__ = [
    "UNIT",
    "ZERO",
    "add",
    "average",
    "ceiling",
    "divide",
    "fit",
    "floor",
    "multiply",
    "negate",
    "number_text",
    "plain",
    "round_half_up",
    "subtract",
    "total",
]

UNIT = Decimal(1).scaleb(-DECIMALS)
ZERO = Decimal(0)
_ONE = Decimal(1)

#: Without traps a result that does not fit comes back as NaN, which is cheaper than an exception.
_FIT = Context(prec=WHOLE_DIGITS + DECIMALS, rounding=ROUND_HALF_UP, traps=[])
#: Wide enough that sums and products of numbers that fit are exact, and that no quotient of such
#: numbers can be mistaken for a tie at the twelfth decimal.
_WIDE = Context(prec=160, rounding=ROUND_HALF_UP, traps=[])
_quantize, _multiply, _divide = _FIT.quantize, _WIDE.multiply, _WIDE.divide
_UNITS = {digits: Decimal(1).scaleb(-digits) for digits in range(-WHOLE_DIGITS, DECIMALS + 1)}

subtract = _WIDE.subtract
negate = _WIDE.minus


def fit(value: Decimal) -> Decimal | None:
    """``value`` with exactly 12 decimals, or null when it is too large or no number."""
    rounded = _quantize(value, UNIT)
    return None if rounded.is_nan() else rounded


def add(first: Decimal, *others: Decimal) -> Decimal:
    """The exact sum."""
    for other in others:
        first = _WIDE.add(first, other)
    return first


def multiply(left: Decimal, right: Decimal) -> Decimal | None:
    """The product by the rule of this module."""
    rounded = _quantize(_multiply(left, right), UNIT)
    return None if rounded.is_nan() else rounded


def divide(left: Decimal, right: Decimal) -> Decimal | None:
    """The quotient by the rule of this module; by zero it is null."""
    return fit(_divide(left, right)) if right else None


def total(values: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of what is not null; of nothing it is 0."""
    return fit(add(ZERO, *(value for value in values if value is not None)))


def average(values: Iterable[Decimal | None]) -> Decimal | None:
    """The mean of what is not null; of nothing it is null."""
    known = [value for value in values if value is not None]
    return divide(add(ZERO, *known), Decimal(len(known)))


def round_half_up(value: Decimal, digits: Decimal) -> Decimal:
    """``value`` with ``digits`` decimals; negative digits round to tens, hundreds and so on."""
    return _WIDE.quantize(value, _UNITS[max(-WHOLE_DIGITS, min(DECIMALS, int(digits)))])


def floor(value: Decimal) -> Decimal:
    """The largest whole number that is not above ``value``."""
    return value.to_integral_value(ROUND_FLOOR)


def ceiling(value: Decimal) -> Decimal:
    """The smallest whole number that is not below ``value``."""
    return value.to_integral_value(ROUND_CEILING)


def plain(value: Decimal) -> Decimal:
    """The same number without trailing zeros, exponent or negative zero."""
    whole = value.to_integral_value()
    if whole == value:
        return _WIDE.quantize(whole, _ONE) if whole else ZERO
    return _WIDE.normalize(value)


def number_text(value: Decimal) -> str:
    """The shortest plain notation, such as ``-12.5``."""
    return format(plain(value), "f")
