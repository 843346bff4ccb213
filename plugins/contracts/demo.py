"""The demonstration story, after sales: what was agreed with whom, for how long, and what became of it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from core.entities import query, service
from core.entities.query import ListQuery
from plugins.contracts.making import drafts_of
from plugins.contracts.services import turn

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["CONTRACTS", "tell"]

_SEED = 370_721
#: Of the deals that were won last, beside those of accepted quotes.
CONTRACTS = 30
_DELIVERY = (
    "买方工厂车间交货，卖方负责运输及卸车；到货后 7 日内开箱验收。",
    "分两批交付：主机先行，输送线在主机就位后 15 日内到货。",
    "出厂前预验收，安装调试完成并连续运行 72 小时后终验收。",
)
_PAYMENT = (
    "合同签订付 30%，发货前付 60%，验收后付 10%。",
    "预付 40%，到货付 50%，质保金 10% 一年后付清。",
    "月结 60 天，凭验收单开票。",
)
_REASONS = ("客户项目停建，双方协商解除。", "客户产线搬迁，合同终止，已交付部分照常结算。")


def tell(uow: UnitOfWork) -> list[str]:
    """Contracts of accepted quotes, which are drafts, and of deals that were won, which are signed."""
    # What is agreed beside the price is invented; nothing secret hangs on it.
    rng = random.Random(_SEED)  # noqa: S311
    drafts = _of_quotes(uow, rng)
    signed = _of_deals(uow, rng)
    return [f"{drafts + signed} contracts, {drafts} of them drafts"]


def _of_quotes(uow: UnitOfWork, rng: random.Random) -> int:
    quotes = _records(uow, "quote", "accepted", "id")
    drafts = drafts_of(uow, "quote", quotes, {})
    service.create(uow, "contract", [draft | _terms(rng, draft) for draft in drafts])
    return len(drafts)


def _of_deals(uow: UnitOfWork, rng: random.Random) -> int:
    """The newest one is a draft, the next begins in two weeks; two of those in force were broken off since."""
    deals = [
        deal for deal in _records(uow, "opportunity", "won", "-closed_on,id") if deal["amount"]
    ]
    deals, today = deals[:CONTRACTS], uow.clock.today()
    drafts = drafts_of(uow, "opportunity", deals, {})
    for draft, deal in zip(drafts, deals, strict=True):
        signed = min(deal["closed_on"] + timedelta(days=rng.randint(0, 6)), today)
        draft |= _terms(rng, draft) | _term(rng, signed)
        moment = datetime.combine(signed, time(10), uow.clock.timezone)
        draft["created_at"] = min(moment, uow.now())
    for draft in drafts[1:2]:
        later = today + timedelta(days=14)
        draft |= {"kind": "service", "starts_on": later, "ends_on": later + timedelta(days=365)}
    made = service.create(uow, "contract", drafts)
    for key, draft in list(zip(made, drafts, strict=True))[1:]:
        day = draft["created_at"].astimezone(uow.clock.timezone).date()
        service.act(uow, "contract", "sign", [key], {"signed_on": day})
    turn(uow)
    for place, key in enumerate(_in_force(uow)[2::7][: len(_REASONS)]):
        service.act(uow, "contract", "terminate", [key], {"reason": _REASONS[place]})
    return len(made)


def _records(uow: UnitOfWork, entity: str, status: str, sort: str) -> list[dict[str, Any]]:
    wanted = {"field": "status", "op": "eq", "value": status}
    fields = tuple(each.name for each in uow.entity(entity).stored)
    asked = ListQuery(fields=fields, filter=wanted, sort=sort, limit=200, labels=False)
    return query.page(uow, entity, asked).items


def _terms(rng: random.Random, draft: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "payment_terms": draft.get("payment_terms") or rng.choice(_PAYMENT),
        "delivery_terms": rng.choice(_DELIVERY),
        "warranty_months": rng.choice((12, 12, 18, 24)),
    }


def _term(rng: random.Random, signed: date) -> dict[str, Any]:
    """One in four is for service, from year to year; others end with their warranty or a few months on."""
    kind = rng.choice(("sales", "sales", "sales", "service", "framework"))
    months = {"sales": rng.choice((3, 4, 6, 9)), "service": 12, "framework": 24}[kind]
    starts = signed + timedelta(days=rng.choice((0, 0, 5, 20)))
    values = {"kind": kind, "starts_on": starts, "ends_on": starts + timedelta(days=30 * months)}
    if kind == "sales":
        values["deliver_by"] = starts + timedelta(days=rng.choice((45, 60, 90)))
    return values


def _in_force(uow: UnitOfWork) -> list[int]:
    wanted = {"field": "status", "op": "eq", "value": "active"}
    asked = ListQuery(filter=wanted, sort="id")
    return query.select_ids(uow, "contract", asked, action="read", limit=200)
