"""A plan as TOML, of which `core.exchange.plans.reading` makes the same again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["write_plan"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
#: The tables of a step that stand below it, a line for each key.
_BELOW = ("columns", "made")
_ESCAPED = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
}


def write_plan(content: Mapping[str, Any]) -> str:
    """The file of a plan whose ``content`` is as it was read: tables, lists and texts."""
    return "\n".join(_lines(content)) + "\n"


def _lines(content: Mapping[str, Any]) -> Iterator[str]:
    yield from _pairs({key: each for key, each in content.items() if key != "step"})
    for step in content.get("step", ()):
        yield ""
        yield "[[step]]"
        yield from _pairs({key: each for key, each in step.items() if key not in _BELOW})
        for name in _BELOW:
            if step.get(name):
                yield f"[step.{name}]"
                yield from _pairs(step[name])


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{_key(key)} = {_value(value, is_long=key == 'rows')}"


def _value(value: Any, *, is_long: bool = False) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{_key(key)} = {_value(each)}" for key, each in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, (list, tuple)):
        if is_long and value:
            return "[\n" + "".join(f"    {_value(each)},\n" for each in value) + "]"
        return f"[{', '.join(_value(each) for each in value)}]"
    return _text(str(value))


def _key(text: str) -> str:
    return text if _BARE.fullmatch(text) else _text(text)


def _text(text: str) -> str:
    return f'"{"".join(map(_character, text))}"'


def _character(one: str) -> str:
    if one in _ESCAPED:
        return _ESCAPED[one]
    return f"\\u{ord(one):04X}" if ord(one) < 32 or ord(one) == 127 else one
