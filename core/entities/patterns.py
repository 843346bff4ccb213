"""Limits of values, and ways in which a text may be written: chosen by name, never made of symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.fields.rules import FieldRules
from core.fields.types import Label
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.tabular.cleaning import CleaningError, clean_phone, is_mobile

__all__ = ["PATTERNS", "limit_problem"]


def _is_phone(text: str) -> bool:
    try:
        return clean_phone(text) is not None
    except CleaningError:
        return False


def _is_id_card(text: str) -> bool:
    from stdnum.cn import ric  # 4 MB of tables: only where a rule asks for it

    return bool(ric.is_valid(text))


def _is_uscc(text: str) -> bool:
    from stdnum.cn import uscc

    return bool(uscc.is_valid(text))


def _is_bank_card(text: str) -> bool:
    from stdnum import luhn

    return 12 <= len(text) <= 19 and _is_digits(text) and bool(luhn.is_valid(text))


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _is_code(text: str) -> bool:
    return text.isascii() and text.isalnum()


#: By name: what it is called, and the test.
PATTERNS: Mapping[str, tuple[Label, Callable[[str], bool]]] = {
    "phone": (_l("a telephone number"), _is_phone),
    "mobile": (_l("a mobile number"), is_mobile),
    "id_card": (_l("an identity card number"), _is_id_card),
    "uscc": (_l("a unified social credit code"), _is_uscc),
    "bank_card": (_l("a bank card number"), _is_bank_card),
    "postcode": (
        _l("a postal code of six digits"),
        lambda text: len(text) == 6 and _is_digits(text),
    ),
    "digits": (_l("digits alone"), _is_digits),
    "letters_digits": (_l("the letters A to Z and digits alone"), _is_code),
}


def limit_problem(rules: FieldRules, value: Any) -> tuple[str, str] | None:
    """(code, message) for a value beyond the rules' limits or not written as they say."""
    low, high = rules.minimum, rules.maximum
    if low is not None and value < low:
        return "range", _("Give a number that is at least %(low)s.", low=f"{low:f}")
    if high is not None and value > high:
        return "range", _("Give a number that is at most %(high)s.", high=f"{high:f}")
    if rules.min_length is not None and len(value) < rules.min_length:
        limits = {"n": len(value), "limit": rules.min_length}
        return "too_short", _("Is %(n)s characters long; at least %(limit)s.", **limits)
    if rules.max_length is not None and len(value) > rules.max_length:
        limits = {"n": len(value), "limit": rules.max_length}
        return "too_long", _("Is %(n)s characters long; %(limit)s at most.", **limits)
    if rules.pattern and not PATTERNS[rules.pattern][1](value):
        return "pattern", _("Give %(what)s.", what=str(PATTERNS[rules.pattern][0]))
    return None
