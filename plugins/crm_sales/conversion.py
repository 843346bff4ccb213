"""A lead becomes a customer, a contact and an opportunity, where the module of leads is on.

The verb is that of leads, with more parameters and with what follows from it: this module stands in
for it through `record_actions`, and knows nothing of the other but the fields of the entity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import service
from core.errors import Forbidden, Invalid, Problem
from core.fields import ActionSpec, Boolean, ChoiceField, Date, FieldSpec, Reference, Text
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.tabular.cleaning import company_key
from plugins.crm_sales import duplicates
from plugins.crm_sales.models import OTHER, SOURCES

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.security.actor import Actor
    from core.work.uow import UnitOfWork

__all__ = ["verbs_of"]

Lead = Mapping[str, Any]

_PARAMS = (
    FieldSpec(
        "customer",
        Reference("customer"),
        _l("Customer"),
        help=_l("Empty: the one of that name; if there is none, a new one."),
    ),
    FieldSpec(
        "separate",
        Boolean(),
        _l("Another customer all the same"),
        help=_l("A new customer, though there is one of that name."),
        default=False,
    ),
    FieldSpec(
        "source",
        ChoiceField(SOURCES),
        _l("Source"),
        help=_l("Of a new customer. Empty: that of the lead."),
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
        own, params=_PARAMS, handler=partial(convert, own=own, reader=actor), replaces=True
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
    """Mark leads as converted, and make of each a customer, a contact and an opportunity.

    Customers that are there already are found by name, as far as ``reader`` may see them: somebody
    else's are named and refused, unless ``separate`` says that it is another company.
    """
    _require_rights(uow, reader, params)
    found: dict[str, Any] = dict(own.handler(uow, leads, {}))
    made: dict[str, list[int]] = {"customers": [], "contacts": [], "opportunities": []}
    for lead in leads:
        customer = params["customer"] or _customer(uow, lead, params, reader)
        contact = _contact(uow, lead, customer)
        made["customers"].append(customer)
        made["contacts"] += [contact] if contact is not None else []
        if not params["without_opportunity"]:
            made["opportunities"].append(_opportunity(uow, lead, customer, contact, params))
    return {**found, **made}


def _require_rights(uow: UnitOfWork, reader: Actor, params: Mapping[str, Any]) -> None:
    wanted = ["customer"] if params["customer"] is None else []
    wanted += [] if params["without_opportunity"] else ["opportunity"]
    for name in wanted:
        spec = uow.entity(name)
        if not reader.is_system and not reader.access(spec).may("create"):
            raise Forbidden(_("You do not have the right to do this."))


def _customer(uow: UnitOfWork, lead: Lead, params: Mapping[str, Any], reader: Actor) -> int:
    """The customer of the lead's name, or a new one."""
    if not params["separate"]:
        with uow.seen_by(reader):
            hits = duplicates.of_name(uow, company_key(lead["company"]))
        mine = [hit for hit in hits if hit.is_readable]
        if mine:
            return mine[0].id
        if hits:
            message = duplicates.said(hits[0])
            raise Invalid(message, [Problem("separate", "duplicate", message)])
    values = {
        name: lead.get(name)
        for name in ("province", "city", "address", "industry", "phone", "tags", "owner")
    }
    source = params["source"] or lead.get("source") or OTHER
    known = {choice.value for choice in SOURCES}
    values |= {"name": lead["company"], "source": source if source in known else OTHER}
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
