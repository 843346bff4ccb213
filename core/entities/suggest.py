"""Finding the record that somebody means by a few words: for pickers, and for what they typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.entities.query import ListQuery, page
from core.entities.related import relatable
from core.entities.rendering import Reader, display_text
from core.entities.scope import may, may_use
from core.fields import EntitySpec
from core.fields import types as t
from core.fields.regions import Region, children, find_region, path_names

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "Suggestion",
    "find_by_words",
    "related_by_words",
    "suggest_records",
    "suggest_regions",
    "suggest_related",
]

#: So many of each entity are offered where a record of any may be meant.
_EACH = 5
#: (id, label, hint)
Suggestion = tuple[int, str, str]


def suggest_records(
    uow: UnitOfWork,
    spec: EntitySpec,
    words: str,
    reader: Reader,
    limit: int = 8,
    *,
    within: tuple[str, int] | None = None,
) -> list[Suggestion]:
    """Records that the reader may see and whose searchable fields hold the words, best named first.

    ``within`` (field, id) leaves those that point there. Raises `Invalid` for a field that is none.
    """
    label = spec[spec.label_field]
    if not may(uow, spec, "read") or not may_use(uow, spec, label):
        return []
    hint = _hint_field(uow, spec)
    names = tuple(dict.fromkeys((label.name, *([hint] if hint else []))))
    searched = any(may_use(uow, spec, item) for item in spec.searchable)
    condition: dict[str, Any] | None = None
    if words and not searched:
        condition = {"field": label.name, "op": "contains", "value": words}
    if condition is not None and not isinstance(label.value_type, (t.Text, t.AutoNumber)):
        return []
    if within is not None:
        there = {"field": within[0], "op": "eq", "value": within[1]}
        condition = there if condition is None else {"all": [there, condition]}
    found = page(
        uow,
        spec.name,
        ListQuery(
            fields=names,
            filter=condition,
            search=words if searched else "",
            sort=label.name if not words else "",
            limit=limit,
        ),
    )
    shown = Reader(reader.zone, reader.currency, found.labels)
    return [
        (
            row["id"],
            display_text(label.type, row.get(label.name), shown, row) or f"#{row['id']}",
            display_text(spec[hint].type, row.get(hint), shown, row) if hint else "",
        )
        for row in found.items
    ]


def find_by_words(uow: UnitOfWork, spec: EntitySpec, words: str, reader: Reader) -> Sequence[int]:
    """The ids that a typed text can mean: the ones of exactly that name, else all that it finds."""
    found = suggest_records(uow, spec, words.strip(), reader, limit=20)
    exact = [key for key, label, _hint in found if label.casefold() == words.strip().casefold()]
    return exact or [key for key, _label, _hint in found]


def suggest_related(uow: UnitOfWork, words: str, reader: Reader) -> list[tuple[str, str, str]]:
    """(``lead:7``, label, kind of record) of what a record may be about: the business that has owners."""
    found = []
    for spec in relatable(uow):
        if spec.owned or spec.custom:
            rows = suggest_records(uow, spec, words, reader, limit=_EACH)
            found += [(f"{spec.name}:{key}", label, str(spec.label)) for key, label, _hint in rows]
    return found


def related_by_words(uow: UnitOfWork, words: str, reader: Reader) -> list[str]:
    """What a typed text can mean, of any entity: those of exactly that name, else all."""
    found = suggest_related(uow, words.strip(), reader)
    exact = [key for key, label, _kind in found if label.casefold() == words.strip().casefold()]
    return exact or [key for key, _label, _kind in found]


def suggest_regions(
    words: str, level: str = "district", within: str | None = None, limit: int = 12
) -> list[Region]:
    """Divisions whose names hold the words, those ``within`` another one first; without words what
    that consists of, else the provinces."""
    words = words.strip()
    if not words:
        return list(children(within)) or list(children(None))
    best, inside = find_region(words), _beginning(within)
    found = [place for place in _regions(level) if _matches(place, words)]
    found.sort(
        key=lambda place: (
            not place.code.startswith(inside),
            place.code != best,
            len(place.code.rstrip("0")),
            place.code,
        )
    )
    if best and not any(place.code == best for place in found):
        found = [place for place in _regions(level) if place.code == best] + found
    return found[:limit]


def _beginning(code: str | None) -> str:
    """With what the codes of all begin that lies in a province or city."""
    if not code:
        return ""
    return code[:2] if code.endswith("0000") else code[:4] if code.endswith("00") else code


def _hint_field(uow: UnitOfWork, spec: EntitySpec) -> str | None:
    """A second field that tells two records of one name apart."""
    for name in spec.list_columns:
        item = spec.by_name.get(name)
        if item is None or name == spec.label_field or not item.is_stored:
            continue
        texts = isinstance(item.type, (t.Text, t.AutoNumber, t.Reference))
        if texts and may_use(uow, spec, item):
            return name
    return None


def _regions(level: str) -> list[Region]:
    provinces = list(children(None))
    if level == "province":
        return provinces
    cities = [city for province in provinces for city in children(province.code)]
    if level == "city":
        return provinces + cities
    return provinces + cities + [place for city in cities for place in children(city.code)]


def _matches(place: Region, words: str) -> bool:
    names = path_names(place.code)
    if not names or place.name not in names:
        return False
    return all(any(word in name for name in names) for word in words.split()) and any(
        word in place.name for word in words.split()
    )
