"""The target list of a campaign: who is to be won by it, chosen by a filter or by hand, and how they answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import service
from core.entities.aggregate import aggregate
from core.entities.changes import Change
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, Problem
from core.fields import ActionSpec, FieldSpec, Reference
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["counted", "target_verb", "validate", "verbs_of"]

_CHUNK = 500
_OVER = ("finished", "cancelled")
#: The entities of other modules whose records are put on lists, and which module that is.
_OTHERS = {"customer": "crm_sales", "contact": "crm_sales"}


def target_verb(entity: str) -> ActionSpec:
    """``target(campaign)``: the chosen records, or all that a list finds, go on the list of a campaign."""
    return ActionSpec(
        "target",
        _l("Put on target list"),
        partial(_put, entity),
        params=(FieldSpec("campaign", Reference("campaign"), _l("Campaign"), required=True),),
    )


def verbs_of(entity: EntitySpec) -> list[ActionSpec]:
    """The verb, for entities of other modules."""
    return [target_verb(entity.name)] if _OTHERS.get(entity.name) == entity.plugin else []


def _put(
    entity: str, uow: UnitOfWork, records: Sequence[Mapping[str, Any]], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Those who are on the list already stay as they are. The campaign is locked: two who put the
    same ones on it at once put each on it once."""
    table = uow.snapshot.installed_entities["campaign"].table
    asked = select(table.c.status).where(table.c.id == params["campaign"]).with_for_update()
    if uow.execute(asked).scalar_one() in _OVER:
        message = _("This campaign is over.")
        raise Invalid(message, [Problem("campaign", "over", message)])
    ids = [record["id"] for record in records]
    there = _there(uow, params["campaign"], entity, ids)
    new = [key for key in ids if key not in there]
    rows = [
        {"campaign": params["campaign"], "related_entity": entity, "related_id": key} for key in new
    ]
    if rows:
        service.create(uow, "campaign_target", rows)
    return {"targets": new}


def _there(uow: UnitOfWork, campaign: int, entity: str, ids: Sequence[int]) -> dict[int, int]:
    """Which of the records are on the list already: by record the number of its row."""
    table = uow.snapshot.installed_entities["campaign_target"].table
    found: dict[int, int] = {}
    for start in range(0, len(ids), _CHUNK):
        mine = (
            table.c.campaign_id == campaign,
            table.c.related_entity == entity,
            table.c.related_id.in_(ids[start : start + _CHUNK]),
            table.c.archived_at.is_(None),
        )
        rows = uow.execute(select(table.c.related_id, table.c.id).where(*mine))
        found |= {row.related_id: row.id for row in rows}
    return found


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Nobody is on one list twice."""
    if changes[0].entity.name != "campaign_target" or uow.actor.is_system:
        return
    for change in changes:
        after = change.after
        named = ("campaign", "related_entity", "related_id")
        moved = change.kind == "restore" or any(change.changed(name) for name in named)
        if change.kind == "delete" or after["related_id"] is None or not moved:
            continue
        there = _there(uow, after["campaign"], after["related_entity"], [after["related_id"]])
        if there.get(after["related_id"], change.id) != change.id:
            message = _("This one is on the list already.")
            yield change.problem("related_id", "taken", message)


def counted(uow: UnitOfWork, campaigns: Sequence[int]) -> dict[str, int]:
    """How many of those that the reader may see are in which state; nothing for who sees no list."""
    mine = {"field": "campaign", "op": "in", "value": list(campaigns)}
    try:
        rows = aggregate(uow, "campaign_target", ["state"], ["count"], ListQuery(filter=mine))
    except (Forbidden, Invalid):
        return {}
    return {row["state"]["id"]: row["count"] for row in rows}
