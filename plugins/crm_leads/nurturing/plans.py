"""Plans at work: who is taken up, which touch is due, and who is ready for sales.

Every ten minutes, in this order: leads that came into a plan's pool are taken up; those whose score
has reached the threshold go to the pool of sales, where the assignment rules are asked; of the others the touch
that is due is done. A lead that somebody took, or that is worked on no longer, is left alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, exists, select

from core.entities import query, service
from core.entities.changes import Change
from core.entities.query import ListQuery
from core.errors import Invalid, Problem, Refused
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.mail import MailMessage, one_line
from core.plugins.contributions import Job, Schedule
from core.settings.service import get_setting
from plugins.crm_leads.models import OPEN
from plugins.crm_leads.nurturing.models import FINISHED, QUALIFIED, RUNNING, STOPPED
from plugins.crm_leads.public_forms import merged, unfillable
from plugins.crm_leads.services import assign_by_rules

if TYPE_CHECKING:
    from sqlalchemy import Table

    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = [
    "MAIL",
    "NURTURE",
    "NURTURING",
    "hand_to_sales",
    "is_open_pool",
    "nurture",
    "stop_nurturing",
    "validate",
]

_AT_ONCE = 200
_SHOWN = ("company", "contact_name", "email")


def _table(uow: UnitOfWork, entity: str) -> Table:
    return uow.snapshot.installed_entities[entity].table


# Verbs: the service has checked the right, and has locked the rows.


def nurture(
    uow: UnitOfWork, leads: Sequence[Mapping[str, Any]], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Leads begin a plan. Raises `Refused` for one that is being nurtured already."""
    plan = _table(uow, "nurture_plan")
    asked = select(plan.c.is_active).where(plan.c.id == params["plan"])
    if not uow.execute(asked).scalar_one():
        message = _("This plan is no longer active.")
        raise Invalid(message, [Problem("plan", "inactive", message)])
    running = _running(uow, [lead["id"] for lead in leads])
    for lead in leads:
        if lead["id"] in running:
            raise Refused(_("%(company)s is being nurtured already.", company=lead["company"]))
    _begin(uow, params["plan"], [lead["id"] for lead in leads])
    return {"nurtured": [lead["id"] for lead in leads]}


def stop_nurturing(
    uow: UnitOfWork, leads: Sequence[Mapping[str, Any]], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Leads are touched no more. Raises `Refused` for one that no plan has."""
    running = _running(uow, [lead["id"] for lead in leads])
    for lead in leads:
        if lead["id"] not in running:
            raise Refused(_("%(company)s is not being nurtured.", company=lead["company"]))
    _end(uow, list(running.values()), STOPPED)
    return {"stopped": sorted(running)}


def _running(uow: UnitOfWork, leads: Sequence[int]) -> dict[int, int]:
    """What runs of these leads: by lead its number."""
    table = _table(uow, "nurturing")
    rows = select(table.c.lead_id, table.c.id).where(
        table.c.lead_id.in_(leads), table.c.state == RUNNING
    )
    return {row.lead_id: row.id for row in uow.execute(rows)}


def _begin(uow: UnitOfWork, plan: int, leads: Sequence[int]) -> None:
    waits = _touches(uow, [plan]).get(plan, [])
    first = uow.now() + timedelta(days=waits[0]["wait_days"] or 0) if waits else None
    rows = [{"lead": key, "plan": plan, "state": RUNNING, "next_at": first} for key in leads]
    with uow.elevated():
        service.create(uow, "nurturing", rows)


def _end(uow: UnitOfWork, keys: Sequence[int], state: str) -> None:
    ended = {"state": state, "next_at": None, "ended_at": uow.now()}
    if keys:
        with uow.elevated():
            service.update(uow, "nurturing", {key: ended for key in keys})


def is_open_pool(pool: Table) -> ColumnElement[bool]:
    """Pools that leads may still go into; for others they wait."""
    return and_(pool.c.is_active, pool.c.archived_at.is_(None))


def hand_to_sales(uow: UnitOfWork, leads: Sequence[int], pool: int) -> list[int]:
    """Leads that nobody owns go into a pool of sales, and the assignment rules are asked."""
    if not leads:
        return []
    with uow.elevated():
        service.update(uow, "lead", {key: {"pool": pool} for key in leads})
    return assign_by_rules(uow, leads)


# The job


def _nurture(context: JobContext) -> dict[str, int]:
    done = {"begun": 0, "ready": 0, "touched": 0}
    for name, step in (("begun", _take_up), ("ready", _qualify), ("touched", _touch)):
        more = True
        while more:
            with context.unit_of_work() as uow, uow.elevated():
                n = step(uow)
            done[name] += n
            more = n > 0
    return done


def _take_up(uow: UnitOfWork) -> int:
    """Leads that lie in the pool of a plan and never were in it."""
    plan, lead, table = (_table(uow, name) for name in ("nurture_plan", "lead", "nurturing"))
    known = exists().where(table.c.lead_id == lead.c.id, table.c.plan_id == plan.c.id)
    at_work = exists().where(table.c.lead_id == lead.c.id, table.c.state == RUNNING)
    wanted = (
        select(plan.c.id, lead.c.id.label("lead"))
        .join(lead, lead.c.pool_id == plan.c.from_pool_id)
        .where(plan.c.is_active, plan.c.archived_at.is_(None))
        .where(_is_free(lead), ~known, ~at_work)
        .order_by(lead.c.id, plan.c.id)
        .limit(_AT_ONCE)
    )
    by_plan = defaultdict[int, list[int]](list)
    seen = set[int]()
    for key, found in uow.execute(wanted):
        if found not in seen:  # two plans of one pool: the first has it
            seen.add(found)
            by_plan[key].append(found)
    for key, leads in by_plan.items():
        _begin(uow, key, leads)
    return len(seen)


def _is_free(lead: Table) -> ColumnElement[bool]:
    return and_(lead.c.owner_id.is_(None), lead.c.status.in_(OPEN), lead.c.archived_at.is_(None))


def _qualify(uow: UnitOfWork) -> int:
    """End what is over: leads that are ready, and those that somebody has, or that are closed."""
    plan, lead, table = (_table(uow, name) for name in ("nurture_plan", "lead", "nurturing"))
    pool = _table(uow, "lead_pool")
    joined = (
        table.join(lead, lead.c.id == table.c.lead_id)
        .join(plan, plan.c.id == table.c.plan_id)
        .join(pool, pool.c.id == plan.c.to_pool_id)
    )
    is_ready = and_(lead.c.score >= plan.c.threshold, is_open_pool(pool))
    columns = (table.c.id, table.c.lead_id, plan.c.to_pool_id, _is_free(lead).label("is_free"))
    over = (
        select(*columns)
        .select_from(joined)
        .where(table.c.state == RUNNING)
        .where(is_ready | ~_is_free(lead))
        .order_by(table.c.id)
        .limit(_AT_ONCE)
        .with_for_update(of=table)
    )
    rows = uow.execute(over).all()
    by_pool = defaultdict[int, list[int]](list)
    for row in rows:
        if row.is_free:
            by_pool[row.to_pool_id].append(row.lead_id)
    _end(uow, [row.id for row in rows if row.is_free], QUALIFIED)
    _end(uow, [row.id for row in rows if not row.is_free], STOPPED)
    for pool, leads in by_pool.items():
        hand_to_sales(uow, leads, pool)
    return len(rows)


def _touch(uow: UnitOfWork) -> int:
    """Do what is due: a task at once, a mail by a job of its own; then wait for the next."""
    plan, table, user = (_table(uow, name) for name in ("nurture_plan", "nurturing", "user"))
    columns = (table.c.id, table.c.lead_id, table.c.plan_id, table.c.done, table.c.skipped)
    due = (
        select(*columns, user.c.id.label("person"))
        .join(plan, plan.c.id == table.c.plan_id)
        .outerjoin(user, and_(user.c.id == plan.c.person_id, user.c.is_active))
        .where(table.c.state == RUNNING, plan.c.is_active, plan.c.archived_at.is_(None))
        .where(table.c.next_at <= uow.now())
        .order_by(table.c.next_at, table.c.id)
        .limit(_AT_ONCE)
        .with_for_update(of=table)
    )
    rows = uow.execute(due).all()
    if not rows:
        return 0
    touches = _touches(uow, {row.plan_id for row in rows})
    leads = _leads(uow, [row.lead_id for row in rows])
    us = get_setting(uow, "core", "company_name")
    values, tasks = {}, []
    for row in rows:
        steps = touches.get(row.plan_id, [])
        lead = leads.get(row.lead_id)
        values[row.id] = _after(uow, row.done + 1, steps)
        if row.done < len(steps) and lead is not None:
            step = steps[row.done]
            if step["kind"] == "mail":
                uow.enqueue(MAIL.name, {"nurturing": row.id, "touch": step["id"]})
            elif row.person is not None and "task" in uow.entities:
                tasks.append(_task(uow, row.person, step, lead, us))
            else:  # they have left, or the module of tasks is off
                values[row.id]["skipped"] = (row.skipped or 0) + 1
    service.update(uow, "nurturing", values)
    if tasks:
        service.create(uow, "task", tasks)
    return len(rows)


def _after(uow: UnitOfWork, done: int, steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if done >= len(steps):
        return {
            "done": len(steps),
            "state": FINISHED,
            "next_at": None,
            "ended_at": uow.now(),
        }
    next_at: datetime = uow.now() + timedelta(days=steps[done]["wait_days"] or 0)
    return {"done": done, "next_at": next_at}


def _task(
    uow: UnitOfWork, person: int, step: Mapping[str, Any], lead: Mapping[str, Any], us: str
) -> dict[str, Any]:
    return {
        "title": one_line(merged(step["subject"], lead, us))[:200],
        "description": merged(step["body"] or "", lead, us) or None,
        "related_entity": "lead",
        "related_id": lead["id"],
        "assignee": person,
        "due_at": uow.now(),
    }


def _touches(uow: UnitOfWork, plans: Iterable[int]) -> dict[int, list[Mapping[str, Any]]]:
    """The touches of plans, in their order."""
    table = _table(uow, "nurture_touch")
    rows = select(table).where(table.c.plan_id.in_(list(plans)), table.c.archived_at.is_(None))
    found = defaultdict[int, list[Mapping[str, Any]]](list)
    for row in uow.execute(rows.order_by(table.c.position, table.c.id)).mappings():
        found[row["plan_id"]].append(row)
    return found


def _leads(uow: UnitOfWork, ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    wanted = ListQuery(ids=tuple(ids), fields=_SHOWN, sort="id", limit=len(ids))
    return {row["id"]: row for row in query.page(uow, "lead", wanted).items} if ids else {}


def _mail(context: JobContext, nurturing: int, touch: int) -> dict[str, str]:
    """Mail one touch; who was taken out of the plan meanwhile gets none, who has no address is counted."""
    with context.unit_of_work(write=False) as uow, uow.elevated():
        table, steps = _table(uow, "nurturing"), _table(uow, "nurture_touch")
        row = uow.execute(select(table).where(table.c.id == nurturing)).one_or_none()
        step = uow.execute(select(steps).where(steps.c.id == touch)).mappings().one_or_none()
        if row is None or step is None or row.state in (STOPPED, QUALIFIED):
            return {"mail": "not wanted any more"}
        lead = _leads(uow, [row.lead_id]).get(row.lead_id)
        us = get_setting(uow, "core", "company_name")
    address = lead and lead["email"]
    if lead and address:
        subject = one_line(merged(step["subject"], lead, us))
        text = merged(step["body"] or "", lead, us)
        context.runtime.mailer.send(MailMessage((address,), subject, f"{text}\n"))
    result = "sent" if address else "skipped"
    with context.unit_of_work() as uow, uow.elevated():
        if not address:
            service.update(uow, "nurturing", {nurturing: {"skipped": (row.skipped or 0) + 1}})
        context.finish(uow, {"mail": result})
    return {"mail": result}


MAIL = Job("crm_leads.nurture_mail", _mail, title=_l("Mail a touch of a nurture plan"))
NURTURE = Job("crm_leads.nurture", _nurture, title=_l("Nurture leads by their plans"), limit=1)
NURTURING = Schedule("nurture", NURTURE.name, every=timedelta(minutes=10))


# What a plan must keep


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Problems of plans and their touches; none for other entities."""
    match changes[0].entity.name:
        case "nurture_plan":
            yield from _check_plans(changes, uow)
        case "nurture_touch":
            yield from _check_touches(changes, uow)


def _check_plans(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    for change in changes:
        if change.kind not in ("create", "update"):
            continue
        if change.after["from_pool"] is not None and (
            change.after["from_pool"] == change.after["to_pool"]
        ):
            message = _("They would go into the pool that they come from.")
            yield change.problem("to_pool", "same", message)
        lines = change.detached.get("touches")
        if lines and any(line.get("kind") == "task" for line in lines):
            if "task" not in uow.entities:
                message = _("Tasks need the module of activities.")
                yield change.problem("touches", "task", message)
            elif change.after["person"] is None:
                yield change.problem("person", "required", _("Say who does the tasks."))


def _check_touches(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    for change in changes:
        if change.kind not in ("create", "update"):
            continue
        for name in ("subject", "body"):
            if unknown := sorted(unfillable(change.after[name] or "")):
                message = _("There is nothing to fill in for {%(name)s}.", name=unknown[0])
                yield change.problem(name, "unknown_field", message)
