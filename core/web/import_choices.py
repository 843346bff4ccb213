"""What the address of a step of the import wizard says: how to read the file, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flask import request

from core.exchange.presets import Preset

__all__ = ["Choices"]

#: Keys and full names that one address may hold.
_MOST = 200


@dataclass(frozen=True)
class Choices:
    """What the address of a step says: how to read the file, and what becomes of its rows."""

    sheet: str = ""
    encoding: str = ""
    policy: str = "skip"
    #: The field of each column; empty for one that is not imported.
    fields: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    #: (field, cell for every row)
    defaults: tuple[tuple[str, str], ...] = ()
    #: (field, as written, in full)
    names: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def read(cls) -> Choices:
        """The choices of this request."""
        given = request.values
        defaults = zip(given.getlist("default_field"), given.getlist("default_value"), strict=False)
        return cls(
            sheet=given.get("sheet", "")[:200],
            encoding=given.get("encoding", "")[:20],
            policy=given.get("duplicates", "skip")[:10],
            fields=tuple(name[:80] for name in given.getlist("field")),
            keys=tuple(name[:80] for name in given.getlist("key")[:_MOST]),
            defaults=tuple((name[:80], text[:500]) for name, text in defaults if name and text),
            names=tuple(_read_names(given.getlist("meant")[:_MOST])),
        )

    @classmethod
    def of(cls, preset: Preset, header: Sequence[str], *, sheet: str, encoding: str) -> Choices:
        """What a preset says of a file."""
        added = preset.additions
        return cls(
            sheet=sheet,
            encoding=encoding,
            policy=preset.policy,
            fields=tuple(name or "" for name in preset.fields(header)),
            keys=preset.keys,
            defaults=tuple(added.defaults.items()),
            names=tuple(
                (name, written, full)
                for name, pairs in added.names.items()
                for written, full in pairs.items()
            ),
        )

    @property
    def columns(self) -> tuple[str | None, ...]:
        """The field of each column, None for one that is not imported."""
        return tuple(name or None for name in self.fields)

    @property
    def meant(self) -> list[str]:
        """The names as values of an address."""
        return [json.dumps(each, ensure_ascii=False) for each in self.names]

    def names_by_field(self) -> dict[str, dict[str, str]]:
        """``{field: {as written: in full}}``"""
        found: dict[str, dict[str, str]] = {}
        for name, written, full in self.names:
            found.setdefault(name, {})[written] = full
        return found

    def address(self) -> dict[str, Any]:
        """The same as parameters of an address."""
        return {
            "sheet": self.sheet or None,
            "encoding": self.encoding or None,
            "duplicates": self.policy,
            "field": list(self.fields),
            "key": list(self.keys),
            "default_field": [name for name, _text in self.defaults],
            "default_value": [text for _name, text in self.defaults],
            "meant": self.meant,
        }


def _read_names(texts: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for text in texts:
        try:
            parts = json.loads(text)
        except ValueError:
            continue
        if isinstance(parts, list) and len(parts) == 3 and all(type(x) is str for x in parts):
            name, written, full = (part[:200] for part in parts)
            yield name, written, full
