"""Which fields are about a person, and what is left of their values after an erasure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from core.audit.redacting import REDACTED
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.tabular.cleaning import is_mobile

__all__ = [
    "blank_value",
    "contact_keys",
    "is_address",
    "is_personal",
    "names_of",
    "personal_fields",
    "texts_of",
    "without",
]

_ERASED_HOST = "@erased.invalid"
#: Shorter texts are found in everything.
_SHORTEST = 2


def is_personal(field: FieldSpec) -> bool:
    """Declared so; of the company's own fields every telephone number and e-mail address."""
    return bool(field.personal) or (
        field.custom and isinstance(field.value_type, (t.Phone, t.Email))
    )


def is_address(field: FieldSpec) -> bool:
    """A number or an address of a person by itself, by which records are matched."""
    return is_personal(field) and isinstance(field.value_type, (t.Phone, t.Email))


def texts_of(spec: EntitySpec) -> list[FieldSpec]:
    """The stored fields of what people write, and of what rules made of it: not what is worked out,
    nor the names of entities that say what a record is about."""
    kinds = {item.type.entity_field for item in spec.stored if isinstance(item.type, t.Related)}
    return [
        item
        for item in spec.stored
        if isinstance(item.type, (t.Text, t.LongText)) and item.name not in kinds
    ]


def personal_fields(spec: EntitySpec) -> list[FieldSpec]:
    """The stored fields about a person, those no longer in use included."""
    return [item for item in spec.fields if is_personal(item) and item.column is not None]


def blank_value(spec: EntitySpec, field: FieldSpec, record_id: int) -> Any:
    """What an erasure leaves: nothing, or a word where something must stand."""
    if not (field.required or field.name == spec.label_field):
        return None
    if isinstance(field.type, t.Email):
        return f"erased-{record_id}{_ERASED_HOST}"
    if isinstance(field.type, (t.Text, t.LongText)) and not isinstance(field.type, t.Phone):
        return f"{REDACTED} {record_id}" if field.unique else REDACTED
    return None


def contact_keys(spec: EntitySpec, row: Mapping[str, Any]) -> set[str]:
    """The addresses by which the person is found elsewhere: mobile numbers and e-mail.

    Not the numbers of land lines: colleagues share them.
    """
    found: set[str] = set()
    for field in personal_fields(spec):
        value = row.get(field.name)
        if not isinstance(value, str) or value.endswith(_ERASED_HOST):
            continue
        if isinstance(field.value_type, t.Email) or (
            isinstance(field.value_type, t.Phone) and (is_mobile(value) or value.startswith("+"))
        ):
            found.add(value.casefold())
    return found


def names_of(spec: EntitySpec, row: Mapping[str, Any]) -> set[str]:
    """All personal texts of a record, which are looked for in what belongs to the same records."""
    return {
        value
        for field in personal_fields(spec)
        if isinstance(value := row.get(field.name), str)
        and len(value) >= _SHORTEST
        and not value.startswith(REDACTED)
        and not value.endswith(_ERASED_HOST)
    }


def without(value: Any, texts: Iterable[str]) -> Any:
    """``value`` with every occurrence of the texts, in whatever depth, taken out."""
    longest_first = sorted(texts, key=len, reverse=True)
    if not longest_first:
        return value
    pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
    return _replaced(value, pattern)


def _replaced(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(REDACTED, value)
    if isinstance(value, list):
        return [_replaced(each, pattern) for each in value]
    if isinstance(value, dict):
        return {pattern.sub(REDACTED, key): _replaced(each, pattern) for key, each in value.items()}
    return value
