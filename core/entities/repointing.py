"""What names a record, and how it comes to name another instead.

References of every module, those that are off included, in the bin or not; to one and to many; lines;
and what says by two fields which record it is about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ColumnElement, Row, select

from core.db.bulk import one_of
from core.entities.changes import Change
from core.entities.computed import compute
from core.entities.links import link_table
from core.entities.purging import pointing, with_tables
from core.entities.writing import load_links, run_after, write_rows
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Moves", "Rows", "naming", "relinked", "rewrite"]

#: Records that are written at once.
_AT_ONCE = 500


@dataclass
class Moves:
    """What named one of the others: ``{entity: {field: {other: [ids]}}}``, and of references to
    many what they were: ``{entity: {field: {id: [targets]}}}``."""

    references: dict[str, dict[str, dict[str, list[int]]]] = field(default_factory=dict)
    links: dict[str, dict[str, dict[str, list[int]]]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many records were changed."""
        found = set()
        for entity, fields in self.references.items():
            for others in fields.values():
                found |= {(entity, key) for keys in others.values() for key in keys}
        for entity, fields in self.links.items():
            for was in fields.values():
                found |= {(entity, int(key)) for key in was}
        return len(found)


#: What is to be written: the new values of records by id, and the new targets of their links.
Rows = dict[int, tuple[dict[str, Any], dict[str, list[int]]]]


def naming(
    uow: UnitOfWork, spec: EntitySpec, keep: int, gone: Sequence[int], moves: Moves
) -> dict[str, Rows]:
    """By entity the records that name one of ``gone``, with what they are to hold instead so as to
    name ``keep``; what they held is noted in ``moves``."""
    rows: dict[str, Rows] = {}
    for other, item in pointing(uow, spec, lines=True):
        mine = rows.setdefault(other.name, {})
        if isinstance(item.type, t.References):
            for key, was in _links_to(uow, other, item, gone).items():
                if other is spec and key in gone:
                    continue
                moves.links.setdefault(other.name, {}).setdefault(item.name, {})[str(key)] = was
                new = relinked(was, keep, gone, but=key if other is spec else None)
                mine.setdefault(key, ({}, {}))[1][item.name] = new
            continue
        column = other.column(item.name)
        for row in _holding(uow, other, column, gone):
            if other is spec and row.id in gone:
                continue
            _note(moves, other.name, item.name, row)
            itself = other is spec and row.id == keep
            mine.setdefault(row.id, ({}, {}))[0][item.name] = None if itself else keep
    for other, name, about in _about(uow, spec):
        mine = rows.setdefault(other.name, {})
        for row in _holding(uow, other, other.column(name), gone, about):
            _note(moves, other.name, name, row)
            mine.setdefault(row.id, ({}, {}))[0][name] = keep
    return rows


def _about(
    uow: UnitOfWork, spec: EntitySpec
) -> Iterator[tuple[EntitySpec, str, ColumnElement[bool]]]:
    """What says by two fields which record it is about: its entity, the one with the number, and the
    condition that it is about the entity ``spec``. Of files those that are no field's content."""
    for other in with_tables(uow):
        if other.related is not None:
            kind = other.related.type
            assert isinstance(kind, t.Related)
            yield other, other.related.name, other.column(kind.entity_field) == spec.name
        elif other.name == "comment":
            yield other, "record_id", other.column("entity") == spec.name
        elif other.name == "file":
            is_field = other.column("field").is_not(None)
            yield other, "record_id", (other.column("entity") == spec.name) & ~is_field


def _note(moves: Moves, entity: str, name: str, row: Row[Any]) -> None:
    others = moves.references.setdefault(entity, {}).setdefault(name, {})
    others.setdefault(str(row.other), []).append(row.id)


def _holding(
    uow: UnitOfWork,
    spec: EntitySpec,
    column: Column[Any],
    gone: Sequence[int],
    *conditions: ColumnElement[bool],
) -> Sequence[Row[Any]]:
    table = spec.table
    found = select(table.c.id, column.label("other")).where(
        one_of(uow.connection, column, gone), *conditions
    )
    return uow.execute(found.order_by(table.c.id)).all()


def _links_to(
    uow: UnitOfWork, spec: EntitySpec, item: FieldSpec, targets: Sequence[int]
) -> dict[int, list[int]]:
    links = link_table(spec, item)
    held = select(links.c.source_id).where(one_of(uow.connection, links.c.target_id, targets))
    return load_links(uow, spec, item, sorted(set(uow.execute(held).scalars())))


def relinked(was: Iterable[int], keep: int, gone: Collection[int], but: int | None) -> list[int]:
    """The targets with ``keep`` once instead of any of ``gone``, and without ``but``."""
    new = (keep if target in gone else target for target in was)
    return [target for target in dict.fromkeys(new) if target != but]


def rewrite(uow: UnitOfWork, entity: str, rows: Rows) -> None:
    """Write references, in the bin or not: no rule is asked, as nobody chooses them.

    Values are derived, computed, audited and told as after any other change.
    """
    spec = uow.snapshot.installed_entities[entity]
    now, ids = uow.now(), sorted(rows)
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        columns = [spec.column(each.name).label(each.name) for each in spec.stored]
        mine = select(*columns).where(one_of(uow.connection, spec.table.c.id, part))
        held = mine.order_by(spec.table.c.id).with_for_update(of=spec.table)
        names = dict.fromkeys(name for key in part for name in rows[key][1])
        was = {name: load_links(uow, spec, spec[name], part) for name in names}
        changes = []
        for index, row in enumerate(uow.execute(held).mappings().all()):
            values, links = rows[row["id"]]
            before = dict(row) | {name: was[name].get(row["id"], []) for name in links}
            after = dict(row) | values
            if "version" in after:
                after["version"] += 1
            after |= {"updated_at": now, "updated_by": uow.actor.user_id}
            after = {name: value for name, value in after.items() if name in spec}
            changes.append(Change("update", spec, before, after, row["id"], index, dict(links)))
        if not changes:
            continue
        plugins, enabled = uow.runtime.plugins, uow.snapshot.enabled
        if plugins.has("before_changes", enabled):
            plugins.call_in_transaction("before_changes", enabled, changes=tuple(changes), uow=uow)
        compute(uow, changes)
        write_rows(uow, changes)
        run_after(uow, changes)
