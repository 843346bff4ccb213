"""Reading requests strictly: what is not understood is refused by name, never guessed at."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from core.errors import Problem, Refusal, TooLarge
from core.i18n import gettext as _

__all__ = [
    "MAX_BATCH_BODY",
    "MAX_BODY",
    "BadRequest",
    "arguments",
    "choice",
    "flag",
    "if_match",
    "json_argument",
    "json_body",
    "listed",
    "number",
    "parse_json",
]

MAX_BODY = 2_000_000
MAX_BATCH_BODY = 20_000_000
MAX_DEPTH = 32
#: Whole numbers in JSON have 64 bits; exact decimals of any size are written as texts.
MAX_WHOLE = 2**63 - 1
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


class BadRequest(Refusal):
    """The request itself is malformed, whatever it asks for."""

    status = 400
    code = "bad_request"


class WrongContent(Refusal):
    """The body is not JSON by its own word."""

    status = 415
    code = "content_type"


def _bad(place: str, code: str, message: str) -> BadRequest:
    return BadRequest(message, [Problem(place, code, message)])


# Query parameters


def arguments(*names: str, repeated: tuple[str, ...] = ()) -> dict[str, str]:
    """The query parameters by name. `BadRequest` names one that is unknown or given twice."""
    found: dict[str, str] = {}
    for name, values in request.args.lists():
        if name not in names and name not in repeated:
            raise _bad(
                name[:80], "unknown_parameter", _("There is no parameter %(name)s.", name=name[:60])
            )
        if len(values) > 1 and name not in repeated:
            raise _bad(name, "repeated", _("Give this parameter once."))
        if any(_UNSTORABLE.search(value) for value in values):
            raise _bad(name, "characters", _("Contains characters that cannot be stored."))
        found[name] = values[0]
    return found


def listed(name: str) -> list[str]:
    """All values of a repeated parameter."""
    return request.args.getlist(name)


def number(given: Mapping[str, str], name: str, default: int, *, low: int, high: int) -> int:
    """A whole number within limits."""
    text = given.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,18}", text) or not low <= int(text) <= high:
        message = _("Give a number from %(low)s to %(high)s.", low=low, high=high)
        raise _bad(name, "range", message)
    return int(text)


def flag(given: Mapping[str, str], name: str) -> bool:
    """``true`` or ``false``; false when it is left out."""
    return choice(given, name, ("false", "true")) == "true"


def choice(given: Mapping[str, str], name: str, options: tuple[str, ...]) -> str:
    """One of ``options``; the first when it is left out."""
    value = given.get(name, options[0])
    if value not in options:
        message = _("Choose one of: %(choices)s.", choices=", ".join(options))
        raise _bad(name, "choice", message)
    return value


def json_argument(given: Mapping[str, str], name: str) -> Any:
    """A parameter that holds JSON; None when it is left out or empty."""
    text = given.get(name)
    return parse_json(text.encode(), name) if text else None


def if_match() -> int | None:
    """The version in ``If-Match: "7"``; None without the header, and for ``*``."""
    text = request.headers.get("If-Match", "").strip()
    if text in ("", "*"):
        return None
    match = re.fullmatch(r'"([0-9]{1,18})"', text)
    if match is None:
        message = _('Give the version in quotation marks: If-Match: "7".')
        raise _bad("If-Match", "if_match", message)
    return int(match[1])


# Bodies


def json_body(*, limit: int = MAX_BODY, optional: bool = False) -> dict[str, Any]:
    """The body, which must be one JSON object.

    Raises `BadRequest` for malformed JSON, `TooLarge` above ``limit`` bytes, and answers 415 for
    another kind of content. With ``optional`` an empty body is an empty object.
    """
    raw = body_bytes(limit)
    if optional and not raw:
        return {}
    if request.mimetype != "application/json":
        raise WrongContent(_("Send JSON, with Content-Type: application/json."))
    value = parse_json(raw, "")
    if not isinstance(value, dict):
        raise _bad("", "type", _("Send a JSON object."))
    return value


def body_bytes(limit: int = MAX_BODY) -> bytes:
    """The raw body; `TooLarge` when it is longer than ``limit``, announced or not."""
    too_large = TooLarge(_("At most %(n)s bytes.", n=limit))
    if (request.content_length or 0) > limit:
        raise too_large
    request.max_content_length = limit
    try:
        return request.get_data(cache=True)
    except RequestEntityTooLarge:
        raise too_large from None


def parse_json(raw: bytes, place: str) -> Any:
    """JSON by the letter: no duplicate keys, no NaN, no lone surrogates or NUL, no deep nests."""
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError:
        raise _too_deep(place) from None
    except ValueError as error:
        detail = str(error) if isinstance(error, _Strict) else _("This is not JSON.")
        raise _bad(place, "json", detail) from None
    _inspect(value, place)
    return value


class _Strict(ValueError):
    """Something that lenient readers of JSON let through."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Strict(_("A name stands twice in one object."))
    return found


def _refuse_constant(text: str) -> Any:
    raise _Strict(_("%(text)s is not a number in JSON.", text=text))


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Strict(_("A number is out of range."))
    return value


def _whole(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > MAX_WHOLE:
        raise _Strict(_("A number is out of range."))
    return int(text)


def _inspect(value: Any, place: str) -> None:
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, str):
            _check_text(item, place)
            continue
        if not isinstance(item, (dict, list)):
            continue
        if depth > MAX_DEPTH:
            raise _too_deep(place)
        if isinstance(item, dict):
            for key in item:
                _check_text(key, place)
            item = list(item.values())
        waiting += [(part, depth + 1) for part in item if isinstance(part, (str, dict, list))]


def _check_text(text: str, place: str) -> None:
    plain = text.isascii() and "\x00" not in text
    if not plain and _UNSTORABLE.search(text):
        raise _bad(place, "characters", _("Contains characters that cannot be stored."))


def _too_deep(place: str) -> BadRequest:
    return _bad(place, "too_deep", _("At most %(n)s levels.", n=MAX_DEPTH))
