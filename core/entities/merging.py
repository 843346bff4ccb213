"""Several records become one, and one can become several again.

Whatever names one of the others names the one that stays: references of every module, those that are
off included, in the bin or not; lines; what is about the record; with whom it is shared; and by
``records_merged`` what a plugin keeps in tables of its own. The others go into the recycle bin. What was where is kept, so that
it can be taken back, but for what somebody changed since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Row,
    Table,
    delete,
    insert,
    select,
    update,
)

from core.audit.recorder import record_act
from core.db.base import metadata
from core.db.bulk import one_of
from core.db.types import BigId, Json, PlainText, UtcDateTime
from core.entities import service
from core.entities.form_fields import SYSTEM_FIELDS, editable_fields
from core.entities.repointing import Moves, Rows, naming, relinked, rewrite
from core.entities.resharing import share_along, take_shares_back
from core.entities.schema import to_json
from core.entities.scope import require
from core.entities.writing import load, load_links
from core.errors import Invalid, NotFound, Problem, Refused
from core.fields import ActionSpec, EntitySpec, FieldSpec
from core.fields import types as t
from core.fields.types import Label
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job, Schedule
from core.security.directory import load_actor
from core.work import events

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = [
    "CLEAN_MERGES",
    "MERGES_CLEANED",
    "MOST",
    "Split",
    "merge_table",
    "merge_verb",
    "mergeable_fields",
    "merges_of",
]

#: As many records become one at a time.
MOST = 10
#: For how long a merge can be taken back.
KEPT = timedelta(days=30)

merge_table = Table(
    "core_merge",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("user_id", BigId, ForeignKey("core_user.id", ondelete="SET NULL"), index=True),
    Column("entity", PlainText(63), nullable=False),
    Column("record_id", BigId, nullable=False),
    #: The others, in the order in which they were named.
    Column("merged", Json, nullable=False),
    #: What was where: ``references`` and ``links`` as in `Moves`, ``values`` of the record that stays
    #: as ``{field: [before, after]}``, ``freed`` of the others, ``shares``, and what ``plugins`` noted.
    Column("memo", Json, nullable=False),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("undone_at", UtcDateTime),
    Index("ix_core_merge_entity_record_id", "entity", "record_id"),
    sqlite_autoincrement=True,
)


def merge_verb(entity: str, label: Label) -> ActionSpec:
    """The verb ``merge`` for an entity, used on the record that stays.

    ``others`` are the records that become part of it; their user must reach them with the verb, too.
    Empty fields are filled from them, in their order; ``take`` names values that are taken from one
    of them all the same: ``level:12 phone:13``. It answers ``{"merge": number, "moved": n}``. With
    that number as ``undo`` it is taken back: ``{"ids": […], "moved": n, "kept": n}``.
    """
    params = (
        FieldSpec("others", t.References(entity), _l("Records that become part of it")),
        FieldSpec("take", t.Text(4000), _l("Values to take")),
        FieldSpec("undo", t.Integer(minimum=1), _l("Merge to take back")),
    )
    return ActionSpec(
        "merge",
        label,
        partial(_merge, entity=entity),
        params=params,
        joins="others",
        untold=("take", "undo"),
        page="web.merge_records",
    )


def mergeable_fields(spec: EntitySpec) -> list[FieldSpec]:
    """The fields whose values are chosen between: those that people fill in, but for the owner."""
    return [
        item
        for item in spec
        if item.is_writable
        and item.name not in SYSTEM_FIELDS
        and not (spec.owned and item.name in ("owner", "department"))
        and not isinstance(item.type, (t.Lines, t.File, t.Related))
    ]


def merges_of(uow: UnitOfWork, entity: str, record_id: int) -> Sequence[Row[Any]]:
    """What became part of a record and can be taken back, the latest first.

    Raises `NotFound` and `Forbidden` for a record that the actor may not merge.
    """
    spec = uow.entity(entity)
    require(uow, spec, "merge")
    load(uow, spec, [record_id], "merge", lock=False)
    c = merge_table.c
    mine = (c.entity == entity) & (c.record_id == record_id) & c.undone_at.is_(None)
    young = c.at > uow.now() - KEPT
    return uow.execute(select(merge_table).where(mine, young).order_by(c.id.desc())).all()


# Becoming one


def _merge(
    uow: UnitOfWork,
    records: Sequence[Mapping[str, Any]],
    params: Mapping[str, Any],
    *,
    entity: str,
) -> dict[str, Any]:
    spec, kept, others = uow.entity(entity), records[0], records[1:]
    if params["undo"] is not None:
        return asdict(_split(uow, spec, kept, params["undo"]))
    keep, gone = int(kept["id"]), [int(each["id"]) for each in others]
    if not 0 < len(gone) < MOST or keep in gone:
        message = (
            _("A record does not become part of itself.")
            if keep in gone
            else _("Choose one to %(n)s other records.", n=MOST - 1)
        )
        raise Invalid(message, [Problem("others", "merge", message)])
    taken = _taken(uow, spec, params["take"] or "", gone)
    values, freed = _survivors(uow, spec, kept, others, taken)
    moves = Moves()
    for other, rows in naming(uow, spec, keep, gone, moves).items():
        rewrite(uow, other, rows)
    if freed:
        service.update(uow, entity, {key: dict.fromkeys(names) for key, names in freed.items()})
    service.delete(uow, entity, gone)
    values |= dict.fromkeys(_circular(uow, spec, keep, {**kept, **values}))
    if values:
        service.update(uow, entity, {keep: values})
    by_id = {each["id"]: each for each in others}
    memo: dict[str, Any] = {
        "references": moves.references,
        "links": moves.links,
        "values": {
            name: [_plain(spec[name], kept[name]), _plain(spec[name], value)]
            for name, value in values.items()
        },
        "freed": {
            str(key): {name: _plain(spec[name], by_id[key][name]) for name in names}
            for key, names in freed.items()
        },
        "shares": share_along(uow, entity, keep, gone),
        "plugins": {},
    }
    plugins, enabled = uow.runtime.plugins, uow.snapshot.enabled
    plugins.call_in_transaction(
        "records_merged",
        enabled,
        entity=spec,
        kept=keep,
        merged=gone,
        memo=memo["plugins"],
        uow=uow,
    )
    row = {"user_id": uow.actor.user_id, "entity": entity, "record_id": keep, "merged": gone}
    made = insert(merge_table).values(**row, memo=memo, at=uow.now()).returning(merge_table.c.id)
    number = int(uow.execute(made).scalar_one())
    record_act(uow, "merge", entity=entity, record_ids=gone, details={"into": keep})
    uow.publish(events.RecordsMerged(entity, keep, tuple(gone)))
    return {"merge": number, "moved": moves.count}


def _taken(uow: UnitOfWork, spec: EntitySpec, text: str, gone: Sequence[int]) -> dict[str, int]:
    """``{field: record}`` of what is written as ``level:12 phone:13``. Raises `Invalid`."""
    reader = load_actor(uow, uow.actor.user_id) if uow.actor.user_id is not None else None
    with uow.seen_by(reader or uow.actor):
        own = {item.name for item in editable_fields(uow, spec)}
    usual = {item.name for item in mergeable_fields(spec)} & own
    found = {}
    for part in text.split():
        name, _colon, key = part.partition(":")
        is_number = key.isdecimal() and len(key) < 18
        if name not in usual or not is_number or int(key) not in gone:
            message = _("%(part)s: no field and record to take a value from.", part=part[:80])
            raise Invalid(message, [Problem("take", "merge", message)])
        found[name] = int(key)
    return found


def _survivors(
    uow: UnitOfWork,
    spec: EntitySpec,
    kept: Mapping[str, Any],
    others: Sequence[Mapping[str, Any]],
    taken: Mapping[str, int],
) -> tuple[dict[str, Any], dict[int, list[str]]]:
    """The values that the record gets, and the unique ones that others give up for it."""
    values: dict[str, Any] = {}
    freed: dict[int, list[str]] = {}
    for item in mergeable_fields(spec):
        if isinstance(item.type, t.References):
            continue
        source = next((each for each in others if each["id"] == taken.get(item.name)), None)
        new: Any = kept[item.name]
        if isinstance(item.type, t.Tags) and source is None:
            sets = [each[item.name] or [] for each in (kept, *others)]
            new = list(dict.fromkeys(tag for tags in sets for tag in tags)) or new
        elif source is not None:
            new = source[item.name]
        elif _is_empty(new):
            source = next((each for each in others if not _is_empty(each[item.name])), None)
            new = new if source is None else source[item.name]
        if source is not None and _other_currency(item, kept, source):
            continue
        if new != kept[item.name]:
            values[item.name] = new
            if item.unique and source is not None and new is not None:
                freed.setdefault(source["id"], []).append(item.name)
    return values, freed


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value == []


def _other_currency(item: FieldSpec, kept: Mapping[str, Any], source: Mapping[str, Any]) -> bool:
    """True for an amount that would get another currency on its way."""
    name = item.type.currency_field if isinstance(item.type, t.Money) else None
    return name is not None and kept.get(name) != source.get(name)


def _circular(
    uow: UnitOfWork, spec: EntitySpec, keep: int, values: Mapping[str, Any]
) -> Iterator[str]:
    """Fields by which the record would be above itself, now that it is what it was below."""
    for item in spec.stored:
        if not isinstance(item.type, t.Reference) or item.type.entity != spec.name:
            continue
        seen, above = {keep}, values[item.name]
        column = spec.column(item.name)
        while above is not None and above not in seen:
            seen.add(above)
            above = uow.execute(select(column).where(spec.table.c.id == above)).scalar()
        if above == keep and values[item.name] is not None:
            yield item.name


def _plain(item: FieldSpec, value: Any) -> Any:
    return value if isinstance(item.type, t.Reference) else to_json(item.type, value)


# Becoming several again


@dataclass
class Split:
    """What was taken back: the records that are there again, and how many name the other still,
    as somebody changed them since."""

    ids: list[int]
    moved: int = 0
    kept: int = 0


def _split(uow: UnitOfWork, spec: EntitySpec, kept: Mapping[str, Any], number: int) -> Split:
    """Take a merge back. What was changed since stays as it is.

    Raises `NotFound` for the merge of another record, and `Refused` when it was taken back before,
    or one of the records is gone for good.
    """
    c = merge_table.c
    mine = (c.id == number) & (c.entity == spec.name) & (c.record_id == kept["id"])
    row = uow.execute(select(merge_table).where(mine).with_for_update()).one_or_none()
    if row is None or row.at <= uow.now() - KEPT:
        raise NotFound(_("There is no such change to take back."))
    if row.undone_at is not None:
        raise Refused(_("This was taken back already."))
    if len(_in_bin(uow, spec, row.merged)) < len(row.merged):
        raise Refused(_("One of the records is no longer in the recycle bin."))
    done = Split(list(row.merged))
    values = _former_values(spec, kept, row.memo["values"])
    references = {name for name in values if isinstance(spec[name].type, t.Reference)}
    # What two records may not both hold goes back before the others are there again; what may name
    # one of them, or stand below it, afterwards.
    _put_back(uow, spec, kept, {n: v for n, v in values.items() if n not in references})
    service.restore(uow, spec.name, row.merged)
    for name, rows in _as_they_were(uow, row, done).items():
        rewrite(uow, name, rows)
    _put_back(uow, spec, kept, {n: v for n, v in values.items() if n in references})
    if shares := row.memo.get("shares"):  # merges of earlier versions have none
        take_shares_back(uow, shares)
    if freed := {int(key): values for key, values in row.memo["freed"].items()}:
        service.update(uow, spec.name, freed)
    plugins, enabled = uow.runtime.plugins, uow.snapshot.enabled
    plugins.call_in_transaction(
        "records_split",
        enabled,
        entity=spec,
        kept=row.record_id,
        merged=list(row.merged),
        memo=row.memo["plugins"],
        uow=uow,
    )
    uow.execute(update(merge_table).where(c.id == number).values(undone_at=uow.now()))
    record_act(uow, "split", entity=spec.name, record_ids=row.merged, details={"of": kept["id"]})
    uow.publish(events.RecordsSplit(spec.name, row.record_id, tuple(row.merged)))
    return done


def _in_bin(uow: UnitOfWork, spec: EntitySpec, ids: Sequence[int]) -> Sequence[int]:
    """Those of the records that are in the bin."""
    table = spec.table
    mine = one_of(uow.connection, table.c.id, ids)
    found = select(table.c.id).where(mine, table.c.archived_at.is_not(None))
    return uow.execute(found).scalars().all()


def _former_values(
    spec: EntitySpec, kept: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """The values of the record before the merge, of fields that nobody has changed since."""
    return {
        name: before
        for name, (before, after) in values.items()
        if name in spec and _plain(spec[name], kept[name]) == after
    }


def _put_back(
    uow: UnitOfWork, spec: EntitySpec, kept: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    if values:
        service.update(uow, spec.name, {kept["id"]: values})


def _as_they_were(uow: UnitOfWork, row: Row[Any], done: Split) -> dict[str, Rows]:
    """What named one of the records and has not been changed in this since."""
    rows: dict[str, Rows] = {}
    keep, gone = row.record_id, row.merged
    for entity, fields in row.memo["references"].items():
        spec = uow.snapshot.installed_entities.get(entity)
        for name, others in fields.items():
            ids = [key for keys in others.values() for key in keys]
            if spec is None or name not in spec:
                done.kept += len(ids)
                continue
            column = spec.column(name)
            held = select(spec.table.c.id, column.label("now")).where(
                one_of(uow.connection, spec.table.c.id, ids)
            )
            now = {each.id: each.now for each in uow.execute(held)}
            for other, keys in others.items():
                for key in keys:
                    itself = entity == row.entity and key == keep
                    if key in now and now[key] == (None if itself else keep):
                        rows.setdefault(entity, {}).setdefault(key, ({}, {}))[0][name] = int(other)
                    else:
                        done.kept += 1
    for entity, fields in row.memo["links"].items():
        spec = uow.snapshot.installed_entities.get(entity)
        for name, was in fields.items():
            if spec is None or name not in spec:
                done.kept += len(was)
                continue
            now_linked = load_links(uow, spec, spec[name], [int(key) for key in was])
            for key, targets in was.items():
                but = int(key) if entity == row.entity else None
                if now_linked.get(int(key), []) == relinked(targets, keep, gone, but):
                    links = rows.setdefault(entity, {}).setdefault(int(key), ({}, {}))[1]
                    links[name] = targets
                else:
                    done.kept += 1
    done.moved = sum(len(each) for each in rows.values())
    return rows


# Forgetting


def _clean(context: JobContext) -> dict[str, int]:
    with context.unit_of_work() as uow:
        old = delete(merge_table).where(merge_table.c.at < uow.now() - KEPT)
        return {"dropped": uow.execute(old).rowcount}


CLEAN_MERGES = Job("core.clean_merges", _clean, title=_l("Forget merges that are final"))
MERGES_CLEANED = Schedule("merges_cleaned", CLEAN_MERGES.name, daily_at="03:45")
