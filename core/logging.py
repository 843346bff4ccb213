"""Logs as lines of JSON, with the context of the request or job, and without secrets."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TextIO

import orjson

__all__ = ["JsonFormatter", "configure_logging", "log_context"]

_REDACTED = "[redacted]"
_HIDDEN_WORDS = r"passw(?:or)?d|secret|token|authorization|cookie|credential|api[_-]?key"
_SECRET_NAME = re.compile(rf"{_HIDDEN_WORDS}|keys?$", re.I)
#: What a secret looks like within a sentence: name=value, a bearer token, a password in a URL.
_SECRET_TEXT = re.compile(
    rf"""(?P<name>[\w-]*(?:{_HIDDEN_WORDS})[\w-]*["']?\s*[=:]\s*(?:bearer\s+|basic\s+)?)
         (?P<value>"[^"]*"|'[^']*'|[^\s,;&"')\]}}]+)
       | (?P<scheme>\bbearer\s+)[\w.~+/=-]{{8,}}
       | (?P<user>://[^\s/:@]*:)[^\s/]+(?=@)""",
    re.I | re.X,
)
#: What PostgreSQL adds to an error: the values of the row.
_VALUES = re.compile(r"^DETAIL: .*\n?", re.M)
_LINE_BREAKS = re.compile("[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
_ESCAPED_BREAKS = {ord(c): f"\\u{ord(c):04x}" for c in "\x7f\x85\u2028\u2029"}
#: What every record has; anything else was passed as ``extra``.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_DEEPEST = 6

_NO_CONTEXT: Mapping[str, object] = MappingProxyType({})
_context: ContextVar[Mapping[str, object]] = ContextVar("dougong_log", default=_NO_CONTEXT)


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Add ``fields``, such as ``request_id=…``, to every line logged within the block."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def configure_logging(level: str, stream: TextIO) -> None:
    """Send what is logged anywhere in the process to ``stream``, from ``level`` upwards."""
    handler = _JsonHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    # Plain handlers would print the same lines again, unredacted; a test runner's own may stay.
    root.handlers = [h for h in root.handlers if type(h) not in _REPLACED]
    root.addHandler(handler)
    root.setLevel(level)


class JsonFormatter(logging.Formatter):
    """One record, one line: at, level, logger, message, the context and the ``extra`` fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON without a line break."""
        extra = {k: v for k, v in vars(record).items() if k not in _STANDARD}
        line: dict[str, object] = {
            **_redacted({**_context.get(), **extra}),
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _LINE_BREAKS.sub(" ", _without_secrets(_message(record))),
        }
        if record.exc_info:
            told = _VALUES.sub("", self.formatException(record.exc_info))
            line["exception"] = _without_secrets(told)
        if record.stack_info:
            line["stack"] = _without_secrets(record.stack_info)
        text = orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        return text.translate(_ESCAPED_BREAKS)


class _JsonHandler(logging.StreamHandler[TextIO]):
    """A type of its own, so that a second configuration replaces the first."""


_REPLACED = (logging.StreamHandler, _JsonHandler)


def _message(record: logging.LogRecord) -> str:
    if not isinstance(record.args, Mapping):
        return record.getMessage()
    return str(record.msg) % _redacted(record.args)


def _redacted(values: Mapping[str, Any], depth: int = 0) -> dict[str, object]:
    """``values`` without what names itself a secret, however deep it sits."""
    return {
        str(name): _REDACTED if _SECRET_NAME.search(str(name)) else _redacted_value(value, depth)
        for name, value in values.items()
    }


def _redacted_value(value: object, depth: int) -> object:
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return _redacted(value, depth + 1)
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted_value(item, depth + 1) for item in value]
    if value is None or isinstance(value, float):
        return value
    if isinstance(value, int) and value.bit_length() < 64:
        return value
    return _without_secrets(str(value))


def _without_secrets(text: str) -> str:
    # Names of files may hold half characters, which JSON cannot.
    return _SECRET_TEXT.sub(_hide, text.encode(errors="replace").decode())


def _hide(match: re.Match[str]) -> str:
    kept = match["name"] or match["scheme"] or match["user"]
    return f"{kept}{_REDACTED}"
