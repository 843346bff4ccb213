"""Writing the audit trail, in the transaction of what it records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from core.audit.models import AuditEntry
from core.faults import fault
from core.fields import References

if TYPE_CHECKING:
    from core.entities.changes import Change
    from core.work.uow import UnitOfWork

__all__ = ["record_act", "record_changes"]


def record_changes(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    """One entry for each change that changed something."""
    rows = []
    for change in changes:
        if not change.entity.audited:
            continue
        differences = _differences(change)
        if differences or change.kind != "update":
            rows.append(_row(uow, change.entity.name, change.id, change.kind, differences))
    _insert(uow, rows)


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
    _insert(uow, [_row(uow, entity, record_id, action, changes) for record_id in record_ids])


def _insert(uow: UnitOfWork, rows: list[dict[str, Any]]) -> None:
    if rows:
        fault("audit.before_insert")
        uow.execute(insert(AuditEntry.__table__), rows)  # type: ignore[arg-type]


def _row(
    uow: UnitOfWork,
    entity: str | None,
    record_id: int | None,
    action: str,
    changes: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "entity": entity,
        "record_id": record_id,
        "action": action,
        "actor_id": uow.actor.user_id,
        "behind_id": uow.actor.behind,
        "at": uow.now(),
        "channel": uow.origin.channel,
        "address": uow.origin.address,
        "request_id": uow.origin.request_id,
        "changes": changes,
    }


def _differences(change: Change) -> dict[str, list[Any]]:
    before, after, names = change.before, change.after, change.entity.audited_names
    found: dict[str, list[Any]]
    if not before:  # a creation, of which an import makes thousands
        found = {n: [None, _plain(new)] for n in names if (new := after.get(n)) is not None}
    else:
        found = {
            name: [_plain(old), _plain(new)]
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


def _plain(value: Any) -> Any:
    if value is None or type(value) is str:
        return value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value
