"""Whose follow-ups and tasks a reader may look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.entities import query
from core.entities.query import ListQuery
from core.errors import Invalid

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["people_in_reach"]

_MOST = 200


def people_in_reach(
    uow: UnitOfWork, entity: str, department: int | None = None
) -> list[tuple[int, str]]:
    """(id, name) of the active people whose records of ``entity`` the reader's roles reach.

    Only for choosing among them: what is shown of anybody is asked for with the reader's rights.
    """
    access = uow.actor.access(uow.entity(entity))
    scopes = access.scopes.get("read", ())
    parts: list[Any] = [{"field": "is_active", "op": "eq", "value": True}]
    if access.is_unlimited("read"):
        pass
    elif "department_below" in scopes or "department" in scopes:
        within = uow.actor.departments_below
        if "department_below" not in scopes:
            within = uow.actor.departments
        parts.append({"field": "department", "op": "in", "value": list(within)})
    elif "subordinates" in scopes:
        parts.append({"field": "department", "op": "in", "value": list(uow.actor.headed)})
    else:
        return [(uow.actor.user_id, uow.actor.name)] if uow.actor.user_id else []
    if department is not None:
        parts.append({"field": "department", "op": "under", "value": department})
    asked = ListQuery(fields=("name",), filter={"all": parts}, sort="name", limit=_MOST)
    try:
        found = query.page(uow, "user", asked).items
    except Invalid:  # a field of the directory that a role hides
        return [(uow.actor.user_id, uow.actor.name)] if uow.actor.user_id else []
    return [(row["id"], str(row["name"])) for row in found]
