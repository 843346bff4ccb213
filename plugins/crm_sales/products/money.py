"""Amounts to the cent: the one rule by which lines and totals are rounded.

**The rule.** A price, and every amount of a line, is rounded half up, away from zero, to the decimals
of its currency (two for CNY, none for JPY). A line is rounded once, from the exact product of quantity,
unit price and discount; of net, tax and gross the third is the sum or the difference of the other two.
A total is the sum of what stands in the lines, and is never rounded again.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple

from core.i18n.formats import currency_decimals

__all__ = ["LARGEST", "Amounts", "line_amounts", "rounded"]

#: Columns hold 16 digits before the point.
LARGEST = Decimal(10) ** 16
_EXACT = Context(prec=80, rounding=ROUND_HALF_UP)
_HUNDRED = Decimal(100)


class Amounts(NamedTuple):
    """What a line comes to: ``net + tax == gross``, each to the cent."""

    net: Decimal
    tax: Decimal
    gross: Decimal


def rounded(value: Decimal, currency: str) -> Decimal:
    """``value`` half up to the decimals of its currency."""
    return _EXACT.quantize(value, Decimal(1).scaleb(-currency_decimals(currency)))


def line_amounts(
    quantity: Decimal,
    unit_price: Decimal,
    discount: Decimal,
    tax_rate: Decimal,
    *,
    currency: str,
    tax_included: bool,
) -> Amounts:
    """The amounts of a line; ``discount`` and ``tax_rate`` in percent."""
    exact = _EXACT.multiply(_EXACT.multiply(quantity, unit_price), _HUNDRED - discount)
    amount = rounded(_EXACT.divide(exact, _HUNDRED), currency)
    if tax_included:
        net = _EXACT.divide(_EXACT.multiply(amount, _HUNDRED), _HUNDRED + tax_rate)
        net = rounded(net, currency)
        return Amounts(net, amount - net, amount)
    tax = rounded(_EXACT.divide(_EXACT.multiply(amount, tax_rate), _HUNDRED), currency)
    return Amounts(amount, tax, amount + tax)
