"""The record that something is about, as addresses and forms write it: ``lead:7``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from core.entities import query
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery
from core.entities.related import relatable
from core.errors import Forbidden, Invalid, NotFound
from core.fields import DateTime
from core.http.addresses import record_url

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["About", "about_pairs", "dated", "find_about", "name_about", "offered", "suggest"]

_WRITTEN = re.compile(r"([a-z][a-z0-9_]{1,39}):([1-9][0-9]{0,17})")
#: So many of each entity are offered while somebody types.
_EACH = 5


class About(NamedTuple):
    """A record that the reader may see, and what it is called."""

    entity: str
    id: int
    label: str
    entity_label: str

    @property
    def text(self) -> str:
        """As addresses and forms write it."""
        return f"{self.entity}:{self.id}"

    @property
    def url(self) -> str:
        """The record's page."""
        return record_url(self.entity, self.id)


def find_about(uow: UnitOfWork, text: str | None) -> About | None:
    """What a text such as ``lead:7`` means; None for what is none, or not the reader's to see."""
    match = _WRITTEN.fullmatch(text or "")
    if match is None:
        return None
    entity, key = match[1], int(match[2])
    if not any(spec.name == entity for spec in relatable(uow)):
        return None
    try:
        query.get(uow, entity, key)
    except (Forbidden, NotFound):
        return None
    return name_about(uow, [(entity, key)])[0]


def name_about(uow: UnitOfWork, pairs: Iterable[tuple[str, int]]) -> list[About]:
    """Records with what they are called, those left out that the reader may not see."""
    wanted: dict[str, set[int]] = {}
    ordered = list(pairs)
    for entity, key in ordered:
        wanted.setdefault(entity, set()).add(key)
    labels = resolve_labels(uow, wanted)
    return [
        About(entity, key, label, str(uow.entities[entity].label))
        for entity, key in ordered
        if entity in uow.entities and (label := labels.get(entity, {}).get(key)) is not None
    ]


def offered(uow: UnitOfWork) -> list[EntitySpec]:
    """The entities whose records are offered to be followed up: the business that has owners."""
    return [
        spec
        for spec in relatable(uow)
        if (spec.owned or spec.custom) and uow.actor.access(spec).may("read")
    ]


def suggest(uow: UnitOfWork, words: str) -> list[tuple[str, str, str]]:
    """(text, label, kind of record) of records that fit the words; one statement an entity."""
    found = []
    for spec in offered(uow):
        for row in _named_like(uow, spec, words):
            about = f"{spec.name}:{row['id']}"
            label = str(row.get(spec.label_field) or f"#{row['id']}")
            found.append((about, label, str(spec.label)))
    return found


def _named_like(uow: UnitOfWork, spec: EntitySpec, words: str) -> list[dict[str, Any]]:
    if not uow.actor.access(spec).can_use(spec[spec.label_field]):
        return []
    searched = any(uow.actor.access(spec).can_use(item) for item in spec.searchable)
    condition = None
    if words and not searched:
        condition = {"field": spec.label_field, "op": "contains", "value": words}
    asked = ListQuery(
        fields=(spec.label_field,),
        search=words if searched else "",
        filter=condition,
        limit=_EACH,
    )
    try:
        return query.page(uow, spec.name, asked).items
    except (Forbidden, Invalid):
        return []


def dated(uow: UnitOfWork, name: str = "next_follow_at") -> list[EntitySpec]:
    """The entities that have an owner and keep a moment of their own under this name: that of the next
    follow-up, or ``held_since``, since when the owner has them."""
    found = []
    for spec in offered(uow):
        access = uow.actor.access(spec)
        item = spec.by_name.get(name)
        if not spec.owned or item is None or not isinstance(item.type, DateTime):
            continue
        if access.can_use(item) and access.can_use(spec["owner"]):
            found.append(spec)
    return found


def about_pairs(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """What tasks or follow-ups are about, each once, in their order."""
    pairs = [
        (row["related_entity"], row["related_id"])
        for row in rows
        if row.get("related_entity") and row.get("related_id")
    ]
    return list(dict.fromkeys(pairs))
