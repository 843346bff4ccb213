"""Rules that the product lines and the team of an opportunity keep, and whom a team lets in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, select

from core.entities.changes import Change
from core.errors import Problem
from core.fields import ScopeSpec
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.i18n.formats import format_number
from plugins.crm_sales.deals.amounts import check_typed
from plugins.crm_sales.deals.models import CHANGING
from plugins.crm_sales.products.lines import validate_lines
from plugins.crm_sales.products.policies.rules import HUNDRED, IN_HAND, note, written

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["TEAM", "TEAM_CHANGES", "validate"]


def _of_team(uow: UnitOfWork, table: FromClause, *roles: str) -> ColumnElement[bool]:
    """Opportunities in whose team the actor is: read by the index over person and opportunity."""
    member = uow.entity("opportunity_member").table
    mine = select(member.c.opportunity_id).where(
        member.c.person_id == uow.actor.user_id, member.c.archived_at.is_(None)
    )
    if roles:
        mine = mine.where(member.c.role.in_(roles))
    return table.c.id.in_(mine.correlate(None))


TEAM = ScopeSpec("team", _l("in whose team one is"), _of_team)
TEAM_CHANGES = ScopeSpec(
    "team_changes",
    _l("in whose team one is and may change them"),
    lambda uow, table: _of_team(uow, table, *CHANGING),
)


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Problems of changes to what belongs to opportunities; none for other entities."""
    match changes[0].entity.name:
        case "opportunity":
            return list(_validate_deals(changes, uow))
        case "opportunity_line":
            return validate_lines(changes, uow)
        case "opportunity_member":
            return list(_validate_members(changes, uow))
    return ()


def _validate_deals(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    for change in written(changes):
        note(change, "lines", uow)
        note(change, "members", uow)
    yield from check_typed(changes, uow)
    for change in written(changes):
        if "members" not in change.detached:
            continue
        old = {row["id"]: row for row in change.before.get("members") or ()}
        rows = [{**old.get(row.get("id"), {}), **row} for row in change.detached["members"] or ()]
        if {_said(row) for row in rows} == {_said(row) for row in old.values()}:
            continue
        before = change.before or change.after
        if _is_guest(uow, before, [row["person"] for row in old.values()]):
            yield change.problem("members", "team", _not_by_members())
        for place, field, code, message in _team_problems(rows, change.after["owner"]):
            yield change.problem(f"members.{place}.{field}", code, message)


def _said(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return _key(row.get("person")), row.get("role"), _share(row)


def _key(value: Any) -> Any:
    """A person's number, however it was written."""
    is_number = isinstance(value, str) and value.isdecimal() and len(value) < 18
    return int(value) if is_number else value


def _share(row: Mapping[str, Any]) -> Decimal:
    """The share of a row as it was given; what is no number is told by its own check."""
    try:
        return Decimal(str(row.get("share") or 0))
    except InvalidOperation:
        return Decimal(0)


def _team_problems(
    rows: Sequence[Mapping[str, Any]], owner: Any
) -> Iterable[tuple[int, str, str, str]]:
    """(place, field, code, message) of what the rows of one team do not keep together."""
    seen, total = set[Any](), Decimal(0)
    for place, row in enumerate(rows):
        person, share = _key(row.get("person")), _share(row)
        if person is not None and person == owner:
            message = _("The owner is in the team already, and has the rest.")
            yield place, "person", "owner", message
        elif person is not None and person in seen:
            yield place, "person", "taken", _("This person is in the team already.")
        seen.add(person)
        if not 0 <= share <= HUNDRED:
            yield place, "share", "range", _("Write a number from 0 to 100.")
            continue
        total += share
        if total > HUNDRED:
            message = _(
                "The shares come to %(total)s %%, and 100 %% is all.",
                total=format_number(Decimal(format(total.normalize(), "f"))),
            )
            yield place, "share", "total", message
            total -= share


def _is_guest(uow: UnitOfWork, deal: Mapping[str, Any], people: Iterable[Any]) -> bool:
    """Whether the actor may change the opportunity as a member of its team alone."""
    actor = uow.actor
    if actor.is_system or actor.user_id == deal["owner"] or actor.user_id not in set(people):
        return False
    access = actor.access(uow.entity("opportunity"))
    scopes = [scope for scope in access.scopes.get("update", ()) if isinstance(scope, str)]
    reached = {
        "department": actor.departments,
        "department_below": actor.departments_below,
    }
    return "all" not in scopes and not any(
        deal["department"] in reached.get(scope, ()) for scope in scopes
    )


def _not_by_members() -> str:
    return _("Who works on it with the owner does not change the team.")


def _validate_members(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    yield from _left(changes, uow)
    if "opportunity" in uow.memo.get(IN_HAND, ()):
        return  # their opportunity sees to them together
    member, deal = uow.entity("opportunity_member").table, uow.entity("opportunity").table
    keys = {row["opportunity"] for c in changes for row in (c.before, c.after) if row}
    deals = {
        row.id: row
        for row in uow.execute(
            select(deal.c.id, deal.c.owner_id, deal.c.department_id).where(deal.c.id.in_(keys))
        )
    }
    stored: dict[int, list[Any]] = {}
    for row in uow.execute(
        select(member).where(member.c.opportunity_id.in_(keys), member.c.archived_at.is_(None))
    ):
        stored.setdefault(row.opportunity_id, []).append(row)
    touched = {change.id for change in changes}
    for key in sorted(keys):
        row = deals[key]
        own = [c for c in changes if c.after["opportunity"] == key]
        if own and _is_guest(
            uow,
            {"owner": row.owner_id, "department": row.department_id},
            [each.person_id for each in stored.get(key, ())],
        ):
            yield own[0].problem("person", "team", _not_by_members())
        others = [
            {"person": each.person_id, "share": each.share}
            for each in stored.get(key, ())
            if each.id not in touched
        ]
        coming = [change for change in own if change.kind != "delete"]
        rows = [*others, *(change.after for change in coming)]
        for place, field, code, message in _team_problems(rows, row.owner_id):
            if place >= len(others):
                yield coming[place - len(others)].problem(field, code, message)


def _left(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """People who are taken into a team although they work here no more."""
    new = [c for c in written(changes) if c.changed("person") and c.after["person"] is not None]
    if not new:
        return
    user = uow.entity("user").table
    keys = {change.after["person"] for change in new}
    gone = select(user.c.id).where(user.c.id.in_(keys), user.c.is_active.is_(False))
    left = set(uow.execute(gone).scalars())
    for change in new:
        if change.after["person"] in left:
            message = _("This person is no longer active.")
            yield change.problem("person", "inactive", message)
