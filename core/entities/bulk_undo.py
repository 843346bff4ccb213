"""Taking an act on many records back, record by record, as far as nobody has changed them since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from core.db.bulk import one_of
from core.entities import service
from core.entities.bulk import (
    AT_ONCE,
    Outcome,
    attempt,
    bulk_change_table,
    bulk_table,
    find_bulk,
)
from core.entities.scope import require
from core.errors import Refused
from core.fields import EntitySpec
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "is_taking_back",
    "may_be_undone",
    "note_undone",
    "taking_back",
    "tell_beside",
    "undo_bulk",
]

#: What a transaction remembers: that an act is being taken back.
_TAKING_BACK = "an act is taken back"


def may_be_undone(uow: UnitOfWork, bulk_id: int) -> bool:
    """True while an act on many has something to put back, and nobody has."""
    row, c = find_bulk(uow, bulk_id), bulk_change_table.c
    some = select(c.record_id).where(c.bulk_id == bulk_id).limit(1)
    return row.undone_at is None and uow.execute(some).first() is not None


def note_undone(uow: UnitOfWork, bulk_id: int) -> None:
    """Note that one's own act is taken back. `Refused` when it was before."""
    find_bulk(uow, bulk_id)
    once = update(bulk_table).where(bulk_table.c.id == bulk_id, bulk_table.c.undone_at.is_(None))
    if uow.execute(once.values(undone_at=uow.now())).rowcount != 1:
        raise Refused(_("This was taken back already."))


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
            note_undone(uow, bulk_id)
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
