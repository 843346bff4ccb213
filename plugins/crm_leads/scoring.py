"""The score of a lead: the points of the rules that it meets, each of which is a reason."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import query, service
from core.entities.changes import Change
from core.entities.conditions import parse_condition
from core.entities.conditions_python import Predicate, condition_predicate
from core.entities.query import ListQuery
from core.errors import Invalid
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job
from plugins.crm_leads.criteria import condition

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["RESCORE", "ScoreRule", "keep_score", "reasons", "rescore_later", "score_rules"]

log = logging.getLogger("dougong.crm_leads")
_AT_ONCE = 500


@dataclass(frozen=True)
class ScoreRule:
    """One active rule: so many points for who meets the test of ``field``."""

    name: str
    field: str
    points: int
    is_met: Predicate


def score_rules(uow: UnitOfWork) -> tuple[ScoreRule, ...]:
    """The active rules, those with most points first."""
    kept = uow.access.memo if uow.sees_what_holds else uow.memo
    if "score rules" not in kept:
        table = uow.snapshot.installed_entities["score_rule"].table
        asked = select(table).where(table.c.is_active, table.c.archived_at.is_(None))
        rows = uow.execute(asked.order_by(table.c.points.desc(), table.c.id)).mappings()
        kept["score rules"] = tuple(rule for row in rows if (rule := _rule(uow, row)) is not None)
    found: tuple[ScoreRule, ...] = kept["score rules"]
    return found


def _rule(uow: UnitOfWork, row: Mapping[str, Any]) -> ScoreRule | None:
    try:
        with uow.elevated():  # it looks at what the one who enters a lead may not see
            lead = uow.entity("lead")
            node = parse_condition(condition(lead, [row]), lead, uow)
    except Invalid:
        log.warning("a score rule no longer fits leads, and is left out")
        return None
    return ScoreRule(row["name"], row["field_name"], row["points"], condition_predicate(node))


def reasons(uow: UnitOfWork, lead: Mapping[str, Any]) -> list[ScoreRule]:
    """The rules that a lead with these values meets."""
    return [rule for rule in score_rules(uow) if rule.is_met(lead)]


def keep_score(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Leads that are about to be written get the score of what they will hold."""
    rules = score_rules(uow)
    if not rules:
        return
    looked_at = {rule.field for rule in rules}
    for change in changes:
        if change.kind == "create" or any(change.changed(name) for name in looked_at):
            change.set("score", _score(uow, change.after))


def _score(uow: UnitOfWork, lead: Mapping[str, Any]) -> int | None:
    if not score_rules(uow):
        return None
    return sum(rule.points for rule in reasons(uow, lead))


def rescore_later(uow: UnitOfWork) -> None:
    """The rules have changed: all leads are looked at again, after the commit."""
    uow.enqueue(RESCORE.name, {})


def _rescore(context: JobContext) -> dict[str, int]:
    last = changed = seen = 0
    while True:
        with context.unit_of_work() as uow, uow.elevated():
            lead = uow.entity("lead").table
            asked = select(lead.c.id).where(lead.c.id > last, lead.c.archived_at.is_(None))
            asked = asked.order_by(lead.c.id).limit(_AT_ONCE).with_for_update()
            ids = list(uow.execute(asked).scalars())
            looked_at = sorted({rule.field for rule in score_rules(uow)})
            wanted = ListQuery(
                fields=(*looked_at, "score"), ids=tuple(ids), sort="id", limit=_AT_ONCE
            )
            rows = query.page(uow, "lead", wanted).items if ids else []
            scores = {row["id"]: _score(uow, row) for row in rows}
            values = {
                row["id"]: {"score": scores[row["id"]]}
                for row in rows
                if row["score"] != scores[row["id"]]
            }
            if values:
                service.update(uow, "lead", values)
        if not ids:
            return {"leads": seen, "changed": changed}
        last, changed, seen = ids[-1], changed + len(values), seen + len(ids)
        context.progress(seen)


RESCORE = Job("crm_leads.rescore", _rescore, title=_l("Work out the scores of leads"), limit=1)
