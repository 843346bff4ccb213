"""Rules that contracts keep, and who may do what with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities.changes import Change
from core.errors import Problem
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import RoleTemplate
from plugins.contracts.lines import FOLLOWING, have_lines, locked, validate_lines

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["ROLES", "validate"]

#: What may change once a contract is signed: the note, which is ours and no part of what was agreed, and
#: who looks after it, since people come and go.
_ALWAYS_FREE = frozenset({"note", "owner", "department", "version", "updated_at", "updated_by"})

_VERBS = ("sign", "terminate")
_ORDINARY = ("read", "create", "update", "delete", "import")
_READ = {"read": "all"}
#: Whoever looks after all contracts sees what they are made of.
_ALL = {
    "contract": dict.fromkeys((*_ORDINARY, "export", *_VERBS), "all"),
    "customer": _READ,
    "opportunity": {"read": "all", "make_contract": "all"},
    "quote": {"read": "all", "make_contract": "all"},
    "product": _READ,
    "product_category": _READ,
}

ROLES = (
    RoleTemplate(
        "sales",
        _l("Sales"),
        {
            "contract": dict.fromkeys((*_ORDINARY, *_VERBS), "own"),
            "opportunity": {"make_contract": "own"},
            "quote": {"make_contract": "own"},
        },
    ),
    RoleTemplate(
        "sales_manager",
        _l("Sales manager"),
        {
            "contract": dict.fromkeys((*_ORDINARY, "export", *_VERBS), "department_below"),
            "opportunity": {"make_contract": "department_below"},
            "quote": {"make_contract": "department_below"},
        },
    ),
    RoleTemplate("finance", _l("Finance"), _ALL),
    RoleTemplate("legal", _l("Legal"), _ALL, fields={"product": {"cost": "hidden"}}),
)


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Problems of changes to contracts and their lines; none for other entities."""
    match changes[0].entity.name:
        case "contract":
            return list(_validate_contracts(changes, uow))
        case "contract_line":
            return validate_lines(changes, uow)
    return ()


def _validate_contracts(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    written = [change for change in changes if change.kind in ("create", "update")]
    for change in changes:
        yield from _locked(change, uow)
    for change in written:
        yield from _days(change)
        yield from _money(change)
    yield from _typed(written, uow)
    yield from _origins(written, uow)
    yield from _second(changes, uow)


def _locked(change: Change, uow: UnitOfWork) -> Iterable[Problem]:
    status = change.before.get("status", "draft")
    if uow.actor.is_system or status == "draft":
        return
    if change.kind == "delete":
        message = _("A signed contract is not deleted; terminate it instead.")
        yield change.problem("status", "locked", message)
    elif change.kind == "update":
        for name in change.changed_fields():
            if name not in _ALWAYS_FREE:
                yield change.problem(name, "locked", locked())
        if "lines" in change.detached and _ids(change.detached) != _ids(change.before):
            yield change.problem("lines", "locked", locked())


def _ids(values: Mapping[str, Any]) -> list[Any]:
    """The numbers of lines, in their order; one that is new has none."""
    return [line.get("id") for line in values.get("lines") or ()]


def _days(change: Change) -> Iterable[Problem]:
    after = change.after
    begins = after["starts_on"] or after["signed_on"]
    if begins is not None and after["ends_on"] is not None and after["ends_on"] < begins:
        yield change.problem("ends_on", "range", _("It would end before it begins."))
    signed = after["status"] not in ("draft", "in_approval", "approved")
    if signed and after["signed_on"] is None:  # of an import by the system
        yield change.problem("signed_on", "required", _("Please fill this in."))


def _money(change: Change) -> Iterable[Problem]:
    amount = change.after["amount"]
    if amount is not None and amount < 0:
        yield change.problem("amount", "range", _("An amount is not negative."))
    emptied = change.kind == "update" and change.after["currency"] is None
    if emptied and amount is not None:
        yield change.problem("currency", "required", _("An amount needs its currency."))


def _typed(written: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Amounts that somebody typed although lines decide them."""
    if uow.memo.get(FOLLOWING):
        return
    touched = {
        change.id: change
        for change in written
        if change.id is not None and change.changed("amount") and "lines" not in change.detached
    }
    for key, total in have_lines(uow, touched).items():
        if touched[key].after["amount"] != total:
            message = _("The amount is the sum of the lines; change those, or take them out.")
            yield touched[key].problem("amount", "decided", message)


def _origins(written: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Opportunities and quotes of other customers, and quotes that are no agreement."""
    names = ("customer", "opportunity", "quote")
    touched = [change for change in written if any(change.changed(name) for name in names)]
    deals = _rows(uow, "opportunity", {change.after["opportunity"] for change in touched})
    quotes = _rows(uow, "quote", {change.after["quote"] for change in touched})
    for change in touched:
        after = change.after
        deal, quote = deals.get(after["opportunity"]), quotes.get(after["quote"])
        if deal is not None and deal["customer_id"] != after["customer"]:
            message = _("This opportunity belongs to another customer.")
            yield change.problem("opportunity", "other_customer", message)
        if quote is None:
            continue
        if quote["customer_id"] != after["customer"]:
            message = _("This quotation belongs to another customer.")
            yield change.problem("quote", "other_customer", message)
        elif deal is not None and quote["opportunity_id"] not in (None, deal["id"]):
            message = _("This quotation belongs to another opportunity.")
            yield change.problem("quote", "other_opportunity", message)
        if change.changed("quote") and quote["status"] != "accepted":
            message = _("The customer has not accepted this quotation.")
            yield change.problem("quote", "not_accepted", message)


def _second(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Quotes that have a contract already, also by what else is written now."""
    coming = [
        change
        for change in changes
        if change.kind != "delete"
        and change.after["quote"] is not None
        and (change.changed("quote") or change.kind == "restore")
    ]
    if not coming:
        return
    c = uow.entity("contract").table.c
    rows = uow.execute(
        select(c.id, c.quote_id).where(
            c.quote_id.in_({change.after["quote"] for change in coming}), c.archived_at.is_(None)
        )
    )
    moving = {change.id for change in coming}
    taken = {row.quote_id for row in rows if row.id not in moving}
    for change in coming:
        if change.after["quote"] in taken:
            message = _("This quotation has a contract already.")
            yield change.problem("quote", "taken", message)
        taken.add(change.after["quote"])


def _rows(uow: UnitOfWork, entity: str, keys: set[Any]) -> dict[Any, Mapping[str, Any]]:
    wanted = sorted(key for key in keys if key is not None)
    if not wanted:
        return {}
    table = uow.entity(entity).table
    rows = uow.execute(select(table).where(table.c.id.in_(wanted))).mappings()
    return {row["id"]: dict(row) for row in rows}
