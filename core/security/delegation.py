"""Standing in for somebody absent: what the deputy reaches, and the trace that it leaves.

From the first to the last day of an absence its deputy reaches, beside what their own roles reach,
the records that the absent person owns: for reading, changing and the verbs of the business, as far
as the roles of both grant the action by one of the ordinary scopes. Fields are open as the deputy's
own roles open them. Neither creating, deleting, importing and exporting nor any right beyond records
passes on, and whom the absent person stood in for themselves does not either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause

from core.security.actor import SCOPES, StandIn

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["deputy_clause", "note_deputy", "stood_in_for"]

#: Actions that do not pass on.
KEPT_BACK = frozenset({"create", "delete", "restore", "import", "export"})


def deputy_clause(
    uow: UnitOfWork, spec: EntitySpec, action: str, table: FromClause
) -> ColumnElement[bool] | None:
    """The rows that the actor reaches as a deputy today; None when there are none."""
    people = stood_in_for(uow, spec, action)
    return table.c.owner_id.in_(people) if people else None


def stood_in_for(uow: UnitOfWork, spec: EntitySpec, action: str) -> list[int]:
    """The absent people whose records the actor reaches today with the action."""
    if not uow.actor.stands_in or not spec.owned or action in KEPT_BACK:
        return []
    today = uow.clock.today()
    return [
        one.person
        for one in uow.actor.stands_in
        if one.starts_on <= today <= one.ends_on and _grants(one, spec, action)
    ]


def _grants(one: StandIn, spec: EntitySpec, action: str) -> bool:
    """True when the absent person reaches what they own: an administrator does, without more."""
    if spec.plugin in one.closed:
        return False
    scopes = (s for role in one.roles for s in role.scopes(spec.governed_by, action))
    ordinary = any(isinstance(scope, str) and scope in SCOPES for scope in scopes)
    return ordinary or any(role.is_admin for role in one.roles)


def note_deputy(
    uow: UnitOfWork, spec: EntitySpec, action: str, rows: Mapping[int, Mapping[str, Any]]
) -> None:
    """Name the absent owner in the audit trail beside the deputy who acts on ``rows``, by id."""
    from core.audit.recorder import record_act

    if uow.actor.is_system:
        return
    people = stood_in_for(uow, spec, action)
    for person in people:
        ids: Sequence[int] = [key for key, row in rows.items() if row.get("owner") == person]
        if ids:
            record_act(uow, "stand_in", entity=spec.name, record_ids=ids, details={"for": person})
