"""How the amount of an opportunity is shared among its owner and the members of its team.

**The rule.** Each part is the amount times the share, cut off to the decimals of its currency; what is
then missing to the whole goes, unit by unit, to those of whom most was cut off, of equals to the owner
and then to whoever joined first. So the parts always come to the whole. The owner has what the members
leave. Deals are counted once, for their owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Context, Decimal

from core.i18n.formats import currency_decimals

__all__ = ["split"]

_HUNDRED = Decimal(100)
_EXACT = Context(prec=80, rounding=ROUND_FLOOR)


def split(
    amount: Decimal, owner: int | None, shares: Mapping[int, Decimal], currency: str
) -> dict[int | None, Decimal]:
    """What of ``amount`` is whose: the owner's part first, then those of members in their order.

    ``shares`` are in percent, and 100 together at most; who owns it and is a member has both.
    """
    unit = Decimal(1).scaleb(-currency_decimals(currency))
    whose: dict[int | None, Decimal] = {owner: _HUNDRED - sum(shares.values(), Decimal(0))}
    for person, share in shares.items():
        whose[person] = whose.get(person, Decimal(0)) + share
    exact = {
        key: _EXACT.divide(_EXACT.multiply(amount, share), _HUNDRED) for key, share in whose.items()
    }
    parts = {key: _EXACT.quantize(value, unit) for key, value in exact.items()}
    left = amount - sum(parts.values(), Decimal(0))
    for key in sorted(exact, key=lambda key: parts[key] - exact[key]):
        if left < unit:
            break
        parts[key] += unit
        left -= unit
    if left:  # less than a unit: an amount finer than its currency stays whole with its owner
        parts[owner] += left
    return parts
