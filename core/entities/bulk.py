"""One act on many records, which can be taken back (`core.entities.bulk_undo`): what they were before is kept.

An act is JSON, so that a job can carry it: ``{"kind": "update", "values": {field: value}}``,
``{"kind": "tags", "field": …, "add": […], "remove": […]}``, ``{"kind": "delete"}``, or
``{"kind": "act", "name": verb, "params": {…}}``, which can be undone where the verb says so. What writes values of
its own into each record does so itself and is noted as ``{"kind": "cells"}``. Every record goes
through the one door; what is refused stays as it is and is told with the reason, the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ForeignKey, Integer, Row, Table, insert, select, update

from core.db.base import metadata
from core.db.bulk import one_of
from core.db.types import BigId, Json, PlainText, UtcDateTime
from core.entities import query, service
from core.entities.query import ListQuery
from core.entities.schema import to_json
from core.entities.scope import require
from core.errors import NotFound, Refusal
from core.fields import ActionSpec, EntitySpec
from core.fields import types as t
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "AT_ONCE",
    "Outcome",
    "act_along",
    "act_undoably",
    "attempt",
    "begin_bulk",
    "bulk_change_table",
    "bulk_table",
    "do_bulk",
    "find_bulk",
    "held_values",
    "note_bulk",
]

#: Records of one transaction; more than these are the work of a job.
AT_ONCE = 200
#: Set by the service itself, whatever a verb does.
_STAMPS = frozenset(
    {"id", "version", "created_at", "created_by", "updated_at", "updated_by", "archived_at"}
)
#: Reasons that are told one by one.
MOST_REASONS = 50
#: What a transaction remembers: the acts that went along with one.
_ALONG = "acts that went along"

bulk_table = Table(
    "core_bulk",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("user_id", BigId, ForeignKey("core_user.id", ondelete="CASCADE"), index=True),
    Column("entity", PlainText(63), nullable=False),
    Column("act", Json, nullable=False),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("undone_at", UtcDateTime),
    sqlite_autoincrement=True,
)
#: What each record was before, and the version that it had after.
bulk_change_table = Table(
    "core_bulk_change",
    metadata,
    Column("bulk_id", BigId, ForeignKey("core_bulk.id", ondelete="CASCADE"), primary_key=True),
    Column("record_id", BigId, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("old", Json, nullable=False),
)


@dataclass
class Outcome:
    """What became of some records: how many were changed, and why others stay."""

    done: int = 0
    kept: int = 0
    #: (record, why) of the first that stay.
    reasons: list[tuple[int, str]] = field(default_factory=list)
    #: As many reasons are kept.
    most: int = MOST_REASONS
    #: What is to be known beside, whatever became of each: see `tell_beside`.
    beside: list[str] = field(default_factory=list)

    def keep(self, record_id: int, why: str) -> None:
        """Note that a record stays as it is."""
        self.kept += 1
        if len(self.reasons) < self.most:
            self.reasons.append((record_id, why))

    def tell(self, texts: Iterable[str]) -> None:
        """Note what is to be known beside, each text once."""
        self.beside = list(dict.fromkeys([*self.beside, *texts]))


def begin_bulk(uow: UnitOfWork, spec: EntitySpec, act: Mapping[str, Any]) -> int:
    """Note the act; its number, under which it is done and undone. `Forbidden` without the right."""
    require(uow, spec, _action(act))
    values = {"user_id": uow.actor.user_id, "entity": spec.name, "act": act, "at": uow.now()}
    made = insert(bulk_table).values(values).returning(bulk_table.c.id)
    return int(uow.execute(made).scalar_one())


def do_bulk(uow: UnitOfWork, bulk_id: int, ids: Sequence[int]) -> Outcome:
    """Do the act on these records, as far as the actor may; part of ``uow``."""
    row = find_bulk(uow, bulk_id)
    spec, act = uow.entity(row.entity), row.act
    outcome, action = Outcome(), _action(act)
    reached = set(
        query.select_ids(
            uow, spec.name, ListQuery(ids=tuple(ids)), action=action, limit=len(ids) or 1
        )
    )
    for key in ids:
        if key not in reached:
            outcome.keep(key, _("It is gone, or not yours to change."))
    going = [key for key in ids if key in reached]
    before = _before(uow, spec, act, going)

    along: list[int] = []

    def write(some: Sequence[int]) -> None:
        with _noting_along(uow) as found:
            _write(uow, spec, act, some, before)
        along.extend(found)

    written = attempt(uow, going, write, outcome)
    held = {key: before[key] for key in written if key in before}
    if held and act["kind"] == "act":
        held = _changed(uow, spec, held)
    if held:
        note_bulk(uow, bulk_id, spec, held)
        _note_along(uow, bulk_id, act, along)
    outcome.done += len(written)
    return outcome


def act_undoably(
    uow: UnitOfWork,
    spec: EntitySpec,
    verb: ActionSpec,
    ids: Sequence[int],
    params: Mapping[str, Any],
) -> int | None:
    """Use a verb as `service.act` does; the number under which it can be taken back, or None."""
    if not verb.undoable or len(ids) > AT_ONCE:
        service.act(uow, spec.name, verb.name, ids, params)
        return None
    act = {"kind": "act", "name": verb.name}
    key = begin_bulk(uow, spec, act)
    before = held_values(uow, spec, _own_fields(spec), ids)
    with _noting_along(uow) as along:
        service.act(uow, spec.name, verb.name, ids, params)
    if not (held := _changed(uow, spec, before)):
        return None
    note_bulk(uow, key, spec, held)
    _note_along(uow, key, act, along)
    return key


def act_along(uow: UnitOfWork, entity: str, action: str, ids: Sequence[int]) -> None:
    """For the handler of a verb: use another verb along with it. Both are taken back together, where
    both are `ActionSpec.undoable` and the first one can be."""
    noted, spec = uow.memo.get(_ALONG), uow.entity(entity)
    verb = service.actions_of(uow, spec).get(action)
    if noted is None or verb is None:
        service.act(uow, entity, action, ids)
    elif (key := act_undoably(uow, spec, verb, ids, {})) is not None:
        noted.append(key)


@contextmanager
def _noting_along(uow: UnitOfWork) -> Iterator[list[int]]:
    """Within the block `act_along` notes its acts; those of a block within are not among them."""
    outer, found = uow.memo.get(_ALONG), list[int]()
    uow.memo[_ALONG] = found
    try:
        yield found
    finally:
        uow.memo[_ALONG] = outer


def _note_along(
    uow: UnitOfWork, bulk_id: int, act: Mapping[str, Any], along: Sequence[int]
) -> None:
    if along:
        noted = {**act, "along": [*act.get("along", ()), *along]}
        uow.execute(update(bulk_table).where(bulk_table.c.id == bulk_id).values(act=noted))


def find_bulk(uow: UnitOfWork, bulk_id: int, *, lock: bool = False) -> Row[Any]:
    """One's own act; `NotFound` for what is somebody else's as for what does not exist.

    With ``lock`` nobody begins to take it back before ``uow`` ends.
    """
    found = select(bulk_table).where(bulk_table.c.id == bulk_id)
    found = found.with_for_update() if lock else found
    if not uow.actor.is_system:
        found = found.where(bulk_table.c.user_id == uow.actor.user_id)
    row = uow.execute(found).one_or_none()
    if row is None:
        raise NotFound(_("There is no such change to take back."))
    return row


def _action(act: Mapping[str, Any]) -> str:
    names = {"tags": "update", "cells": "update", "act": str(act.get("name", ""))}
    return names.get(act["kind"], str(act["kind"]))


def attempt(
    uow: UnitOfWork,
    ids: Sequence[int],
    write: Callable[[Sequence[int]], None],
    outcome: Outcome,
) -> list[int]:
    """Write all that can be; those that cannot, by halves, until it is clear which they are."""
    if not ids:
        return []
    try:
        with uow.savepoint():
            write(ids)
        return list(ids)
    except Refusal as refusal:
        if len(ids) == 1:
            texts = dict.fromkeys(problem.message for problem in refusal.problems)
            outcome.keep(ids[0], " ".join(texts) or refusal.message)
            return []
    middle = len(ids) // 2
    halves = (ids[:middle], ids[middle:])
    return [key for half in halves for key in attempt(uow, half, write, outcome)]


# What is written


def _write(
    uow: UnitOfWork,
    spec: EntitySpec,
    act: Mapping[str, Any],
    ids: Sequence[int],
    before: Mapping[int, Mapping[str, Any]],
) -> None:
    match act["kind"]:
        case "update":
            service.update(uow, spec.name, {key: act["values"] for key in ids})
        case "tags":
            service.update(uow, spec.name, {key: _tagged(act, before[key]) for key in ids})
        case "delete":
            service.delete(uow, spec.name, ids)
        case "act":
            service.act(uow, spec.name, act["name"], ids, act["params"])


def _tagged(act: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    name, away = act["field"], set(act["remove"])
    kept = [tag for tag in old[name] or [] if tag not in away]
    return {name: list(dict.fromkeys([*kept, *act["add"]]))}


def _before(
    uow: UnitOfWork, spec: EntitySpec, act: Mapping[str, Any], ids: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """The values of the act's fields: the rows are locked, so that they are what is written over."""
    names = {"update": list(act.get("values", ())), "tags": [act.get("field", "")]}
    if act["kind"] != "act":
        return held_values(uow, spec, names.get(act["kind"], []), ids)
    verb = service.actions_of(uow, spec).get(act["name"])
    if verb is None or not verb.undoable:
        return {}
    return held_values(uow, spec, _own_fields(spec), ids)


def _own_fields(spec: EntitySpec) -> list[str]:
    """What a verb may write of a record: what it says of itself, and what is worked out as it is written."""
    return [
        item.name
        for item in spec.stored
        if item.name not in _STAMPS and not isinstance(item.type, (t.Computed, t.AutoNumber))
    ]


def _changed(
    uow: UnitOfWork, spec: EntitySpec, before: Mapping[int, Mapping[str, Any]]
) -> dict[int, dict[str, Any]]:
    """What of it the records held ``before`` and do not hold now; those left out that are the same."""
    now = held_values(uow, spec, _own_fields(spec), list(before))
    found = {
        key: {name: value for name, value in before[key].items() if value != now[key][name]}
        for key in now
    }
    return {key: values for key, values in found.items() if values}


def held_values(
    uow: UnitOfWork, spec: EntitySpec, wanted: Sequence[str], ids: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """What the fields of the records hold, as JSON that can be written again; the rows are locked."""
    if "owner" in wanted and "department" in spec and "department" not in wanted:
        wanted = [*wanted, "department"]  # it follows the owner, and does not follow back
    if not wanted or not ids:
        return {key: {} for key in ids}
    key = spec.table.c.id
    mine = select(key).where(one_of(uow.connection, key, ids)).order_by(key)
    uow.execute(mine.with_for_update(of=spec.table)).all()
    with uow.elevated():
        asked = ListQuery(
            fields=tuple(wanted), ids=tuple(ids), sort="id", limit=len(ids), labels=False
        )
        items = query.page(uow, spec.name, asked).items
    return {
        item["id"]: {name: _plain(spec[name].type, item[name]) for name in wanted} for item in items
    }


def _plain(type_: t.FieldType, value: Any) -> Any:
    is_link = isinstance(type_, (t.Reference, t.References))
    return value if is_link else to_json(type_, value)


def note_bulk(
    uow: UnitOfWork, bulk_id: int, spec: EntitySpec, before: Mapping[int, Mapping[str, Any]]
) -> None:
    """Keep what the records held ``before`` they were written, so that it can be put back."""
    table = spec.table
    mine = one_of(uow.connection, table.c.id, list(before))
    rows = uow.execute(select(table.c.id, table.c.version).where(mine))
    changed = [
        {"bulk_id": bulk_id, "record_id": r.id, "version": r.version, "old": before[r.id]}
        for r in rows
    ]
    uow.execute(insert(bulk_change_table), changed)
