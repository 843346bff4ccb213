"""A record's timeline: its changes from the audit trail and what plugins add, newest first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import ColumnElement, and_, or_, select

from core.audit.models import AuditEntry
from core.entities.incoming import known_readable
from core.entities.labels import Labels, resolve_labels
from core.entities.masking import mask_value
from core.entities.origins import origins_of, reaching_otherwise
from core.entities.reading import Reading, read, read_together
from core.entities.scope import require, scope_clause
from core.entities.service import actions_of
from core.entities.values import BadValue, check_value
from core.entities.veils import veils
from core.errors import NotFound
from core.fields import ActionSpec, EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import TimelineItem, TimelineSource
from core.security.actor import FieldAccess

if TYPE_CHECKING:
    from core.plugins.manager import Contribution
    from core.work.uow import UnitOfWork

__all__ = ["MAX_ENTRIES", "FieldChange", "TimelineEntry", "timeline"]

T = TypeVar("T")
log = logging.getLogger("dougong.plugins")
MAX_ENTRIES = 200
#: What one transaction writes has about the same moment.
_TOGETHER = timedelta(seconds=5)
#: Entries of one instant stay on one page; so many more are looked at for that.
_TIES = 50

_TOLD = ("entity", "action", "actor_id", "at", "changes")

_TITLES = {
    "create": _l("Created"),
    "update": _l("Changed"),
    "delete": _l("Deleted"),
    "restore": _l("Restored"),
}


@dataclass(frozen=True)
class FieldChange:
    """One field's change; values as the field holds them, or masked texts."""

    field: FieldSpec
    old: Any
    new: Any


@dataclass(frozen=True)
class TimelineEntry:
    """Something that happened to a record. ``kind`` is ``create update delete restore action``,
    or that of a plugin's own entry."""

    at: datetime
    kind: str
    title: str
    actor: int | None = None
    actor_label: str | None = None
    changes: tuple[FieldChange, ...] = ()
    body: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    #: What the references in the changes are called.
    labels: Labels = field(default_factory=dict)


def timeline(
    uow: UnitOfWork,
    entity: str,
    record_id: int,
    *,
    before: datetime | None = None,
    limit: int = 50,
) -> list[TimelineEntry]:
    """The newest entries earlier than ``before``, as the actor may see them.

    Entries of the same instant stay together, so there may be a few more than ``limit``. Raises
    `NotFound` for a record out of reach; one in the recycle bin has its timeline still.
    """
    spec = uow.entity(entity)
    require(uow, spec, "read")
    veiled = _check_record(uow, spec, record_id)
    limit = max(1, min(limit, MAX_ENTRIES))
    sources = [
        contribution
        for contribution in uow.contributions("register_timeline")
        if contribution.item.entity in (None, spec.name)
    ]
    asked = [_ask(uow, each, spec, record_id, before, limit) for each in sources]
    for origin, key in origins_of(uow, spec.name, record_id):
        for each in uow.contributions("register_timeline"):
            if each.item.goes_along and each.item.entity in (None, origin.name):
                sources.append(each)
                asked.append(_from_origin(uow, each, origin, key, before, limit))
    found, *answers = _answers(
        uow, sources, [_from_audit(uow, spec, record_id, before, limit, veiled), *asked]
    )
    for contribution, items in zip(sources, answers, strict=True):
        found = _without_followers(found, contribution.item.follows, items)
        found += [_from_plugin(item) for item in items if before is None or item.at < before]
    found.sort(key=lambda entry: entry.at, reverse=True)
    return _named(uow, _cut(found, limit))


def _check_record(uow: UnitOfWork, spec: EntitySpec, record_id: int) -> frozenset[str]:
    """The fields that the actor sees masked in this record; `NotFound` when it is out of reach."""
    flags = [veil.label(name) for name, veil in veils(uow, spec).items()]
    if not flags and record_id in known_readable(uow, spec.name):
        return frozenset()
    statement = select(spec.table.c.id, *flags).where(spec.table.c.id == record_id)
    if (clause := scope_clause(uow, spec, "read")) is not None:
        statement = statement.where(clause)
    row = uow.execute(statement).mappings().first()
    if row is None:
        raise NotFound(
            _(
                "There is no %(entity)s with the number %(id)s.",
                entity=str(spec.label),
                id=record_id,
            )
        )
    return frozenset(each.name for each in flags if row[each.name])


def _cut(entries: list[TimelineEntry], limit: int) -> list[TimelineEntry]:
    end = min(limit, len(entries))
    while 0 < end < len(entries) and entries[end].at == entries[end - 1].at:
        end += 1
    return entries[:end]


# From the audit trail


def _from_audit(
    uow: UnitOfWork,
    spec: EntitySpec,
    record_id: int,
    before: datetime | None,
    limit: int,
    veiled: Collection[str],
) -> Reading[list[TimelineEntry]]:
    verbs = actions_of(uow, spec)
    lines = {child.name: child for child in _children(uow, spec)}
    table = AuditEntry.__table__
    known = table.c.action.in_([*_TITLES, *verbs])
    about = [and_(table.c.entity == spec.name, table.c.record_id == record_id, known)]
    about += [_about_lines(child, record_id) for child in lines.values()]
    statement = select(*(table.c[name] for name in _TOLD)).where(or_(*about))
    if before is not None:
        statement = statement.where(table.c.at < before)
    statement = statement.order_by(table.c.at.desc(), table.c.id.desc()).limit(limit + _TIES)
    return Reading(
        (statement,),
        lambda rows: [
            _from_entry(uow, lines.get(row.entity, spec), spec, row, verbs, veiled) for row in rows
        ],
    )


def _children(uow: UnitOfWork, spec: EntitySpec) -> Iterable[EntitySpec]:
    """The entities of child lines that the actor may see."""
    access = uow.actor.access(spec)
    for each in spec.detached:
        if isinstance(each.type, t.Lines) and (uow.actor.is_system or access.can_use(each)):
            yield uow.snapshot.installed_entities[each.type.entity]


def _about_lines(child: EntitySpec, record_id: int) -> ColumnElement[bool]:
    table = AuditEntry.__table__
    mine = select(child.table.c.id).where(child.column(child.parent_field or "") == record_id)
    return and_(
        table.c.entity == child.name, table.c.record_id.in_(mine), table.c.action.in_(_TITLES)
    )


def _from_entry(
    uow: UnitOfWork,
    spec: EntitySpec,
    parent: EntitySpec,
    row: Any,
    verbs: Mapping[str, ActionSpec],
    veiled: Collection[str],
) -> TimelineEntry:
    verb = None if row.action in _TITLES else verbs[row.action]
    title = str(verb.label if verb else _TITLES[row.action])
    if spec is not parent:
        title = _("%(line)s: %(what)s", line=str(spec.label), what=title)
    kind = "action" if verb else row.action
    masked = veiled if spec is parent else ()
    changes = tuple(_changes(uow, spec, row.changes or {}, verb, masked))
    return TimelineEntry(row.at, kind, title, row.actor_id, changes=changes)


def _changes(
    uow: UnitOfWork,
    spec: EntitySpec,
    changes: Mapping[str, Any],
    verb: ActionSpec | None,
    veiled: Collection[str],
) -> Iterable[FieldChange]:
    """What the actor may see of them; fields that are gone, or no field's, are left out."""
    told = [each for each in verb.params if each.name not in verb.untold] if verb else []
    params = {each.name: each for each in told}
    for name, values in changes.items():
        described = params.get(name) if verb else spec.by_name.get(name)
        if described is None or not isinstance(values, list) or len(values) != 2:
            continue
        access = FieldAccess.WRITE
        if not uow.actor.is_system and name in spec:
            access = uow.actor.access(spec).field(name)
        if name in veiled:
            access = min(access, FieldAccess.MASKED)
        if access == FieldAccess.HIDDEN or name == spec.parent_field:
            continue
        old, new = values
        if access == FieldAccess.MASKED:
            mask = spec[name].mask
            yield FieldChange(described, mask_value(old, mask), mask_value(new, mask))
        else:
            yield FieldChange(described, _typed(described, old), _typed(described, new))


def _typed(described: FieldSpec, value: Any) -> Any:
    """A value of the trail as the field holds it; as it stands there when that has changed since."""
    if value is None or not isinstance(described.value_type, (t.Number, t.Date, t.DateTime)):
        return value
    try:
        return check_value(described.value_type, value)
    except BadValue:
        return str(value)


# From plugins


def _ask(
    uow: UnitOfWork,
    contribution: Contribution[TimelineSource],
    spec: EntitySpec,
    record_id: int,
    before: datetime | None,
    limit: int,
) -> Reading[Sequence[TimelineItem]]:
    """What one source is going to read, or has read already."""
    fetch = contribution.item.fetch

    def asked() -> Reading[Sequence[TimelineItem]]:
        found = fetch(uow, spec, record_id, before, limit + _TIES)
        return found if isinstance(found, Reading) else _known(list(found))

    return _alone(uow, contribution, asked, _known([]))


def _from_origin(
    uow: UnitOfWork,
    contribution: Contribution[TimelineSource],
    spec: EntitySpec,
    record_id: int,
    before: datetime | None,
    limit: int,
) -> Reading[Sequence[TimelineItem]]:
    """What one source says of a record that became the one of the timeline, marked as that."""
    with reaching_otherwise(uow, spec.name, record_id):
        reading = _ask(uow, contribution, spec, record_id, before, limit)

    def finish(*rows: Any) -> Sequence[TimelineItem]:
        with reaching_otherwise(uow, spec.name, record_id):
            items = reading.finish(*rows)
        origin = {"entity": spec.name, "id": record_id}
        return [
            replace(
                item,
                title=_("%(what)s, from the %(entity)s", what=item.title, entity=str(spec.label)),
                data={**item.data, "origin": origin},
            )
            for item in items
        ]

    return replace(reading, finish=finish)


def _known(items: Sequence[TimelineItem]) -> Reading[Sequence[TimelineItem]]:
    return Reading((), lambda: items)


def _answers(
    uow: UnitOfWork,
    sources: Sequence[Contribution[TimelineSource]],
    readings: Sequence[Reading[Any]],
) -> list[Any]:
    """What the audit trail and each source say: one statement for all of them.

    Where that fails each is asked by itself, so that only the one at fault is missing.
    """
    try:
        with uow.savepoint():
            return read_together(uow, readings)
    except Exception:
        log.warning("the timeline could not be read in one statement", exc_info=True)
    trail, *others = readings
    found: list[Any] = [read(uow, trail)]
    for source, reading in zip(sources, others, strict=True):
        found.append(_alone(uow, source, partial(read, uow, reading), []))
    return found


def _alone(
    uow: UnitOfWork, contribution: Contribution[TimelineSource], work: Callable[[], T], nothing: T
) -> T:
    """A source by itself: one that fails is logged and leaves the rest of the page alone."""
    try:
        with uow.savepoint():
            return work()
    except Exception:
        owner, name = contribution.owner, contribution.item.name
        log.exception("plugin %s failed in timeline source %s", owner, name)
        return nothing


def _without_followers(
    entries: list[TimelineEntry], follows: Sequence[str], items: Sequence[TimelineItem]
) -> list[TimelineEntry]:
    """The entries without those that only tell what followed from one of the items."""
    if not follows or not items:
        return entries
    noted = [item.noted_at or item.at for item in items]
    return [
        entry
        for entry in entries
        if entry.kind != "update"
        or not {change.field.name for change in entry.changes} <= set(follows)
        or not any(abs(entry.at - moment) <= _TOGETHER for moment in noted)
    ]


def _from_plugin(item: TimelineItem) -> TimelineEntry:
    return TimelineEntry(item.at, item.kind, item.title, item.actor, body=item.body, data=item.data)


# Names


def _named(uow: UnitOfWork, entries: list[TimelineEntry]) -> list[TimelineEntry]:
    """The entries with the labels of people and references: one query for each entity."""
    wanted: dict[str, set[int]] = {}
    people = {entry.actor for entry in entries if entry.actor is not None}
    if people:
        wanted["user"] = people
    for entry in entries:
        for change in entry.changes:
            for target, ids in _pointed_at(change).items():
                wanted.setdefault(target, set()).update(ids)
    labels = resolve_labels(uow, wanted)
    names = labels.get("user", {})
    return [
        TimelineEntry(
            entry.at,
            entry.kind,
            entry.title,
            entry.actor,
            None if entry.actor is None else names.get(entry.actor),
            entry.changes,
            entry.body,
            entry.data,
            labels,
        )
        for entry in entries
    ]


def _pointed_at(change: FieldChange) -> dict[str, set[int]]:
    type_ = change.field.type
    if not isinstance(type_, (t.Reference, t.References, t.File)):
        return {}
    target = "file" if isinstance(type_, t.File) else type_.entity
    found: set[int] = set()
    for value in (change.old, change.new):
        if isinstance(value, list):
            found.update(value)
        elif isinstance(value, int):
            found.add(value)
    return {target: found} if found else {}
