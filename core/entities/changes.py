"""A change: what hooks are shown before and after it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from core.errors import Problem
from core.fields import EntitySpec

__all__ = ["Change", "ChangeKind"]

ChangeKind = Literal["create", "update", "delete", "restore"]


@dataclass(slots=True)
class Change:
    """One record's change. Values are by field name, as they are stored; references are ids.

    ``before`` is empty for a creation; ``after`` holds all stored fields. ``detached`` holds the
    new lines and links, where given.
    """

    kind: ChangeKind
    entity: EntitySpec
    before: Mapping[str, Any]
    after: dict[str, Any]
    id: int | None = None
    #: The position of the record among those given by the caller.
    item: int = 0
    detached: dict[str, Any] = field(default_factory=dict)
    #: The names of the fields that the caller gave, at a creation: the others hold defaults.
    given: frozenset[str] = frozenset()
    #: False for what its owner need not be told of; set in ``before_changes``.
    is_news: bool = True

    def changed(self, name: str) -> bool:
        """True when the field has another value than before."""
        if name in self.detached:
            return bool(self.detached[name] != self.before.get(name))
        return bool(self.before.get(name) != self.after.get(name))

    def changed_fields(self) -> list[str]:
        """The stored fields whose values differ."""
        return [
            spec.name
            for spec in self.entity.stored
            if self.before.get(spec.name) != self.after.get(spec.name)
        ]

    def set(self, name: str, value: Any) -> None:
        """Give a stored field a derived value; only in ``before_changes``."""
        if name not in self.entity or not self.entity[name].is_stored:
            raise KeyError(f"{self.entity.name} has no stored field {name}")
        self.after[name] = value

    def problem(self, field: str, code: str, message: str, **data: Any) -> Problem:
        """A problem of this record, for ``validate_changes``."""
        return Problem(field, code, message, self.item, data)
