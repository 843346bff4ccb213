"""Phone numbers as people in China write them, in one canonical form each.

Mobiles are 11 digits; land lines ``0536-8888888`` or ``0536-8888888-801``; numbers abroad E.164.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from core.tabular.clean_text import as_text, clean_text, half_width, refuse

__all__ = ["clean_mobile", "clean_phone", "digits_key", "is_mobile"]

_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_PREFIXED_MOBILE = re.compile(r"(?:\+86|0086|86)?(1[3-9][0-9]{9})(?:\.0)?")
_SEPARATORS = re.compile(r"[\s\-.()_·‐-―－．]")
_WIDTHS = str.maketrans("＋－．＃", "+-.#")
_EXTENSION = re.compile(r"(?:转|轉|分机号?|ext\.?|x|#)[:：]?", re.IGNORECASE)
_DASHES = re.compile(r"[\s.()_·‐-―-]+")
_LAND_LINE = re.compile(
    r"(?:\+86-?|0086-?|86-)?(0?)"
    r"(?:(10|2[0-9])-?([2-8][0-9]{3}-?[0-9]{4})|([3-9][0-9]{2})-?([2-8][0-9]{2,3}-?[0-9]{4}))"
    r"(?:-([0-9]{1,6}))?"
)
_SERVICE = re.compile(r"([48]00)-?([0-9]{3,4})-?([0-9]{3,4})")
_SHORT = re.compile(r"9[56][0-9]{3,6}|1[012][0-9]{1,3}")
_LOCAL = re.compile(r"([2-8][0-9]{2,3}-?[0-9]{4})(?:-([0-9]{1,6}))?")
_NOT_DIGITS = re.compile(r"[^0-9]")


def is_mobile(text: str) -> bool:
    """True for a mainland mobile number in its canonical form."""
    return _MOBILE.fullmatch(text) is not None


def clean_mobile(value: Any) -> str | None:
    """A mainland mobile number as its 11 digits."""
    text = _text(value)
    if text is None or _MOBILE.fullmatch(text):
        return text
    mobile = _mobile(text)
    if mobile is None:
        raise refuse("mobile", text)
    return mobile


def clean_phone(
    value: Any, *, mobile_only: bool = False, area_code: str | None = None
) -> str | None:
    """Any phone number in its canonical form; with ``mobile_only`` the same as `clean_mobile`.

    ``area_code`` (such as ``0536``) completes land lines that are written without one.
    """
    if mobile_only:
        return clean_mobile(value)
    text = _text(value)
    if text is None or _MOBILE.fullmatch(text):
        return text
    lost_zero = isinstance(value, int | float | Decimal)
    number = _mobile(text) or _chinese(text, area_code, lost_zero) or _foreign(text)
    if number is None:
        raise refuse("phone", text)
    return number


def digits_key(value: Any) -> str:
    """What two spellings of one phone number share: its digits without country code."""
    if type(value) is str and _MOBILE.fullmatch(value):
        return value
    digits = _NOT_DIGITS.sub("", half_width(as_text(value) or ""))
    found = _PREFIXED_MOBILE.fullmatch(digits)
    return found[1] if found else digits


def _text(value: Any) -> str | None:
    if type(value) is str:
        if _MOBILE.fullmatch(value):
            return value
        return clean_text(value.lstrip("'"))
    if type(value) is Decimal and value.is_finite() and value == value.to_integral_value():
        return f"{value:.0f}"
    return as_text(value)


def _mobile(text: str) -> str | None:
    # Only a decimal zero at the very end is one: elsewhere dots separate groups of digits.
    body = text[:-2] if text.endswith(".0") else text
    found = _PREFIXED_MOBILE.fullmatch(_SEPARATORS.sub("", body.translate(_WIDTHS)))
    return found[1] if found else None


def _chinese(text: str, area_code: str | None, lost_zero: bool) -> str | None:
    plain = _EXTENSION.sub("-", text.translate(_WIDTHS))
    plain = _DASHES.sub("-", plain).strip("-")
    if found := _SERVICE.fullmatch(plain):
        digits = "".join(found.groups())
        return f"{digits[:3]}-{digits[3:6]}-{digits[6:]}" if len(digits) == 10 else None
    if _SHORT.fullmatch(plain):
        return plain
    if found := _LOCAL.fullmatch(plain):
        return "-".join(part for part in (area_code, found[1].replace("-", ""), found[2]) if part)
    found = _LAND_LINE.fullmatch(plain)
    if found is None or not (found[1] or lost_zero or plain.startswith(("+86", "0086", "86-"))):
        return None
    area, number = (found[2], found[3]) if found[2] else (found[4], found[5])
    return "-".join(part for part in ("0" + area, number.replace("-", ""), found[6]) if part)


def _foreign(text: str) -> str | None:
    plain = text.translate(_WIDTHS)
    if plain.startswith("00"):
        plain = "+" + plain[2:]
    if not plain.startswith("+") or plain.startswith("+86"):
        return None
    import phonenumbers

    try:
        number = phonenumbers.parse(plain)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{written}-{number.extension}" if number.extension else written
