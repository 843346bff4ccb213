"""Customers that are there already: found by name, a name that is alike, credit code, and the mobile of a
contact; for a customer that is entered, and for a lead.

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
from core.entities.likeness import alike
from core.entities.query import ListQuery
from core.entities.reading import Reading
from core.errors import Forbidden, Invalid, Problem
from core.i18n import gettext as _
from core.settings.service import get_setting
from core.tabular.cleaning import CleaningError, clean_mobile, company_key

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "Hit",
    "beside_contact",
    "check_contacts",
    "check_customers",
    "check_leads",
    "find",
    "mobile_of",
    "of_lead",
    "readable",
    "reading_namesakes",
    "said",
]

_CHUNK = 500


@dataclass(frozen=True)
class Hit:
    """A customer that may be the same; ``why`` is code, contact (name and mobile), name, mobile or alike."""

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
        theirs = table.c.id.in_(_with_mobile(uow, mobile))
        for row in _rows(uow, (table.c.name_key == key) & theirs):
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
    found_alike = alike(uow, "customer", key, least) if least else []
    pairs = [pair for pair in found_alike if pair[1].id not in told]
    hits = _hits(uow, [("alike", row) for _likeness, row in pairs])
    found = [
        replace(hit, likeness=likeness) for (likeness, _row), hit in zip(pairs, hits, strict=True)
    ]
    return sorted(found, key=lambda hit: (0, -hit.likeness) if hit.is_readable else (1, hit.id))


def mobile_of(typed: Any) -> str:
    """The mobile as it is stored; nothing for what is half typed, or masked."""
    try:
        return clean_mobile(str(typed or "")[:40]) or ""
    except CleaningError:
        return ""


def of_lead(uow: UnitOfWork, company: str, mobile: str, *, with_alike: bool = True) -> list[Hit]:
    """The customers that a lead may be, whatever the rules say: of its name with a contact of its mobile,
    of its name, with a contact of its mobile, and of a name that is alike."""
    table, key = uow.entity("customer").table, company_key(company)
    named = _rows(uow, table.c.name_key == key) if key else []
    called = _rows(uow, table.c.id.in_(_with_mobile(uow, mobile))) if mobile else []
    both = {row.id for row in named} & {row.id for row in called}
    found = {row.id: ("contact", row) for row in named if row.id in both}
    found |= {row.id: ("name", row) for row in named if row.id not in both}
    found |= {row.id: ("mobile", row) for row in called if row.id not in both}
    hits = _hits(uow, list(found.values()), [mobile])
    return hits + (_alike(uow, key, found) if with_alike else [])


def _with_mobile(uow: UnitOfWork, mobile: str) -> Select[Any]:
    """The customers that have a contact of that mobile."""
    contact = uow.entity("contact").table
    return select(contact.c.customer_id).where(
        contact.c.mobile == mobile, contact.c.archived_at.is_(None)
    )


def beside_contact(uow: UnitOfWork, customer: int, mobile: str) -> list[Hit]:
    """Other customers of the name of this one that have a contact of that mobile."""
    if _rule(uow, "same_contact") == "off":
        return []
    table = uow.entity("customer").table
    key = select(table.c.name_key).where(table.c.id == customer).scalar_subquery()
    theirs = table.c.id.in_(_with_mobile(uow, mobile)) & (table.c.id != customer)
    rows = _rows(uow, (table.c.name_key == key) & theirs)
    return _hits(uow, [("contact", row) for row in rows], [mobile])


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
    if hit.why == "mobile":
        if hit.is_readable:
            return _("%(name)s has a contact of this mobile already.", name=hit.name)
        if hit.owner:
            return _(
                "A customer with a contact of this mobile is looked after by %(owner)s.",
                owner=hit.owner,
            )
        return _("There is a customer with a contact of this mobile already.")
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


def _hits(
    uow: UnitOfWork, rows: Sequence[tuple[str, Any]], mobiles: Collection[str] = ()
) -> list[Hit]:
    if not rows:
        return []
    seen = readable(uow, {row.id for _why, row in rows})
    if mobiles and (called := {row.id for why, row in rows if why in ("mobile", "contact")}):
        # Of one who may be seen, but whose mobile is masked, it is not told by name that it is this one.
        masked = (called & seen) - _showing(uow, called, mobiles)
        seen -= {row.id for why, row in rows if why == "mobile" and row.id in masked}
        rows = [
            ("name" if row.id in masked and why == "contact" else why, row) for why, row in rows
        ]
    people = resolve_labels(uow, {"user": {row.owner_id for _why, row in rows if row.owner_id}})
    names = people.get("user", {})
    return [
        Hit(why, row.id, row.name or "", names.get(row.owner_id, ""), row.id in seen)
        for why, row in rows
    ]


def _showing(uow: UnitOfWork, customers: Collection[int], mobiles: Collection[str]) -> set[int]:
    """The customers of whose contacts the actor sees one of the mobiles."""
    theirs = {"field": "customer", "op": "in", "value": sorted(customers)}
    same = {"field": "mobile", "op": "in", "value": sorted(mobiles)}
    asked = ListQuery(fields=("customer",), filter={"all": [theirs, same]}, sort="id", limit=500)
    try:
        return {row["customer"] for row in query.page(uow, "contact", asked).items}
    except (Forbidden, Invalid):
        return set()


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
    mobiles = {change.after["mobile"] for change, _row in taken} if why == "mobile" else ()
    hits = _hits(uow, [(why, row) for _change, row in taken], mobiles)
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


def check_leads(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Leads of which somebody has the company, or the person, as a customer already, where the company
    refuses that; not those that nobody typed in, such as those of a public form."""
    if uow.actor.is_system or _rule(uow, "same_lead") != "refuse":
        return
    written = [change for change in changes if change.kind in ("create", "update", "restore")]
    for name, why in (("company", "name"), ("mobile", "mobile")):
        keys = [
            (change, key)
            for change in written
            if (key := _of_lead(change, name)) and (change.kind != "update" or change.changed(name))
        ]
        there = _customers_by(uow, why, {key for _change, key in keys})
        taken = [(change, there[key]) for change, key in keys if key in there]
        yield from _told(uow, taken, name, why)


def _of_lead(change: Change, name: str) -> str:
    value = change.after.get(name) or ""
    return company_key(value) if name == "company" else value


def _customers_by(uow: UnitOfWork, why: str, keys: Collection[str]) -> dict[str, Any]:
    """The first customer of each name, or with a contact of each mobile."""
    customer, contact = uow.entity("customer").table, uow.entity("contact").table
    key = customer.c.name_key if why == "name" else contact.c.mobile
    asked = select(customer.c.id, customer.c.name, customer.c.owner_id, key.label("key"))
    if why == "mobile":
        asked = asked.join(contact, contact.c.customer_id == customer.c.id)
        asked = asked.where(contact.c.archived_at.is_(None))
    found: dict[str, Any] = {}
    wanted = sorted(keys)
    for start in range(0, len(wanted), _CHUNK):
        part = key.in_(wanted[start : start + _CHUNK])
        rows = asked.where(part, customer.c.archived_at.is_(None)).order_by(customer.c.id)
        for row in uow.execute(rows):
            found.setdefault(row.key, row)
    return found
