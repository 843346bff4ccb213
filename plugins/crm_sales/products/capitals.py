"""Amounts in Chinese capital figures (人民币大写), which nobody changes with a stroke of a pen."""

from __future__ import annotations

from decimal import Decimal

__all__ = ["in_capitals"]

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_UNITS = ((10**8, "亿"), (10**4, "万"), (1000, "仟"), (100, "佰"), (10, "拾"))
_LARGEST = Decimal(10) ** 16


def in_capitals(amount: Decimal) -> str:
    """An amount of yuan: ``1409.50`` is 壹仟肆佰零玖元伍角整.

    整 stands at the end unless there are 分; a negative amount begins with 负. Raises `ValueError` for
    parts of a 分, which must not be rounded away here, and for more than 16 digits.
    """
    if abs(amount) >= _LARGEST or amount * 100 != int(amount * 100):
        raise ValueError(f"{amount} is no amount of yuan and cents")
    yuan, cents = divmod(int(abs(amount) * 100), 100)
    jiao, fen = divmod(cents, 10)
    text = f"{_whole(yuan)}元" if yuan or not cents else ""
    if jiao:
        text += f"{_DIGITS[jiao]}角"
    elif fen and yuan:
        text += "零"
    text += f"{_DIGITS[fen]}分" if fen else "整"
    return f"负{text}" if amount < 0 else text


def _whole(number: int) -> str:
    for size, unit in _UNITS:
        if number >= size:
            high, low = divmod(number, size)
            gap = "零" if low and low < size // 10 else ""
            return _whole(high) + unit + (gap + _whole(low) if low else "")
    return _DIGITS[number]
