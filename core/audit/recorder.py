"""Writing the audit trail, in the transaction of what it records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import orjson

from core.audit.models import AuditEntry
from core.db.bulk import bulk_insert
from core.faults import fault
from core.fields import References

if TYPE_CHECKING:
    from core.entities.changes import Change
    from core.work.uow import UnitOfWork

__all__ = ["record_act", "record_changes"]

_AS_THEY_ARE = frozenset({str, int, bool})
#: The channel of the demonstration's story, which happened before it is told.
STORY = "demo"

#: (person, person behind them, moment).
_Who = tuple[int | None, int | None, datetime]

_table: Any = AuditEntry.__table__
_COLUMNS = (
    *("entity", "record_id", "action", "actor_id", "behind_id", "at"),
    *("channel", "address", "request_id", "changes"),
)


def record_changes(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    """One entry for each change that changed something."""
    if not changes or not changes[0].entity.audited:
        return
    told, is_story = [], uow.origin.channel == STORY and changes[0].kind == "create"
    who = _who(uow)
    for change in changes:
        differences = _differences(change)
        if differences or change.kind != "update":
            # As JSON at once: nested lists of thousands would keep the garbage collector busy.
            made = orjson.Fragment(orjson.dumps(differences, default=_plain))
            told.append((change.id, made, _maker(change) if is_story else who))
    _insert(uow, changes[0].entity.name, changes[0].kind, told)


def record_act(
    uow: UnitOfWork,
    action: str,
    *,
    entity: str | None = None,
    record_ids: Iterable[int | None] = (None,),
    details: Mapping[str, Any] | None = None,
) -> None:
    """An act that is no change of fields: a verb, a sign-in, an export, a switched plugin."""
    changes = {key: [None, _plain(value)] for key, value in (details or {}).items()}
    who = _who(uow)
    _insert(uow, entity, action, [(record_id, changes, who) for record_id in record_ids])


def _who(uow: UnitOfWork) -> _Who:
    """Who acts, who stands behind them, and when."""
    return uow.actor.user_id, uow.actor.behind, uow.now()


def _maker(change: Change) -> _Who:
    """Who made a record of the demonstration and when, as the record itself tells it."""
    return change.after["created_by"], None, change.after["created_at"]


def _insert(
    uow: UnitOfWork, entity: str | None, action: str, told: Sequence[tuple[int | None, Any, _Who]]
) -> None:
    """One entry for each ``(record id, changes, who)``."""
    if not told:
        return
    fault("audit.before_insert")
    origin = uow.origin
    way = (origin.channel, origin.address, origin.request_id)
    rows = [(entity, record_id, action, *who, *way, changes) for record_id, changes, who in told]
    bulk_insert(uow.connection, _table, _COLUMNS, rows)


def _differences(change: Change) -> dict[str, list[Any]]:
    """``{field: [old, new]}``, with days, moments and decimals as they are."""
    before, after, names = change.before, change.after, change.entity.audited_names
    found: dict[str, list[Any]]
    if not before:  # a creation, of which an import makes thousands
        found = {
            name: [None, new]
            for name, new in zip(names, _values(names)(after), strict=True)
            if new is not None
        }
    else:
        found = {
            name: [old, new]
            for name in names
            if (old := before.get(name)) != (new := after.get(name))
        }
    for name, value in change.detached.items():
        if not isinstance(change.entity[name].type, References):
            continue  # lines have entries of their own
        old, new = change.before.get(name), value or []
        if (old or []) != new:
            found[name] = [old, new]
    return found


@lru_cache(256)
def _values(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Any]:
    return itemgetter(*names) if len(names) > 1 else lambda after: [after[name] for name in names]


def _plain(value: Any) -> Any:
    if value is None or type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value
