"""A lead becomes a customer, a contact and an opportunity, where the module of leads is on.

The verb is that of leads, with more parameters and with what follows from it: this module stands in
for it through `record_actions`, and knows nothing of the other but the fields of the entity, and that
its verb takes what became of each lead.

A customer that is there already is taken when it alone has the name, or when it is chosen. It must be
one that the reader may change; one that nobody owns is claimed on the way, by the rules of its pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import query, service
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound, Problem, Refused
from core.fields import ActionSpec, Boolean, ChoiceField, Date, FieldSpec, Reference, Text
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from plugins.crm_sales import duplicates
from plugins.crm_sales.models import SOURCES

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.security.actor import Actor
    from core.work.uow import UnitOfWork

__all__ = ["convert", "matches", "source_of", "verbs_of"]

Lead = Mapping[str, Any]

_PARAMS = (
    FieldSpec(
        "customer",
        Reference("customer"),
        _l("Customer"),
        help=_l("Empty: the only one of that name; if there is none, a new one."),
    ),
    FieldSpec(
        "separate",
        Boolean(),
        _l("Another customer all the same"),
        help=_l("A new customer, though there is one of that name or of that mobile."),
        default=False,
    ),
    FieldSpec(
        "source",
        ChoiceField(SOURCES),
        _l("Source"),
        help=_l("Of a new customer. Empty: that of the lead, which then must have one."),
    ),
    FieldSpec(
        "without_opportunity",
        Boolean(),
        _l("Without an opportunity"),
        default=False,
    ),
    FieldSpec(
        "opportunity",
        Text(120),
        _l("Opportunity"),
        help=_l("Empty: the name of the company."),
    ),
    FieldSpec("process", Reference("sales_process"), _l("Sales process")),
    FieldSpec("expected_close_on", Date(), _l("Expected close")),
)


def verbs_of(entity: EntitySpec, actor: Actor) -> list[ActionSpec]:
    """What stands in for the verb of leads."""
    own = entity.actions_by_name.get("convert")
    if entity.name != "lead" or entity.plugin != "crm_leads" or own is None:
        return []
    verb = replace(
        own,
        params=_PARAMS,
        handler=partial(convert, own=own, reader=actor),
        replaces=True,
        page="crm_sales.convert_lead",
        page_takes=1,
    )
    return [verb]


def convert(
    uow: UnitOfWork,
    leads: Sequence[Lead],
    params: Mapping[str, Any],
    *,
    own: ActionSpec,
    reader: Actor,
) -> dict[str, Any]:
    """Make of each lead a customer, a contact and an opportunity, and mark it as converted.

    Customers that are there already are found by name and by mobile: see `_customer`.
    """
    if not params["without_opportunity"]:
        _require_create(uow, reader, "opportunity")
    made: dict[str, list[int]] = {"customers": [], "contacts": [], "opportunities": []}
    became: dict[int, list[tuple[str, int]]] = {}
    for lead in leads:
        customer = _customer(uow, lead, params, reader)
        contact = _contact(uow, lead, customer)
        made["customers"].append(customer)
        made["contacts"] += [contact] if contact is not None else []
        parts = became.setdefault(lead["id"], [("customer", customer)])
        if not params["without_opportunity"]:
            deal = _opportunity(uow, lead, customer, contact, params)
            made["opportunities"].append(deal)
            parts.append(("opportunity", deal))
    found: dict[str, Any] = dict(own.handler(uow, leads, {"became": became}))
    return {**found, **made}


def _require_create(uow: UnitOfWork, reader: Actor, entity: str) -> None:
    if not reader.is_system and not reader.access(uow.entity(entity)).may("create"):
        raise Forbidden(_("You do not have the right to do this."))


def matches(uow: UnitOfWork, lead: Lead, *, with_alike: bool = False) -> list[duplicates.Hit]:
    """The customers that a lead may be, as the actor may be told of them."""
    mobile = duplicates.mobile_of(lead.get("mobile"))
    return duplicates.of_lead(uow, lead["company"] or "", mobile, with_alike=with_alike)


def _customer(uow: UnitOfWork, lead: Lead, params: Mapping[str, Any], reader: Actor) -> int:
    """The customer that was chosen, the only one of the lead's name, or a new one.

    Raises `Invalid` at ``customer`` where several may be meant, and at ``separate`` for one that the
    reader may not see: they are told who looks after it.
    """
    if params["customer"] is not None:
        return _taken(uow, params["customer"], lead, reader)
    if not params["separate"]:
        with uow.seen_by(reader):
            hits = matches(uow, lead)
        mine = [hit for hit in hits if hit.is_readable]
        if len(mine) == 1 and mine[0].why != "mobile":
            return _taken(uow, mine[0].id, lead, reader)
        if mine:
            told = " ".join(duplicates.said(hit) for hit in mine)
            message = _("%(found)s Choose one, or say that it is another customer.", found=told)
            raise Invalid(message, [Problem("customer", "ambiguous", message)])
        if hits:
            message = duplicates.said(hits[0])
            raise Invalid(message, [Problem("separate", "duplicate", message)])
    return _new(uow, lead, params, reader)


def _taken(uow: UnitOfWork, key: int, lead: Lead, reader: Actor) -> int:
    """A customer that the lead is added to. Out of a pool it is claimed, or given to whom the lead
    belongs; raises `Refused` for one that the reader may not change, and what claiming refuses."""
    table = uow.entity("customer").table
    asked = select(table.c.name, table.c.owner_id, table.c.pool_id).where(table.c.id == key)
    row = uow.execute(asked).one()
    if reader.is_system:
        return key
    in_pool = row.owner_id is None and row.pool_id is not None
    owner = lead.get("owner") or reader.user_id
    try:
        with uow.seen_by(reader):
            if in_pool and owner == reader.user_id:
                service.act(uow, "customer", "claim", [key])
            elif in_pool:
                service.act(uow, "customer", "assign", [key], {"owner": owner})
            elif not query.select_ids(
                uow, "customer", ListQuery(ids=(key,)), action="update", limit=1
            ):
                raise Forbidden(_("You do not have the right to do this."))
    except (Forbidden, NotFound):
        raise Refused(_why_not(uow, row, in_pool=in_pool)) from None
    return key


def _why_not(uow: UnitOfWork, row: Any, *, in_pool: bool) -> str:
    if in_pool:
        return _(
            "%(name)s lies in a pool out of which you may not take it. Ask for it, or make another customer.",
            name=row.name,
        )
    owner = resolve_labels(uow, {"user": {row.owner_id}}).get("user", {}) if row.owner_id else {}
    if owner:
        return _(
            "%(name)s is looked after by %(owner)s, and you may not change it. Give them the lead, or make another customer.",
            name=row.name,
            owner=owner[row.owner_id],
        )
    return _("You may not change %(name)s. Make another customer.", name=row.name)


def source_of(uow: UnitOfWork, lead: Lead) -> str | None:
    """The source of a lead, where customers know it too."""
    source = lead.get("source")
    type_ = uow.entity("customer")["source"].type
    assert isinstance(type_, ChoiceField)
    return source if source in type_.labels() else None


def _new(uow: UnitOfWork, lead: Lead, params: Mapping[str, Any], reader: Actor) -> int:
    _require_create(uow, reader, "customer")
    source = params["source"] or source_of(uow, lead)
    if source is None:
        message = _("The lead says not where it came from, which a customer must.")
        raise Invalid(message, [Problem("source", "required", message)])
    names = ("province", "city", "address", "industry", "phone", "tags")
    values = {name: lead.get(name) for name in names}
    values |= {"name": lead["company"], "source": source}
    values["owner"] = lead.get("owner") or uow.actor.user_id
    return service.create(uow, "customer", [values])[0]


def _contact(uow: UnitOfWork, lead: Lead, customer: int) -> int | None:
    """The person of the lead: one of that mobile, else of that name, is there already; or a new one."""
    name, mobile = lead.get("contact_name"), lead.get("mobile")
    if not name and not mobile:
        return None
    table = uow.entity("contact").table
    same = table.c.mobile == mobile if mobile else table.c.name == name
    there = (
        uow.execute(
            select(table.c.id)
            .where(table.c.customer_id == customer, same, table.c.archived_at.is_(None))
            .order_by(table.c.id)
        )
        .scalars()
        .first()
    )
    if there is not None:
        return int(there)
    values = {field: lead.get(field) for field in ("mobile", "email", "wechat")}
    values |= {"name": name or mobile, "customer": customer}
    return service.create(uow, "contact", [values])[0]


def _opportunity(
    uow: UnitOfWork, lead: Lead, customer: int, contact: int | None, params: Mapping[str, Any]
) -> int:
    values = {
        "name": params["opportunity"] or lead["company"],
        "customer": customer,
        "contact": contact,
        "process": params["process"],
        "amount": lead.get("expected_amount"),
        "expected_close_on": params["expected_close_on"],
        "priority": lead.get("priority") or "normal",
        "lead": lead["id"],
        "owner": lead.get("owner") or uow.actor.user_id,
    }
    return service.create(uow, "opportunity", [values])[0]
