"""Customers that are there already: found by name, a name that is alike, credit code, and name with a mobile.

Whoever may not see the other customer is told who looks after it, and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, select

from core.entities import query
from core.entities.changes import Change
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery
from core.entities.reading import Reading
from core.errors import Forbidden, Problem
from core.i18n import gettext as _
from core.settings.service import get_setting
from core.tabular.cleaning import company_key
from plugins.crm_sales.likeness import alike

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "Hit",
    "check_contacts",
    "check_customers",
    "find",
    "readable",
    "reading_namesakes",
    "said",
]

_CHUNK = 500


@dataclass(frozen=True)
class Hit:
    """A customer that may be the same; ``why`` is code, contact, name or alike."""

    why: str
    id: int
    name: str
    owner: str
    is_readable: bool
    #: Of a name that is alike: how much, in percent.
    likeness: int = 100


def find(
    uow: UnitOfWork, *, name: str = "", uscc: str = "", mobile: str = "", but: int | None = None
) -> list[Hit]:
    """The customers that one of these values fits, those of the strictest reason first."""
    table = uow.entity("customer").table
    key = company_key(name)
    found: dict[int, tuple[str, Any]] = {}
    if uscc and _rule(uow, "same_code") != "off":
        for row in _rows(uow, table.c.uscc == uscc):
            found.setdefault(row.id, ("code", row))
    if key and mobile and _rule(uow, "same_contact") != "off":
        contact = uow.entity("contact").table
        theirs = select(contact.c.customer_id).where(
            contact.c.mobile == mobile, contact.c.archived_at.is_(None)
        )
        for row in _rows(uow, (table.c.name_key == key) & table.c.id.in_(theirs)):
            found.setdefault(row.id, ("contact", row))
    if key and _rule(uow, "same_name") != "off":
        for row in _rows(uow, table.c.name_key == key):
            found.setdefault(row.id, ("name", row))
    if but is not None:
        found.pop(but, None)
    return _hits(uow, list(found.values())) + _alike(uow, key, {*found, but})


def _alike(uow: UnitOfWork, key: str, told: Collection[int | None]) -> list[Hit]:
    """Customers of names that are alike, those within reach first and the others in no telling order."""
    least: int = get_setting(uow, "crm_sales", "alike_names")
    pairs = [pair for pair in alike(uow, key, least) if pair[1].id not in told] if least else []
    hits = _hits(uow, [("alike", row) for _likeness, row in pairs])
    found = [
        replace(hit, likeness=likeness) for (likeness, _row), hit in zip(pairs, hits, strict=True)
    ]
    return sorted(found, key=lambda hit: (0, -hit.likeness) if hit.is_readable else (1, hit.id))


def of_name(uow: UnitOfWork, key: str) -> list[Hit]:
    """The customers of one name, whatever the rules say of them."""
    rows = _rows(uow, uow.entity("customer").table.c.name_key == key) if key else []
    return _hits(uow, [("name", row) for row in rows])


def reading_namesakes(uow: UnitOfWork, key: str, but: int) -> Reading[list[Hit]]:
    """The customers of one name beside one of them, to be read together with more."""
    table = uow.entity("customer").table
    others = _found(uow, (table.c.name_key == key) & (table.c.id != but))
    return Reading((others,), lambda rows: _hits(uow, [("name", row) for row in rows]))


def readable(uow: UnitOfWork, ids: Collection[int]) -> set[int]:
    """Those of the customers that the actor may read."""
    if not ids or uow.actor.is_system:
        return set(ids)
    try:
        found, wanted = set[int](), sorted(ids)
        for start in range(0, len(wanted), _CHUNK):
            part = tuple(wanted[start : start + _CHUNK])
            asked = ListQuery(fields=("id",), ids=part, limit=len(part), sort="id")
            found |= {row["id"] for row in query.page(uow, "customer", asked).items}
        return found
    except Forbidden:
        return set()


def said(hit: Hit) -> str:
    """What is told of it."""
    if hit.why == "code":
        if hit.is_readable:
            return _("%(name)s has this credit code already.", name=hit.name)
        if hit.owner:
            return _(
                "A customer of this credit code is looked after by %(owner)s.", owner=hit.owner
            )
        return _("There is a customer of this credit code already.")
    if hit.why == "contact":
        if hit.is_readable:
            return _("%(name)s has a contact of this mobile already.", name=hit.name)
        if hit.owner:
            return _(
                "A customer of that name with this mobile is looked after by %(owner)s.",
                owner=hit.owner,
            )
        return _("There is a customer of that name with this mobile already.")
    if hit.why == "alike":
        if hit.is_readable:
            return _(
                "Name %(likeness)s alike: %(name)s", likeness=f"{hit.likeness}%", name=hit.name
            )
        # Without the figure, which would tell whoever tries names how near they came.
        if hit.owner:
            return _("A customer of a similar name is looked after by %(owner)s.", owner=hit.owner)
        return _("There is a customer of a similar name already.")
    if hit.is_readable:
        return _("There is %(name)s already.", name=hit.name)
    if hit.owner:
        return _("A customer of that name is looked after by %(owner)s.", owner=hit.owner)
    return _("There is a customer of that name already.")


def _rule(uow: UnitOfWork, name: str) -> str:
    found: str = get_setting(uow, "crm_sales", name)
    return found


def _rows(uow: UnitOfWork, condition: ColumnElement[bool]) -> Sequence[Any]:
    return uow.execute(_found(uow, condition)).all()


def _found(uow: UnitOfWork, condition: ColumnElement[bool]) -> Select[Any]:
    table = uow.entity("customer").table
    return (
        select(table.c.id, table.c.name, table.c.owner_id)
        .where(condition, table.c.archived_at.is_(None))
        .order_by(table.c.id)
        .limit(5)
    )


def _hits(uow: UnitOfWork, rows: Sequence[tuple[str, Any]]) -> list[Hit]:
    if not rows:
        return []
    seen = readable(uow, {row.id for _why, row in rows})
    people = resolve_labels(uow, {"user": {row.owner_id for _why, row in rows if row.owner_id}})
    names = people.get("user", {})
    return [
        Hit(why, row.id, row.name or "", names.get(row.owner_id, ""), row.id in seen)
        for why, row in rows
    ]


# On save


def check_customers(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """What the rules refuse of new customers, and of new names and codes."""
    for rule, field, column, key in (
        ("same_code", "uscc", "uscc", _code),
        ("same_name", "name", "name_key", _name),
    ):
        if _rule(uow, rule) == "refuse":
            touched = [
                change
                for change in changes
                if change.kind in ("create", "update", "restore")
                and key(change)
                and (change.kind != "update" or change.changed(field))
            ]
            yield from _taken(uow, touched, field, column, key)


def _code(change: Change) -> str:
    return "".join((change.after.get("uscc") or "").split()).replace("-", "").upper()


def _name(change: Change) -> str:
    return company_key(change.after.get("name"))


def _taken(
    uow: UnitOfWork, changes: Sequence[Change], field: str, column: str, key: Any
) -> Iterable[Problem]:
    if not changes:
        return
    table = uow.entity("customer").table
    wanted = sorted({key(change) for change in changes})
    there: dict[str, list[Any]] = {}
    for start in range(0, len(wanted), _CHUNK):
        rows = uow.execute(
            select(table.c.id, table.c.name, table.c.owner_id, table.c[column].label("key")).where(
                table.c[column].in_(wanted[start : start + _CHUNK]), table.c.archived_at.is_(None)
            )
        )
        for row in rows:
            there.setdefault(row.key, []).append(row)
    taken, seen = list[tuple[Change, Any]](), set[str]()
    for change in changes:
        own = key(change)
        other = next((row for row in there.get(own, ()) if row.id != change.id), None)
        if other is not None:
            taken.append((change, other))
        elif own in seen:
            message = _("Another of these records is the same customer.")
            yield change.problem(field, "duplicate", message)
        seen.add(own)
    yield from _told(uow, taken, field, "code" if field == "uscc" else "name")


def _told(
    uow: UnitOfWork, taken: Sequence[tuple[Change, Any]], field: str, why: str
) -> Iterable[Problem]:
    """The problems of changes that meet other customers; what is read for it is read at once."""
    hits = _hits(uow, [(why, row) for _change, row in taken])
    for (change, _row), hit in zip(taken, hits, strict=True):
        data = {"id": hit.id} if hit.is_readable else {}
        yield change.problem(field, "duplicate", said(hit), **data)


def check_contacts(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """A contact whose mobile another customer of the same name has already."""
    touched = [
        change
        for change in changes
        if change.kind != "delete"
        and change.after.get("mobile")
        and (change.kind == "restore" or change.changed("mobile") or change.changed("customer"))
    ]
    if not touched or _rule(uow, "same_contact") != "refuse":
        return
    customer, contact = uow.entity("customer").table, uow.entity("contact").table
    other = customer.alias()
    taken = list[tuple[Change, Any]]()
    for start in range(0, len(touched), _CHUNK):
        part = touched[start : start + _CHUNK]
        rows = uow.execute(
            select(
                *(customer.c.id.label("own"), contact.c.mobile),
                *(other.c.id, other.c.name, other.c.owner_id),
            )
            .join(other, (other.c.name_key == customer.c.name_key) & (other.c.id != customer.c.id))
            .join(contact, contact.c.customer_id == other.c.id)
            .where(
                customer.c.id.in_({change.after["customer"] for change in part}),
                contact.c.mobile.in_({change.after["mobile"] for change in part}),
                contact.c.archived_at.is_(None),
                other.c.archived_at.is_(None),
            )
        )
        there = {(row.own, row.mobile): row for row in rows}
        for change in part:
            row = there.get((change.after["customer"], change.after["mobile"]))
            if row is not None:
                taken.append((change, row))
    yield from _told(uow, taken, "mobile", "contact")
