"""Which deeds of an import can be undone: only those on which nothing was built since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, Select, literal, select

from core.entities.incoming import readable
from core.entities.labels import resolve_labels
from core.entities.links import link_table
from core.entities.scope import may, scope_clause
from core.exchange.trail import Deed, made
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.i18n.formats import format_datetime

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Kept", "judge"]

_IN_CHUNK = 900
#: (entity, id)
Place = tuple[str, int]


@dataclass(frozen=True)
class Kept:
    """A record that an undo leaves alone; ``code`` is ``changed referenced gone rights off refused``."""

    entity: str
    record_id: int
    code: str
    reason: str


def judge(
    uow: UnitOfWork, job_id: int, imported: str, deeds: Sequence[Deed], gone: set[Place]
) -> tuple[list[Deed], list[Kept]]:
    """(deeds of an import that can be undone, in their order; records that stay, with why).

    ``imported`` is its entity: such records need the actor's rights, what followed from them by
    rules of the business does not. ``gone`` holds created records that were judged to go before;
    those of these deeds are added. Lines of a parent that the import made stay with it, wherever
    it goes, and are not told by themselves.
    """
    deeds = _without_lines(uow, job_id, deeds)
    kept: dict[Place, Kept] = {}
    by_entity: dict[str, list[Deed]] = defaultdict(list)
    for deed in deeds:
        by_entity[deed.entity].append(deed)
    for entity, group in by_entity.items():
        spec = uow.entities.get(entity)
        if spec is None:
            found: Iterable[Kept] = _all(group, "off", _("Its module is switched off."))
        else:
            found = [*_moved_on(uow, spec, group)]
            if entity == imported and not uow.actor.is_system:
                found = [*found, *_out_of_reach(uow, spec, group)]
        for each in found:
            kept.setdefault((each.entity, each.record_id), each)
    going = {
        (deed.entity, deed.record_id)
        for deed in deeds
        if deed.kind == "create" and (deed.entity, deed.record_id) not in kept
    }
    kept |= _pointed_at(uow, job_id, going, gone)
    gone |= going
    undone = [deed for deed in deeds if deed.kind and (deed.entity, deed.record_id) not in kept]
    return undone, list(kept.values())


def _without_lines(uow: UnitOfWork, job_id: int, deeds: Sequence[Deed]) -> list[Deed]:
    """The deeds but for new lines of new parents."""
    followers: set[Place] = set()
    for entity in {deed.entity for deed in deeds}:
        spec = uow.entities.get(entity)
        if spec is None or spec.parent_field is None:
            continue
        lines = [d.record_id for d in deeds if d.entity == entity and d.kind == "create"]
        parents: dict[int, int] = {}
        for start in range(0, len(lines), _IN_CHUNK):
            chosen = spec.table.c.id.in_(lines[start : start + _IN_CHUNK])
            pairs = _pairs(spec.column(spec.parent_field), spec.table.c.id).where(chosen)
            parents.update((row.source, row.target) for row in uow.execute(pairs))
        new = made(uow, job_id, spec.governed_by, sorted({*parents.values()} - {None}))
        followers |= {(entity, line) for line, parent in parents.items() if parent in new}
    return [deed for deed in deeds if (deed.entity, deed.record_id) not in followers]


def _all(deeds: Iterable[Deed], code: str, reason: str) -> Iterator[Kept]:
    return (Kept(deed.entity, deed.record_id, code, reason) for deed in deeds)


def _moved_on(uow: UnitOfWork, spec: EntitySpec, deeds: Sequence[Deed]) -> Iterator[Kept]:
    """Records that are not as the import left them."""
    rows = _states(uow, spec, [deed.record_id for deed in deeds])
    people = {deed.since.actor_id for deed in deeds if deed.since and deed.since.actor_id}
    names = resolve_labels(uow, {"user": people}).get("user", {})
    for deed in deeds:
        row = rows.get(deed.record_id)
        if row is None:
            yield Kept(spec.name, deed.record_id, "gone", _("It is no longer there."))
        elif (row.archived_at is not None) != (deed.kind == "delete") and deed.kind:
            yield Kept(spec.name, deed.record_id, "gone", _("It is in the recycle bin already."))
        elif deed.since is not None:
            yield Kept(spec.name, deed.record_id, "changed", _changed(uow, deed.since, names))
        elif row.updated_at is not None and row.updated_at > deed.at:
            yield Kept(spec.name, deed.record_id, "changed", _("It was changed since."))


def _changed(uow: UnitOfWork, entry: Row[Any], names: Mapping[int, str]) -> str:
    when = format_datetime(entry.at, uow.clock.timezone)
    who = names.get(entry.actor_id)
    if who is None:
        return _("It was changed since, on %(when)s.", when=when)
    return _("%(who)s changed it since, on %(when)s.", who=who, when=when)


def _states(uow: UnitOfWork, spec: EntitySpec, ids: Sequence[int]) -> dict[int, Row[Any]]:
    table, found = spec.table, dict[int, Row[Any]]()
    archived = table.c.archived_at if "archived_at" in table.c else literal(None)
    updated = table.c.updated_at if "updated_at" in table.c else literal(None)
    columns = table.c.id, archived.label("archived_at"), updated.label("updated_at")
    for start in range(0, len(ids), _IN_CHUNK):
        chosen = table.c.id.in_(ids[start : start + _IN_CHUNK])
        found.update((row.id, row) for row in uow.execute(select(*columns).where(chosen)))
    return found


def _out_of_reach(uow: UnitOfWork, spec: EntitySpec, deeds: Sequence[Deed]) -> Iterator[Kept]:
    """Records with which the actor may not do what undoing takes."""
    needs = {"create": "delete", "delete": "delete", "update": "update"}
    offered = {"delete": spec.deletable, "update": spec.updatable}
    reason = _("You do not have the right to change this record back.")
    for action in ("delete", "update"):
        group = [deed for deed in deeds if needs.get(deed.kind) == action]
        if group and not (offered[action] and may(uow, spec, action)):
            yield from _all(group, "rights", reason)
            continue
        clause = scope_clause(uow, spec, action)
        if clause is None:
            continue
        ids, reached = [deed.record_id for deed in group], set[int]()
        for start in range(0, len(ids), _IN_CHUNK):
            chosen = spec.table.c.id.in_(ids[start : start + _IN_CHUNK])
            reached.update(uow.execute(select(spec.table.c.id).where(chosen, clause)).scalars())
        yield from _all((d for d in group if d.record_id not in reached), "rights", reason)


# What refers to records that are to go


def _pointed_at(
    uow: UnitOfWork, job_id: int, going: set[Place], gone: set[Place]
) -> dict[Place, Kept]:
    """Those of ``going`` that something else refers to which stays; they are taken out of it."""
    ids: dict[str, list[int]] = defaultdict(list)
    for entity, key in sorted(going):
        ids[entity].append(key)
    pointers = [
        ((entity, target), (source, key))
        for entity, keys in ids.items()
        for source, target, key in _pointers(uow, job_id, entity, keys)
    ]
    kept: dict[Place, Kept] = {}
    while True:
        held = {
            target: source
            for target, source in pointers
            if target in going and source not in going and source not in gone
        }
        if not held:
            return kept
        named = _named(uow, set(held.values()))
        for target, source in held.items():
            record = named.get(source, _("A record that you may not see"))
            reason = _("%(record)s refers to it.", record=record)
            kept[target] = Kept(*target, "referenced", reason)
        going.difference_update(held)


def _named(uow: UnitOfWork, places: set[Place]) -> dict[Place, str]:
    """``Lead #7`` for those that the actor may read."""
    ids: dict[str, set[int]] = defaultdict(set)
    for entity, key in places:
        ids[entity].add(key)
    return {
        (entity, key): f"{uow.snapshot.installed_entities[entity].label} #{key}"
        for entity, keys in ids.items()
        for key in readable(uow, entity, keys)
    }


def _pointers(
    uow: UnitOfWork, job_id: int, entity: str, keys: Sequence[int]
) -> Iterator[tuple[str, int, int]]:
    """(the entity that refers, the id that it refers to, its own id) for living records."""
    for spec in uow.snapshot.entities.values():
        for item in spec:
            if isinstance(item.type, (t.Reference, t.References)) and item.type.entity == entity:
                found = list(_through(uow, spec, item, keys))
                if found and item.name == spec.parent_field and not spec.audited:
                    continue  # rules write such lines along with the record, and nobody else does
                if found and item.name == spec.parent_field:
                    lines = [key for _entity, _target, key in found]
                    follow = made(uow, job_id, spec.name, lines, untouched=True)
                    found = [each for each in found if each[2] not in follow]
                yield from found
    files = uow.snapshot.installed_entities["file"].table
    attached = files.c.record_id
    for start in range(0, len(keys), _IN_CHUNK):
        here = attached.in_(keys[start : start + _IN_CHUNK])
        columns = attached.label("target"), files.c.id.label("source")
        rows = uow.execute(select(*columns).where(files.c.entity == entity, here))
        yield from (("file", row.target, row.source) for row in rows)


def _through(
    uow: UnitOfWork, spec: EntitySpec, item: FieldSpec, keys: Sequence[int]
) -> Iterator[tuple[str, int, int]]:
    table = spec.table
    if isinstance(item.type, t.References):
        links = link_table(spec, item)
        target, source = links.c.target_id, links.c.source_id
        statement = _pairs(target, source).join(table, table.c.id == source)
    else:
        target, source = spec.column(item.name), table.c.id
        statement = _pairs(target, source)
    if "archived_at" in table.c:
        statement = statement.where(table.c.archived_at.is_(None))
    if spec.parent_field is not None and item.name != spec.parent_field:
        above = uow.snapshot.installed_entities[spec.governed_by].table
        parent = uow.alias(above)  # the lines of what was deleted are deleted with it
        statement = statement.join(parent, parent.c.id == spec.column(spec.parent_field))
        if "archived_at" in parent.c:
            statement = statement.where(parent.c.archived_at.is_(None))
    for start in range(0, len(keys), _IN_CHUNK):
        for row in uow.execute(statement.where(target.in_(keys[start : start + _IN_CHUNK]))):
            yield spec.name, row.target, row.source


def _pairs(target: ColumnElement[int], source: ColumnElement[int]) -> Select[int, int]:
    return select(target.label("target"), source.label("source"))
