"""Lines of contracts: what they come to, what is refused of them, and the amount that follows.

Amounts are rounded by the rule of quotes (`plugins.crm_sales.products.money`): each line once, half up, to the
decimals of its currency; the contract's amounts are the sums of what stands in the lines. So a contract that
is made of a quote comes to the same, to the cent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from core.entities import service
from core.entities.changes import Change
from core.errors import Problem
from core.i18n import gettext as _
from core.settings.service import get_setting
from plugins.crm_sales.api import LARGEST, line_amounts, rounded

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "FOLLOWING",
    "IN_HAND",
    "follow",
    "have_lines",
    "locked",
    "prepare_lines",
    "validate_lines",
]

_HUNDRED, _ZERO = Decimal(100), Decimal(0)
#: In the memo of a transaction: lines are being written with their contracts, which see to the sums;
#: amounts are being written by `follow`, and not by hand; what was worked out for each change of a line.
IN_HAND = "contracts.lines in hand"
FOLLOWING = "contracts.following"
_WORKED = "contracts.worked lines"


class _Head(NamedTuple):
    """What of a contract its lines depend on."""

    currency: str
    tax_included: bool
    status: str


class _Goods(NamedTuple):
    """What of a product a line takes over where nothing is written."""

    unit: str | None
    tax_rate: Decimal | None


def locked() -> str:
    """Why a contract that is signed stays as it is."""
    return _("A signed contract stays as it is; only note, owner and department are changed.")


def validate_lines(changes: Sequence[Change], uow: UnitOfWork) -> list[Problem]:
    """Work the lines out, keep that for `prepare_lines`, and tell what is wrong."""
    heads = _heads(uow, {v["contract"] for c in changes for v in (c.before, c.after) if v})
    problems, written = [], []
    for change in changes:
        rows = (change.before, change.after) if change.before else (change.after,)
        is_locked = any(heads[row["contract"]].status != "draft" for row in rows)
        if is_locked and not uow.actor.is_system:
            if change.kind == "update" and not change.changed_fields():
                continue  # sent along with its contract, as forms do
            where = (change.changed_fields() or ["contract"])[0] if change.before else "contract"
            problems.append(change.problem(where, "locked", locked()))
        elif change.kind in ("create", "update"):
            written.append(change)
    goods = _goods(uow, {change.after["product"] for change in written})
    worked: dict[int, dict[str, Any]] = uow.memo.setdefault(_WORKED, {})
    for change in written:
        values, wrong = _work_out(change.after, heads[change.after["contract"]], goods)
        problems += [change.problem(*each) for each in wrong]
        worked[id(change)] = values
    return problems


def prepare_lines(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Give the lines what was worked out for them."""
    worked: dict[int, dict[str, Any]] = uow.memo.pop(_WORKED, {})
    for change in changes:
        for name, value in worked.get(id(change), {}).items():
            change.set(name, value)


def _work_out(
    line: Mapping[str, Any], head: _Head, products: Mapping[int, _Goods]
) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """(the derived values of a line, (field, code, message) of what stands against it)."""
    wrong: list[tuple[str, str, str]] = []
    goods = products.get(line["product"], _Goods(None, None))
    if line["product"] is None and not line["description"]:
        wrong.append(("product", "required", _("Name a product, or describe what is agreed.")))
    quantity, price = line["quantity"], line["unit_price"]
    if quantity is not None and quantity <= 0:
        wrong.append(("quantity", "range", _("A quantity is more than nothing.")))
    if price is not None and price < 0:
        wrong.append(("unit_price", "range", _("A price is not negative.")))
    rate = goods.tax_rate if line["tax_rate"] is None else line["tax_rate"]
    percents = {"discount": line["discount"] or _ZERO, "tax_rate": rate or _ZERO}
    for name, value in percents.items():
        if not 0 <= value <= _HUNDRED:
            wrong.append((name, "range", _("Write a number from 0 to 100.")))
    if wrong or quantity is None or price is None:  # what is missing is told already
        return {}, wrong
    price = rounded(price, head.currency)
    amounts = line_amounts(
        quantity,
        price,
        percents["discount"],
        percents["tax_rate"],
        currency=head.currency,
        tax_included=head.tax_included,
    )
    if max(price, *amounts) >= LARGEST:
        return {}, [("quantity", "range", _("This comes to too large an amount."))]
    return {
        **percents,
        "currency": head.currency,
        "unit": line["unit"] or goods.unit,
        "unit_price": price,
        "net_amount": amounts.net,
        "tax_amount": amounts.tax,
        "amount": amounts.gross,
    }, []


def _heads(uow: UnitOfWork, keys: set[int]) -> dict[int, _Head]:
    table, company = uow.entity("contract").table, get_setting(uow, "core", "currency")
    rows = uow.execute(
        select(table.c.id, table.c.currency, table.c.tax_included, table.c.status).where(
            table.c.id.in_(sorted(keys))
        )
    )
    return {
        row.id: _Head(row.currency or company, bool(row.tax_included), row.status) for row in rows
    }


def _goods(uow: UnitOfWork, keys: set[Any]) -> dict[int, _Goods]:
    wanted = sorted(key for key in keys if key is not None)
    if not wanted:
        return {}
    table = uow.entity("product").table
    rows = uow.execute(
        select(table.c.id, table.c.unit, table.c.tax_rate).where(table.c.id.in_(wanted))
    )
    return {row.id: _Goods(row.unit, row.tax_rate) for row in rows}


# What follows


class _Sums:
    """The sums of what stands in the lines of one contract."""

    def __init__(self) -> None:
        self.net = self.tax = self.gross = _ZERO


def _sums(uow: UnitOfWork, keys: Iterable[int]) -> dict[int, _Sums]:
    """By contract with lines; added up here, where decimals are exact in every database."""
    table = uow.entity("contract_line").table
    c = table.c
    rows = uow.execute(
        select(c.contract_id, c.net_amount, c.tax_amount, c.amount).where(
            c.contract_id.in_(sorted(set(keys))), c.archived_at.is_(None)
        )
    )
    found: dict[int, _Sums] = {}
    for row in rows:
        sums = found.setdefault(row.contract_id, _Sums())
        sums.net += row.net_amount or _ZERO
        sums.tax += row.tax_amount or _ZERO
        sums.gross += row.amount or _ZERO
    return found


def have_lines(uow: UnitOfWork, keys: Iterable[int]) -> dict[int, Decimal]:
    """What the lines come to, of those of the contracts that have lines."""
    wanted = list(keys)
    return {key: sums.gross for key, sums in _sums(uow, wanted).items()} if wanted else {}


def follow(uow: UnitOfWork, keys: Iterable[int]) -> None:
    """Give these contracts the amounts that their lines come to; without lines there is only what was typed."""
    wanted = sorted(set(keys))
    if not wanted:
        return
    found = _sums(uow, wanted)
    c = uow.entity("contract").table.c
    rows = uow.execute(select(c.id, c.amount, c.net_amount, c.tax_amount).where(c.id.in_(wanted)))
    values: dict[int, dict[str, Any]] = {}
    for row in rows:
        sums = found.get(row.id)
        new = (row.amount, None, None) if sums is None else (sums.gross, sums.net, sums.tax)
        if (row.amount, row.net_amount, row.tax_amount) != new:
            values[row.id] = dict(zip(("amount", "net_amount", "tax_amount"), new, strict=True))
    if values:
        uow.memo[FOLLOWING] = True
        try:
            service.update(uow, "contract", values)
        finally:
            uow.memo.pop(FOLLOWING, None)
