"""Text of a cell: blanks, invisible and full-width characters; and the error of all cleaning."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from core.i18n import LazyText
from core.i18n import lazy_gettext as _l

__all__ = ["CleaningError", "as_text", "clean_long_text", "clean_text", "half_width", "refuse"]

_SHOWN = 40

_MESSAGES = {
    "amount": lambda text: _l("“%(value)s” is not an amount of money", value=text),
    "ambiguous_date": lambda text: _l(
        "“%(value)s” can be read as two dates; write the year first", value=text
    ),
    "boolean": lambda text: _l("“%(value)s” is neither yes nor no", value=text),
    "date": lambda text: _l("“%(value)s” is not a date", value=text),
    "datetime": lambda text: _l("“%(value)s” is not a date and time", value=text),
    "email": lambda text: _l("“%(value)s” is not an e-mail address", value=text),
    "integer": lambda text: _l("“%(value)s” is not a whole number", value=text),
    "mobile": lambda text: _l("“%(value)s” is not a mobile number", value=text),
    "phone": lambda text: _l("“%(value)s” is not a phone number", value=text),
}

_HIDDEN = "\u00ad\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_CONTROLS = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
#: A joiner inside an emoji is part of the picture; anywhere else it only hides differences.
_JOINER = "\u200d(?![\u2190-\u27bf\U0001f000-\U0001faff])"
_DROPPED = re.compile(rf"[{_HIDDEN}{_CONTROLS}\ud800-\udfff]|{_JOINER}")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_FULL_WIDTH = "\uff08\uff09\uff10-\uff19\uff21-\uff3a\uff41-\uff5a"
_NEEDS_WORK = re.compile(
    rf"[{_HIDDEN}{_CONTROLS}\ud800-\udfff\u200d{_FULL_WIDTH}\t-\r\x85\xa0\u1680\u2000-\u200a"
    r"\u2028\u2029\u202f\u205f\u3000]"
)
_BLANKS = re.compile(r"\s+")
_HALF_WIDTH = {
    code: code - 0xFEE0
    for code in (0xFF08, 0xFF09, *range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B),
                 *range(0xFF41, 0xFF5B))
}  # fmt: skip


class CleaningError(ValueError):
    """A value that cannot be understood; ``str(error)`` says so in the reader's language."""

    def __init__(self, code: str, message: LazyText) -> None:
        super().__init__(code)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return str(self.message)


def refuse(code: str, value: object) -> CleaningError:
    """The error ``code`` about ``value``, which is quoted in short."""
    text = str(value).strip()
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return CleaningError(code, _MESSAGES[code](shown))


def as_text(value: Any) -> str | None:
    """``value`` the way a sheet shows it, trimmed; ``None`` when nothing is left."""
    kind = type(value)
    if kind is str:
        return value.strip() or None
    if value is None:
        return None
    if kind is bool:
        return "TRUE" if value else "FALSE"
    if kind is float and value.is_integer():
        return str(int(value))
    if kind is Decimal:
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value).strip() or None


def half_width(text: str) -> str:
    """``text`` with full-width letters, digits and round brackets made half-width."""
    return text.translate(_HALF_WIDTH)


def clean_text(value: Any) -> str | None:
    """A name or other short text on one line.

    Invisible characters go, any run of unusual blanks becomes one space, and full-width letters,
    digits and round brackets become half-width; other Chinese punctuation stays as typed.
    """
    text = value.strip() if type(value) is str else as_text(value)
    if not text or not _NEEDS_WORK.search(text):
        return text or None
    text = _BLANKS.sub(" ", _DROPPED.sub("", text)).strip()
    return half_width(text) or None


def clean_long_text(value: Any) -> str | None:
    """A note of several lines: line ends become ``\\n``, and punctuation stays as typed."""
    text = as_text(value)
    if text is None or not _NEEDS_WORK.search(text):
        return text
    return _DROPPED.sub("", _LINE_ENDS.sub("\n", text)).strip() or None
