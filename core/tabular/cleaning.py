"""Cell values as people type them, made into the values we keep.

Every ``clean_…`` function gives ``None`` for a blank cell (also one of full-width spaces) and
raises `CleaningError` for a value that it cannot understand for certain. All are pure and fast:
they run once for each cell of an import. This module is the one to import them from.
"""

from __future__ import annotations

import re
from typing import Any

from core.tabular.clean_dates import clean_date, clean_datetime
from core.tabular.clean_numbers import clean_amount, clean_integer
from core.tabular.clean_phones import clean_mobile, clean_phone, digits_key, is_mobile
from core.tabular.clean_text import CleaningError, as_text, clean_long_text, clean_text, refuse
from core.tabular.company_names import company_key

__all__ = [
    "CleaningError",
    "clean_amount",
    "clean_boolean",
    "clean_date",
    "clean_datetime",
    "clean_email",
    "clean_integer",
    "clean_long_text",
    "clean_mobile",
    "clean_phone",
    "clean_text",
    "company_key",
    "digits_key",
    "is_mobile",
    "is_plain_email",
    "split_list",
]

_PLAIN_EMAIL = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9]+\.)+[a-z]{2,24}")
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_LABEL = re.compile(r"(?!-)[\w-]{1,63}(?<!-)")
_TOP_LABEL = re.compile(r"[^\W\d_]{2,63}|xn--[a-z0-9-]{2,59}")
_EMAIL_WIDTHS = str.maketrans("＠．＿－", "@._-")
_LONGEST_EMAIL = 254
_LONGEST_LOCAL = 64

_YES = frozenset(["是", "对", "有", "真", "yes", "y", "true", "t", "on", "1", "√", "✓", "✔", "☑"])
_NO = frozenset(
    [
        "否",
        "不是",
        "错",
        "无",
        "没有",
        "假",
        "no",
        "n",
        "false",
        "f",
        "off",
        "0",
        "×",
        "✗",
        "✘",
        "x",
        "☐",
    ]
)

_SEPARATORS = re.compile(r"[,，;；、|｜\n\r]")


def clean_email(value: Any) -> str | None:
    """One e-mail address, its domain in lower case and the part before as typed."""
    text = as_text(value)
    if text is None:
        return None
    if is_plain_email(text):
        return text
    text = clean_text(text)
    if text is None:
        return None
    address = text.translate(_EMAIL_WIDTHS)
    if address[:7].lower() == "mailto:":
        address = address[7:]
    local, at, domain = address.partition("@")
    labels = domain.lower().split(".")
    sound = (
        at
        and len(address) <= _LONGEST_EMAIL
        and len(local) <= _LONGEST_LOCAL
        and _LOCAL.fullmatch(local)
        and len(labels) > 1
        and all(_LABEL.fullmatch(label) for label in labels)
        and _TOP_LABEL.fullmatch(labels[-1])
    )
    if not sound:
        raise refuse("email", text)
    return f"{local}@{domain.lower()}"


def is_plain_email(text: str) -> bool:
    """True for an address that is written as `clean_email` would write it, as nearly all are."""
    return len(text) <= _LONGEST_LOCAL and _PLAIN_EMAIL.fullmatch(text) is not None


def clean_boolean(value: Any) -> bool | None:
    """Yes or no, in the words and marks people put into a column of yes and no."""
    if isinstance(value, bool):
        return value
    text = clean_text(value)
    if text is None:
        return None
    word = text.lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise refuse("boolean", text)


def split_list(value: Any) -> list[str]:
    """The entries of a cell with several tags or choices, each once, in their order."""
    text = as_text(value)
    if text is None:
        return []
    entries = (clean_text(part) for part in _SEPARATORS.split(text))
    return list(dict.fromkeys(entry for entry in entries if entry is not None))
