"""Records that became others: what was said of a lead stands in the timeline of the customer that it became.

An entity with `origin_field` keeps who became what: that field names the record that was, and its field
of the type `Related` what it became. Whoever may read the latter reads what was said of the former, also
where the former itself is out of their reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Row, select

from core.fields import Reference
from core.fields.types import Related

if TYPE_CHECKING:
    from core.entities.reading import Reading
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = [
    "became_readable",
    "origins_of",
    "reached_otherwise",
    "reaching_otherwise",
    "reading_origins",
]

_MOST = 50
_KEPT = "reached otherwise"
_FOUND = "origins"


def origins_of(uow: UnitOfWork, entity: str, record_id: int) -> list[tuple[EntitySpec, int]]:
    """The records that became this one, of modules that are open to the actor."""
    from core.entities.reading import read

    key = (_FOUND, entity, record_id)
    if key not in uow.memo:
        uow.memo[key] = read(uow, reading_origins(uow, entity, record_id))
    found: list[tuple[EntitySpec, int]] = uow.memo[key]
    return found


def reading_origins(
    uow: UnitOfWork, entity: str, record_id: int
) -> Reading[list[tuple[EntitySpec, int]]]:
    """What `origins_of` reads, to be read together with more; it then knows it."""
    from core.entities.reading import Reading

    links = [link for link in _links(uow) if _origin(link) in uow.entities]
    links = [link for link in links if _origin(link) != entity]

    def finish(*answers: Sequence[Row[Any]]) -> list[tuple[EntitySpec, int]]:
        found = [
            (uow.entity(_origin(link)), row.id)
            for link, rows in zip(links, answers, strict=True)
            for row in rows
        ]
        uow.memo[_FOUND, entity, record_id] = found
        return found

    statements = []
    for link in links:
        was, of, key = _columns(link)
        asked = select(was.label("id")).where(of == entity, key == record_id)
        statements.append(asked.order_by(was).limit(_MOST))
    return Reading(tuple(statements), finish)


def became_readable(uow: UnitOfWork, entity: str, record_id: int) -> bool:
    """Whether the actor may read something that the record became."""
    from core.entities.incoming import readable

    for link in _links(uow):
        if _origin(link) != entity:
            continue
        was, of, key = _columns(link)
        became = select(of.label("entity"), key.label("id")).where(was == record_id)
        for row in uow.execute(became.limit(_MOST)):
            if row.entity in uow.entities and readable(uow, row.entity, {row.id}):
                return True
    return False


@contextmanager
def reaching_otherwise(uow: UnitOfWork, entity: str, record_id: int) -> Iterator[None]:
    """Within the block what is about that record may be read, as far as roles go: the caller knows
    that the actor reads what it became."""
    before = uow.memo.get(_KEPT)
    uow.memo[_KEPT] = entity, record_id
    try:
        yield
    finally:
        uow.memo[_KEPT] = before


def reached_otherwise(uow: UnitOfWork) -> tuple[str, int] | None:
    """The record of `reaching_otherwise`."""
    found: tuple[str, int] | None = uow.memo.get(_KEPT)
    return found


def _links(uow: UnitOfWork) -> tuple[EntitySpec, ...]:
    found: tuple[EntitySpec, ...] | None = uow.snapshot.memo.get("links to origins")
    if found is None:
        found = tuple(spec for spec in uow.snapshot.entities.values() if spec.origin_field)
        uow.snapshot.memo["links to origins"] = found
    return found


def _origin(link: EntitySpec) -> str:
    type_ = link[link.origin_field].type
    assert isinstance(type_, Reference)
    return type_.entity


def _columns(link: EntitySpec) -> tuple[Column[int], Column[str], Column[int]]:
    """The record that was, the entity of what it became, and its number."""
    item = link.related
    assert item is not None
    assert isinstance(item.type, Related)
    return (
        link.column(link.origin_field),
        link.column(item.type.entity_field),
        link.column(item.name),
    )
