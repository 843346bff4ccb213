"""One act on many records, which can be taken back: what they were before is kept for some days.

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
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ForeignKey, Integer, Row, Table, delete, insert, select, update

from core.db.base import metadata
from core.db.bulk import one_of
from core.db.types import BigId, Json, PlainText, UtcDateTime
from core.entities import query, service
from core.entities.query import ListQuery
from core.entities.schema import to_json
from core.entities.scope import require
from core.errors import NotFound, Refusal, Refused
from core.fields import ActionSpec, EntitySpec
from core.fields import types as t
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job, Schedule
from core.settings.gone import forget_gone
from core.work.tables import job_table

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = [
    "AT_ONCE",
    "BULK",
    "BULK_CLEANED",
    "CLEAN_BULK",
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
    "is_taking_back",
    "may_be_undone",
    "note_bulk",
    "start_bulk",
    "start_undo",
    "taking_back",
    "tell_beside",
    "undo_bulk",
]

#: Records of one transaction; more than these are the work of a job.
AT_ONCE = 200
#: Set by the service itself, whatever a verb does.
_STAMPS = frozenset(
    {"id", "version", "created_at", "created_by", "updated_at", "updated_by", "archived_at"}
)
#: Reasons that are told one by one.
MOST_REASONS = 50
#: For how long what records were before is kept.
KEPT = timedelta(days=7)
#: What a transaction remembers: the acts that went along with one, and that one is being taken back.
_ALONG, _TAKING_BACK = "acts that went along", "an act is taken back"

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


def start_bulk(uow: UnitOfWork, spec: EntitySpec, act: Mapping[str, Any], wanted: ListQuery) -> int:
    """Queue the act on all records that the query finds; the number of its job."""
    key = begin_bulk(uow, spec, act)
    asked = {"filter": wanted.filter, "search": wanted.search, "ids": wanted.ids}
    arguments = {"bulk_id": key, "entity": spec.name, "asked": asked}
    title = _("%(entity)s: several at once", entity=str(spec.label_plural))
    job = uow.enqueue(BULK.name, arguments, title=title)
    assert job is not None
    return job


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


def may_be_undone(uow: UnitOfWork, bulk_id: int) -> bool:
    """True while an act on many has something to put back, and nobody has."""
    row, c = find_bulk(uow, bulk_id), bulk_change_table.c
    some = select(c.record_id).where(c.bulk_id == bulk_id).limit(1)
    return row.undone_at is None and uow.execute(some).first() is not None


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


# Taking it back


def start_undo(uow: UnitOfWork, bulk_id: int) -> int | None:
    """Note that the act is taken back: the number of the job that does so, or None when there are so
    few records that `undo_bulk` may do it at once. `Refused` when it was done before."""
    row = find_bulk(uow, bulk_id)
    once = update(bulk_table).where(bulk_table.c.id == bulk_id, bulk_table.c.undone_at.is_(None))
    if uow.execute(once.values(undone_at=uow.now())).rowcount != 1:
        raise Refused(_("This was taken back already."))
    c = bulk_change_table.c
    some = select(c.record_id).where(c.bulk_id == bulk_id).limit(AT_ONCE + 1)
    if len(uow.execute(some).all()) <= AT_ONCE:
        return None
    arguments = {"bulk_id": bulk_id, "entity": row.entity, "asked": None}
    return uow.enqueue(BULK.name, arguments, title=_("Taking back what was done to several"))


def undo_bulk(uow: UnitOfWork, bulk_id: int, after: int = 0) -> tuple[Outcome, int | None]:
    """Take the act back on the next records ``after`` one; (what became of them, the last of them or
    None at the end). What was changed since stays as it is."""
    row = find_bulk(uow, bulk_id)
    spec, act, c = uow.entity(row.entity), row.act, bulk_change_table.c
    asked = select(bulk_change_table).where(c.bulk_id == bulk_id, c.record_id > after)
    changes = uow.execute(asked.order_by(c.record_id).limit(AT_ONCE)).all()
    outcome = Outcome()
    if not changes:
        return outcome, None
    if act["kind"] == "act":
        require(uow, spec, act["name"])
    table = spec.table
    mine = one_of(uow.connection, table.c.id, [change.record_id for change in changes])
    versions = select(table.c.id, table.c.version).where(mine).order_by(table.c.id)
    rows = uow.execute(versions.with_for_update(of=table))
    now = {each.id: each.version for each in rows}
    old = {}
    for change in changes:
        if now.get(change.record_id) == change.version:
            old[change.record_id] = change.old
        else:
            outcome.keep(change.record_id, _("It was changed since."))

    def write(some: Sequence[int]) -> None:
        if act["kind"] == "delete":
            service.restore(uow, spec.name, some)
        elif act["kind"] == "act":
            with uow.elevated():  # who used the verb takes it back, with the rights of its rule
                service.update(uow, spec.name, {key: old[key] for key in some})
        else:
            _put_back(uow, spec, {key: old[key] for key in some})

    with taking_back(uow) as told:
        done = set(attempt(uow, list(old), write, outcome))
    outcome.done = len(done)
    outcome.tell(text for text, ids in told.items() if ids & done)
    last = changes[-1].record_id
    if outcome.done and not outcome.kept and len(changes) < AT_ONCE:
        for key in act.get("along", ()):
            _undo_along(uow, key, last, outcome)
    return outcome, last


def _undo_along(uow: UnitOfWork, bulk_id: int, record_id: int, outcome: Outcome) -> None:
    """Take back what went along with an act that was taken back whole; ``record_id`` is told of what
    stays all the same."""
    with uow.elevated():
        try:
            start_undo(uow, bulk_id)
        except Refused:  # by itself, before
            return
        along, _last = undo_bulk(uow, bulk_id)
    outcome.tell(along.beside)
    for _key, why in along.reasons:
        outcome.keep(record_id, _("What came along stays: %(why)s", why=why))


@contextmanager
def taking_back(uow: UnitOfWork) -> Iterator[dict[str, set[int]]]:
    """Within the block `is_taking_back`: what is written takes back what was done before. It gives what
    hooks then `tell_beside`, and of which records."""
    outer, told = uow.memo.get(_TAKING_BACK), dict[str, set[int]]()
    uow.memo[_TAKING_BACK] = told
    try:
        yield told
    finally:
        uow.memo[_TAKING_BACK] = outer


def is_taking_back(uow: UnitOfWork) -> bool:
    """True for hooks on changes by which an act is taken back: what they kept of it did not happen."""
    return uow.memo.get(_TAKING_BACK) is not None


def tell_beside(uow: UnitOfWork, record_id: int, text: str) -> None:
    """For a hook while `is_taking_back`: what stays of the act all the same. Whoever takes it back is
    told so, if the record is put back."""
    uow.memo[_TAKING_BACK].setdefault(text, set()).add(record_id)


def _put_back(uow: UnitOfWork, spec: EntitySpec, old: Mapping[int, Mapping[str, Any]]) -> None:
    departments = {
        key: values["department"]
        for key, values in old.items()
        if "owner" in values and "department" in values
    }
    given = {
        key: {
            name: value
            for name, value in values.items()
            if key not in departments or name != "department"
        }
        for key, values in old.items()
    }
    service.update(uow, spec.name, given)
    if departments:
        with uow.elevated():
            service.update(uow, spec.name, {k: {"department": v} for k, v in departments.items()})


# The job


def _run(
    context: JobContext, *, bulk_id: int, entity: str, asked: Mapping[str, Any] | None
) -> None:
    """The handler of ``core.bulk``: a handful a transaction, each with the place it ended at, so that
    nothing is done twice by whoever takes the job over. Without ``asked`` the act is taken back."""
    with context.unit_of_work(write=False) as uow:
        job = uow.execute(select(job_table).where(job_table.c.id == context.job_id)).one()
        total = job.total
        if total is None and asked is not None:
            total = query.count(uow, entity, _query(asked))
        if total is None:
            c = bulk_change_table.c
            total = len(uow.execute(select(c.record_id).where(c.bulk_id == bulk_id)).all())
    partial = {"done": 0, "kept": 0, "reasons": [], "beside": [], "last": 0, **(job.result or {})}
    passed = job.done
    while True:
        with context.unit_of_work() as uow:
            if asked is None:
                outcome, last = undo_bulk(uow, bulk_id, partial["last"])
                ids = [] if last is None else [last]
            else:
                is_undone = find_bulk(uow, bulk_id, lock=True).undone_at is not None
                ids = [] if is_undone else _next_ids(uow, entity, asked, partial["last"])
                outcome = do_bulk(uow, bulk_id, ids) if ids else Outcome()
            if not ids:
                result = {name: partial[name] for name in ("done", "kept", "reasons", "beside")}
                context.finish(uow, {**result, "bulk": bulk_id, "undo": asked is None})
                return
            partial["done"] += outcome.done
            partial["kept"] += outcome.kept
            partial["reasons"] = [*partial["reasons"], *outcome.reasons][:MOST_REASONS]
            partial["beside"] = list(dict.fromkeys([*partial["beside"], *outcome.beside]))
            partial["last"] = ids[-1]
            passed += outcome.done + outcome.kept
            context.advance(uow, passed, max(total, passed), partial=dict(partial))


def _query(asked: Mapping[str, Any]) -> ListQuery:
    ids = asked.get("ids")
    return ListQuery(
        filter=asked.get("filter"),
        search=asked.get("search") or "",
        ids=None if ids is None else tuple(ids),
    )


def _next_ids(uow: UnitOfWork, entity: str, asked: Mapping[str, Any], last: int) -> list[int]:
    """The next records by number, those included that may be seen but not changed: they are told
    of."""
    wanted = _query(asked)
    further = {"field": "id", "op": "gt", "value": last}
    both = {"all": [wanted.filter, further]} if wanted.filter else further
    query_ = ListQuery(filter=both, search=wanted.search, ids=wanted.ids, sort="id")
    return query.select_ids(uow, entity, query_, action="read", limit=AT_ONCE)


def _clean(context: JobContext) -> dict[str, int]:
    with context.unit_of_work() as uow:
        forget_gone(uow)
        old = delete(bulk_table).where(bulk_table.c.at < uow.now() - KEPT)
        return {"dropped": uow.execute(old).rowcount}


BULK = Job("core.bulk", _run, title=_l("Several records at once"))
CLEAN_BULK = Job("core.clean_bulk", _clean, title=_l("Forget what can no longer be taken back"))
BULK_CLEANED = Schedule("bulk_cleaned", CLEAN_BULK.name, daily_at="03:40")
