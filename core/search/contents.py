"""What the search looks at: which entities, and which of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.runtime import Snapshot
from core.search.tokens import RULES, index_tokens

__all__ = ["HOLDERS", "Content", "contents", "is_spoken"]

#: The fields that say whose a record is, and what their tokens begin with.
HOLDERS = {"owner": "o", "department": "d"}
#: Found by the search whether or not the list's quick search looks at them.
_ALWAYS = (t.AutoNumber, t.Phone, t.Email)


@dataclass(frozen=True)
class Content:
    """The fields of one entity whose values are in the index."""

    spec: EntitySpec
    fields: tuple[FieldSpec, ...]

    @property
    def holders(self) -> tuple[FieldSpec, ...]:
        """The fields that say whose a record is."""
        return tuple(self.spec[name] for name in HOLDERS) if self.spec.owned else ()

    @property
    def mark(self) -> str:
        """Changes when other tokens would be made of the same records."""
        parts = [str(RULES), *(f"{each.name} {is_spoken(each)}" for each in self.fields)]
        parts += [each.name for each in self.holders]
        return blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()

    def tokens(self, record: Mapping[str, Any]) -> set[str]:
        """The tokens of a record, given by the names of its fields."""
        found: set[str] = set()
        for each in self.fields:
            value = record[each.name]
            if isinstance(value, str) and value:
                found |= index_tokens(value, is_spoken=is_spoken(each))
        if found:
            found |= {
                f"{HOLDERS[each.name]}{record[each.name]}"
                for each in self.holders
                if record[each.name] is not None
            }
        return found


def is_spoken(field: FieldSpec) -> bool:
    """True for names, which are also found by their pinyin."""
    return type(field.value_type) is t.Text


def contents(snapshot: Snapshot) -> dict[str, Content]:
    """What is searched, by the name of the entity; kept for as long as the structure stays."""
    found: dict[str, Content] | None = snapshot.memo.get("search contents")
    if found is None:
        found = {}
        for spec in snapshot.entities.values():
            if spec.parent_field is None and (spec.navigable or spec.directory or spec.custom):
                fields = tuple(each for each in spec.stored if _is_searched(spec, each))
                if fields:
                    found[spec.name] = Content(spec, fields)
        snapshot.memo["search contents"] = found
    return found


def _is_searched(spec: EntitySpec, field: FieldSpec) -> bool:
    if not isinstance(field.value_type, (t.Text, t.LongText, t.AutoNumber)):
        return False
    is_name = field.name == spec.label_field and not isinstance(field.value_type, t.LongText)
    return field.searchable or is_name or isinstance(field.type, _ALWAYS)
