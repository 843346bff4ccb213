"""Amounts of money and whole numbers as people write them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from core.tabular.clean_text import as_text, clean_text, refuse

__all__ = ["clean_amount", "clean_integer"]

_PLAIN = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,9})?")
_WIDTHS = str.maketrans("，．－＋￥￡", ",.-+¥£")
_WRITTEN = re.compile(
    r"""
    (?P<sign>[+-]?)
    (?:¥|rmb|cny|人民币)*
    (?P<inner_sign>[+-]?)
    (?P<number>(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,20})(?:\.[0-9]{0,10})?|\.[0-9]{1,10})
    (?P<unit>百万|千万|[千kw万亿]|萬|億)?
    (?:元|圆|块|rmb|cny|人民币|¥)*整?
    """,
    re.VERBOSE,
)
_BRACKETS = re.compile(r"(¥?)\((.+)\)((?:元|cny|rmb)?)")
_UNITS = {
    "千": 1_000,
    "k": 1_000,
    "万": 10_000,
    "萬": 10_000,
    "w": 10_000,
    "百万": 1_000_000,
    "千万": 10_000_000,
    "亿": 100_000_000,
    "億": 100_000_000,
}


def clean_amount(value: Any) -> Decimal | None:
    """An exact amount in yuan: ``￥1,200.50``, ``12.5万``, ``3k``, ``(1,000)`` for minus 1000.

    Other currencies are refused rather than taken for yuan.
    """
    return _number(value, "amount")


def clean_integer(value: Any) -> int | None:
    """A whole number, with the same notations as `clean_amount`."""
    if type(value) is int:
        return value
    number = _number(value, "integer")
    if number is None:
        return None
    if number != number.to_integral_value():
        raise refuse("integer", value)
    return int(number)


def _number(value: Any, code: str) -> Decimal | None:
    kind = type(value)
    if kind is int:
        return Decimal(value)
    if kind is float:
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise refuse(code, value)
        return value
    if kind is str and _PLAIN.fullmatch(value):
        return Decimal(value)
    if value is None:
        return None
    if kind is not str:
        raise refuse(code, as_text(value))
    return _written(value, code)


def _written(value: str, code: str) -> Decimal | None:
    text = clean_text(value)
    if text is None:
        return None
    plain = text.translate(_WIDTHS).replace(" ", "").lower()
    negative = False
    if found := _BRACKETS.fullmatch(plain):
        negative, plain = True, "".join(found.groups())
    parts = _WRITTEN.fullmatch(plain)
    if parts is None or (parts["sign"] or negative) and parts["inner_sign"]:
        raise refuse(code, text)
    sign = parts["sign"] or parts["inner_sign"]
    if negative and sign:
        raise refuse(code, text)
    number = Decimal(parts["number"].replace(",", ""))
    if unit := parts["unit"]:
        number *= _UNITS[unit]
    return -number if negative or sign == "-" else number
