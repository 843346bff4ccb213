"""Checking one value: from what a caller gives (JSON) to what the column holds."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache, singledispatch
from typing import Any
from urllib.parse import urlsplit

import orjson

from core.fields import types as t
from core.fields.regions import find_region, region
from core.i18n import gettext
from core.i18n.formats import format_number
from core.richtext import clean_html
from core.tabular.cleaning import (
    CleaningError,
    clean_email,
    clean_phone,
    is_mobile,
    is_plain_email,
)

__all__ = ["BadValue", "check_value", "checker", "column_checker", "is_text"]

#: Control characters that no text needs; NUL is refused by PostgreSQL.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


#: What no database holds as text: NUL, and halves of surrogate pairs.
_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")


def is_text(value: Any) -> bool:
    """True for a text that a database can be asked for."""
    return isinstance(value, str) and not _NO_TEXT.search(value)


class BadValue(ValueError):
    """A value that a field cannot take; ``code`` is for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check_value(type_: t.FieldType, value: Any) -> Any:
    """The value as it is stored; null and blank text are None. Raises `BadValue`."""
    return checker(type_)(value)


def checker(type_: t.FieldType) -> Callable[[Any], Any]:
    """`check_value` for one type, with the rule looked up once: for many values in a row."""
    rule = _check.dispatch(type(type_))
    empty = False if isinstance(type_, t.Boolean) else None

    def check(value: Any) -> Any:
        if value is None or (isinstance(value, str) and not value.strip()):
            return empty
        return rule(type_, value)

    plain = _PLAIN.get(type(type_))
    return check if plain is None else _unless_plain(check, plain, type_)


def column_checker(type_: t.FieldType) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """`checker` for the values that many records give one field.

    What plainly passes, passes all at once, and what comes again is looked at once. Raises `BadValue`
    for any of them, without telling which.
    """
    check, plain = checker(type_), _PLAIN_TOGETHER.get(type(type_))

    def check_all(values: Sequence[Any]) -> Sequence[Any]:
        kinds = set(map(type, values))
        if plain is not None:
            return values if kinds == {str} and plain(type_, values) else list(map(check, values))
        if len(kinds) == 1 and kinds <= _COMPARABLE:
            known = {value: check(value) for value in set(values)}
            return [known[value] for value in values]
        return [check(value) for value in values]

    return check_all


#: Of one of these types, equal values are the same value to every rule.
_COMPARABLE = frozenset({str, int, bool, date, Decimal})


def _unless_plain(
    check: Callable[[Any], Any], plain: Callable[[Any, str], bool], type_: t.FieldType
) -> Callable[[Any], Any]:
    """``check``, but a text that its rule would plainly let through as it is needs no rule."""
    return lambda value: value if type(value) is str and plain(type_, value) else check(value)


def _is_plain_text(type_: t.Text | t.LongText, value: str) -> bool:
    return value.isprintable() and " " not in value and 0 < len(value) <= type_.max_length


def _is_plain_phone(type_: t.Phone, value: str) -> bool:
    return is_mobile(value)


def _are_plain_texts(type_: t.Text | t.LongText, values: Sequence[str]) -> bool:
    together = "".join(values)
    return (
        together.isprintable()
        and " " not in together
        and min(map(len, values)) > 0
        and max(map(len, values)) <= type_.max_length
    )


def _are_plain_phones(type_: t.Phone, values: Sequence[str]) -> bool:
    return all(map(is_mobile, values))


def _are_plain_emails(type_: t.Email, values: Sequence[str]) -> bool:
    return all(map(is_plain_email, values)) and max(map(len, values)) <= type_.max_length


_PLAIN_TOGETHER: dict[type, Callable[[Any, Sequence[str]], bool]] = {
    t.Text: _are_plain_texts,
    t.LongText: _are_plain_texts,
    t.Phone: _are_plain_phones,
    t.Email: _are_plain_emails,
}
_PLAIN: dict[type, Callable[[Any, str], bool]] = {
    t.Text: _is_plain_text,
    t.LongText: _is_plain_text,
    t.Phone: _is_plain_phone,
}


@singledispatch
def _check(type_: t.FieldType, value: Any) -> Any:
    raise TypeError(f"no rule for values of {type(type_).__name__}")


@cache
def _unit(scale: int) -> Decimal:
    return Decimal(1).scaleb(-scale)


def _wrong_type(expected: str) -> BadValue:
    return BadValue("type", gettext("Expected %(expected)s.", expected=expected))


def _text(value: Any, limit: int, *, lines: bool = False) -> str:
    if not isinstance(value, str):
        raise _wrong_type(gettext("text"))
    if not value.isprintable() and _CONTROL.search(value):
        raise BadValue("characters", gettext("Contains characters that cannot be stored."))
    text = value.strip() if lines else " ".join(value.split())
    if len(text) > limit:
        raise BadValue(
            "too_long",
            gettext(
                "Is %(n)s characters long; %(limit)s at most.",
                n=format_number(len(text)),
                limit=format_number(limit),
            ),
        )
    return text


@_check.register
def _(type_: t.Text, value: Any) -> str:
    return _text(value, type_.max_length)


@_check.register
def _(type_: t.Secret, value: Any) -> str:
    return _text(value, type_.max_length, lines=True)


@_check.register
def _(type_: t.LongText, value: Any) -> str:
    return _text(value, type_.max_length, lines=True)


@_check.register
def _(type_: t.RichText, value: Any) -> str | None:
    return clean_html(_text(value, type_.max_length, lines=True)) or None


@_check.register
def _(type_: t.Email, value: Any) -> str | None:
    try:
        return clean_email(_text(value, type_.max_length))
    except CleaningError as error:
        raise BadValue(error.code, str(error.message)) from None


@_check.register
def _(type_: t.Phone, value: Any) -> str | None:
    try:
        return clean_phone(_text(value, 64), mobile_only=type_.mobile_only)
    except CleaningError as error:
        raise BadValue(error.code, str(error.message)) from None


@_check.register
def _(type_: t.Url, value: Any) -> str:
    text = _text(value, type_.max_length)
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadValue("url", gettext("Give a web address that begins with http:// or https://."))
    return text


@_check.register
def _(type_: t.Integer, value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,19}", value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(gettext("a whole number"))
    if not type_.minimum <= value <= type_.maximum:
        raise BadValue(
            "range",
            gettext(
                "Give a number from %(low)s to %(high)s.",
                low=format_number(type_.minimum),
                high=format_number(type_.maximum),
            ),
        )
    return value


@_check.register
def _(type_: t.Number, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise _wrong_type(gettext("a number"))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _wrong_type(gettext("a number"))
        value = repr(value)
    if isinstance(value, str) and not re.fullmatch(
        r"\s*[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,2})?\s*", value
    ):
        raise _wrong_type(gettext("a number"))
    try:
        number = Decimal(value).quantize(_unit(type_.scale), ROUND_HALF_UP)
    except InvalidOperation:
        raise _wrong_type(gettext("a number")) from None
    if number.adjusted() + 1 + type_.scale > type_.precision:  # its digits
        raise BadValue(
            "range",
            gettext("At most %(n)s digits before the point.", n=type_.precision - type_.scale),
        )
    return number + 0  # -0 becomes 0


@_check.register
def _(type_: t.Boolean, value: Any) -> bool:
    if isinstance(value, str):
        value = {"true": True, "1": True, "on": True, "false": False, "0": False}.get(value.lower())
    if not isinstance(value, bool):
        raise _wrong_type(gettext("true or false"))
    return value


@_check.register
def _(type_: t.Date, value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value.strip()):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            pass
    raise BadValue("date", gettext("Give a day as YYYY-MM-DD."))


@_check.register
def _(type_: t.DateTime, value: Any) -> datetime:
    moment = value
    if isinstance(value, str) and len(value) <= 40:
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise BadValue("datetime", gettext("Give a moment as YYYY-MM-DDTHH:MM:SSZ."))
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise BadValue("datetime", gettext("Give a moment as YYYY-MM-DDTHH:MM:SSZ.")) from None


@_check.register
def _(type_: t.ChoiceField, value: Any) -> str:
    for choice in type_.choices:
        if choice.value == value:
            return choice.value
    allowed = ", ".join(choice.value for choice in type_.choices[:20])
    raise BadValue("choice", gettext("Choose one of: %(choices)s.", choices=allowed))


@_check.register
def _(type_: t.MultiChoice, value: Any) -> list[str] | None:
    if not isinstance(value, (list, tuple)):
        raise _wrong_type(gettext("a list"))
    allowed = [choice.value for choice in type_.choices]
    if unknown := [item for item in value if item not in allowed]:
        message = gettext("%(value)s is not one of the options.", value=str(unknown[0])[:60])
        raise BadValue("choice", message)
    return [item for item in allowed if item in value] or None


@_check.register
def _(type_: t.Tags, value: Any) -> list[str] | None:
    if not isinstance(value, (list, tuple)):
        raise _wrong_type(gettext("a list"))
    if len(value) > type_.max_items:
        raise BadValue("too_many", gettext("At most %(n)s tags.", n=type_.max_items))
    words = (_text(item, type_.max_length) for item in value)
    return list(dict.fromkeys(word for word in words if word)) or None


@_check.register
def _(type_: t.Region, value: Any) -> str:
    found = None
    if isinstance(value, str):
        found = region(value) or region(find_region(value[:100]) or "")
    if found is None:
        raise BadValue("region", gettext("There is no such region."))
    return found.code


@_check.register
def _(type_: t.Reference, value: Any) -> int:
    return _identifier(value)


@_check.register
def _(type_: t.File, value: Any) -> int:
    return _identifier(value)


@_check.register
def _(type_: t.References, value: Any) -> list[int]:
    if not isinstance(value, (list, tuple)):
        raise _wrong_type(gettext("a list"))
    if len(value) > 1000:
        raise BadValue("too_many", gettext("At most %(n)s entries.", n=1000))
    return list(dict.fromkeys(_identifier(item) for item in value))


@_check.register
def _(type_: t.Lines, value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, Mapping) for v in value):
        raise _wrong_type(gettext("a list of lines"))
    if len(value) > type_.max_items:
        raise BadValue("too_many", gettext("At most %(n)s lines.", n=type_.max_items))
    return [dict(item) for item in value]


@_check.register
def _(type_: t.Document, value: Any) -> Any:
    if not isinstance(value, (dict, list)):
        raise _wrong_type(gettext("a JSON object or list"))
    try:
        size = len(orjson.dumps(value))
    except orjson.JSONEncodeError:  # e.g. a whole number beyond 64 bits
        raise _wrong_type(gettext("a JSON object or list")) from None
    if size > 200_000:
        raise BadValue("too_long", gettext("The document is too large."))
    return value


@_check.register
def _(type_: t.AutoNumber, value: Any) -> str:
    return _text(value, type_.max_length)


@_check.register
def _(type_: t.Computed, value: Any) -> Any:
    return _check(type_.result, value)


def _identifier(value: Any) -> int:
    if type(value) is int and 0 < value < 10**18:
        return value
    if isinstance(value, Mapping) and "id" in value:
        value = value["id"]  # as it was read
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 10**18:
        raise _wrong_type(gettext("the id of a record"))
    return value
