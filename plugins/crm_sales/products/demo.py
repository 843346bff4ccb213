"""The demonstration story, third part: what the machinery maker sells, at what prices, and what it quoted."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.entities import query, service
from core.entities.query import ListQuery

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["PRODUCTS", "QUOTES", "tell"]

_SEED = 370_711
#: Of the likeliest ongoing deals; the others have lines of their own.
QUOTES = 18

#: Category, name, code, unit, list price, cost.
PRODUCTS = (
    ("包装与码垛", "全自动码垛机", "MDJ-800", "台", 268_000, 171_000),
    ("包装与码垛", "装箱机器人单元", "ZXJ-120", "套", 398_000, 262_000),
    ("包装与码垛", "纸垛翻转机", "ZDF-15", "台", 126_000, 80_500),
    ("包装与码垛", "自动裹膜机", "GMJ-20", "台", 59_800, 37_000),
    ("包装与码垛", "吨袋自动拆包机", "CBJ-10", "台", 158_000, 101_000),
    ("包装与码垛", "粉料灌装线", "GZX-60", "条", 618_000, 402_000),
    ("焊接与涂装", "箱体焊接工作站", "HJZ-2", "套", 428_000, 281_000),
    ("焊接与涂装", "喷涂输送线", "PTX-30", "条", 688_000, 455_000),
    ("输送设备", "托盘输送系统", "TPS-24", "套", 526_000, 341_000),
    ("输送设备", "管材打捆机", "DKJ-6", "台", 98_000, 61_500),
    ("起重与搬运", "剪叉式升降平台", "JCP-3", "台", 66_000, 41_000),
    ("起重与搬运", "桁架上下料机械手", "HJS-50", "台", 386_000, 249_000),
    ("起重与搬运", "轮毂翻转机", "LGF-8", "台", 142_000, 90_000),
    ("服务", "安装调试", "FW-01", "人天", 1_200, 700),
    ("服务", "三年延保", "FW-03", "份", 18_000, 6_000),
)
_ABOVE = {"包装与码垛": "整机", "焊接与涂装": "整机", "输送设备": "整机", "起重与搬运": "整机"}
_BELT = "皮带输送线"
_FORMULA = (
    'ROUND(长度 * 带宽 / 1000 * 48 * LOOKUP(材质, day_number, "价格", "number", "at or below")'
    " + 功率 * 1450 + 长度 * 620, 0) + IF(运输距离 > 200, (运输距离 - 200) * 7.5, 0)"
)
_PARAMETERS = (
    {"name": "长度", "unit": "m", "minimum": "2", "maximum": "200", "default_value": "12"},
    {"name": "带宽", "unit": "mm", "minimum": "300", "maximum": "1600", "default_value": "650"},
    {"name": "功率", "unit": "kW", "minimum": "0.75", "maximum": "90", "default_value": "7.5"},
    {
        "name": "材质",
        "kind": "choice",
        "choices": ["Q235", "304不锈钢"],
        "default_value": "Q235",
    },
    {"name": "运输距离", "unit": "km", "minimum": "0", "maximum": "5000", "default_value": "200"},
)
#: Yuan a kilogram, from month to month, the latest last.
_STEEL = {
    "Q235": ("3.92", "3.88", "3.95", "4.06", "4.12", "4.08"),
    "304不锈钢": ("14.2", "14.35", "14.1", "14.6", "14.95", "15.1"),
}
_RATES = (("USD", "7.12", "7.08"), ("EUR", "8.22", "8.31"), ("JPY", "0.0472", "0.0465"))


def tell(uow: UnitOfWork) -> list[str]:
    """Make products, raw material prices, price lists, rates, limits, and quotes of open deals."""
    # Which deals are quoted is invented; nothing secret hangs on it.
    rng = random.Random(_SEED)  # noqa: S311
    today = uow.clock.today()
    products = _products(uow)
    _steel(uow, today)
    _prices(uow, products, today)
    _limits(uow)
    quotes = _quotes(uow, rng, products, today)
    return [f"{len(products)} products, {quotes} quotes"]


def _products(uow: UnitOfWork) -> dict[str, int]:
    (above,) = service.create(uow, "product_category", [{"name": "整机"}])
    names = list(dict.fromkeys(row[0] for row in PRODUCTS))
    made = service.create(
        uow,
        "product_category",
        [{"name": name, "parent": above if name in _ABOVE else None} for name in names],
    )
    category = dict(zip(names, made, strict=True))
    rows: list[dict[str, Any]] = [
        {
            "category": category[group],
            "name": name,
            "code": code,
            "unit": unit,
            "list_price": Decimal(price),
            "cost": Decimal(cost),
            "tax_rate": Decimal(6 if group == "服务" else 13),
        }
        for group, name, code, unit, price, cost in PRODUCTS
    ]
    rows.append(
        {
            "category": category["输送设备"],
            "name": _BELT,
            "code": "PDX",
            "unit": "条",
            "cost": Decimal(118_000),
            "tax_rate": Decimal(13),
            "parameters": [dict(each) for each in _PARAMETERS],
            "price_formula": _FORMULA,
        }
    )
    keys = service.create(uow, "product", rows)
    found = {row["name"]: key for row, key in zip(rows, keys, strict=True)}
    variants = [
        {
            "name": f"剪叉式升降平台 {load}",
            "code": f"JCP-3-{code}",
            "unit": "台",
            "category": category["起重与搬运"],
            "variant_of": found["剪叉式升降平台"],
            "list_price": price,
            "attributes": [
                {"name": "载重", "value": load},
                {"name": "台面", "value": plate},
            ],
        }
        for load, code, plate, price in (
            ("2 吨", "20", "花纹钢板", None),
            ("5 吨", "50", "花纹钢板", Decimal(88_000)),
            ("5 吨防爆", "50EX", "不锈钢", Decimal(126_000)),
        )
    ]
    service.create(uow, "product", variants)
    return found


def _steel(uow: UnitOfWork, today: date) -> None:
    names = list(_STEEL)
    tables = service.create(
        uow,
        "lookup_table",
        [
            {
                "name": name,
                "label": f"{name} 原料价（元/kg）",
                "key_label": "日期",
                "column_1": "价格",
            }
            for name in names
        ],
    )
    rows = []
    for name, table in zip(names, tables, strict=True):
        # An old price first, so that every day has one.
        rows.append({"table": table, "key": "20200101", "value_1": _STEEL[name][0]})
        for back, price in enumerate(reversed(_STEEL[name])):
            day = (today.replace(day=1) - timedelta(days=30 * back)).replace(day=1)
            rows.append({"table": table, "key": f"{day:%Y%m%d}", "value_1": price})
    service.create(uow, "lookup_row", list({(r["table"], r["key"]): r for r in rows}.values()))


def _prices(uow: UnitOfWork, products: Mapping[str, int], today: date) -> None:
    year = date(today.year, 1, 1)
    before = year - timedelta(days=365)
    hand = [name for group, name, *_rest in PRODUCTS if group == "起重与搬运"]
    lists = [
        {
            "name": f"{before.year} 年标准价",
            "valid_from": date(before.year, 1, 1),
            "valid_to": year - timedelta(days=1),
            "items": [
                {"product": products[name], "discount": Decimal(3)}
                for _group, name, *_rest in PRODUCTS
            ],
        },
        {
            "name": f"{year.year} 年批量价",
            "valid_from": year,
            "items": [
                {"product": products[name], "minimum_quantity": Decimal(n), "discount": Decimal(d)}
                for name in hand
                for n, d in ((3, 4), (10, 8))
            ],
        },
        {
            "name": f"{year.year} 年重点客户价",
            "customer_level": "A",
            "valid_from": year,
            "items": [
                {"product": products[name], "discount": Decimal(5)}
                for _group, name, *_rest in PRODUCTS
            ],
        },
        {
            "name": f"{year.year} 年出口价",
            "currency": "USD",
            "valid_from": year,
            "items": [
                {"product": products[name], "price": Decimal(price)}
                for name, price in (("全自动码垛机", 39_800), ("自动裹膜机", 8_900))
            ],
        },
    ]
    service.create(uow, "price_list", lists)
    rates = []
    for currency, first, second in _RATES:
        rates.append({"currency": currency, "valid_from": before, "rate": Decimal(first)})
        rates.append(
            {
                "currency": currency,
                "valid_from": today.replace(day=1),
                "rate": Decimal(second),
            }
        )
    service.create(uow, "exchange_rate", rates)


def _limits(uow: UnitOfWork) -> None:
    limits = {"sales": Decimal(8), "sales_manager": Decimal(20)}
    asked = ListQuery(fields=("name",), limit=100)
    roles = {row["name"]: row["id"] for row in query.page(uow, "role", asked).items}
    service.create(
        uow,
        "discount_limit",
        [{"role": roles[name], "limit": limit} for name, limit in limits.items() if name in roles],
    )


def _quotes(uow: UnitOfWork, rng: random.Random, products: Mapping[str, int], today: date) -> int:
    # What lies in a pool has nobody who would quote.
    theirs = [
        {"field": "status", "op": "eq", "value": "open"},
        {"field": "owner", "op": "is_set"},
    ]
    fields = ("name", "customer", "owner", "currency", "probability")
    asked = ListQuery(fields=fields, filter={"all": theirs}, sort="-probability,id", limit=QUOTES)
    deals = query.page(uow, "opportunity", asked).items
    quotes = []
    for deal in deals:
        machine = next((name for name in products if name in deal["name"]), None)
        if machine is None:
            continue
        day = today - timedelta(days=rng.randint(1, 25))
        quotes.append(
            {
                "customer": deal["customer"],
                "opportunity": deal["id"],
                "currency": deal["currency"],
                "quoted_on": day,
                "valid_until": day + timedelta(days=30),
                "terms": rng.choice(
                    (
                        "合同签订付 30%，发货前付 60%，验收后付 10%。",
                        "预付 40%，到货付 50%，质保金 10% 一年后付清。",
                    )
                ),
                "owner": deal["owner"],
                "lines": _lines(rng, deal["name"], machine, products),
            }
        )
    made = service.create(uow, "quote", quotes)
    out = [key for place, key in enumerate(made) if place % 3]
    service.act(uow, "quote", "submit", out)
    again = out[::4]
    service.act(uow, "quote", "revise", again)
    _bargain(uow, again)
    service.act(uow, "quote", "submit", again)
    service.act(uow, "quote", "accept", out[1::7])
    return len(made)


def _lines(
    rng: random.Random, deal: str, machine: str, products: Mapping[str, int]
) -> list[dict[str, Any]]:
    pieces = next((n for n in (2, 3) if f"{n}台" in deal), 1)
    line: dict[str, Any] = {
        "product": products[machine],
        "quantity": Decimal(pieces),
        "discount": Decimal(rng.choice((0, 0, 2, 3, 5))),
    }
    if machine == _BELT:
        line["parameters"] = {
            "长度": str(rng.choice((12, 18, 24, 36))),
            "带宽": str(rng.choice((500, 650, 800))),
            "功率": rng.choice(("5.5", "7.5", "11", "15")),
            "材质": rng.choice(("Q235", "304不锈钢")),
            "运输距离": str(rng.choice((80, 240, 360, 900))),
        }
    lines = [line, {"product": products["安装调试"], "quantity": Decimal(rng.randint(2, 6))}]
    if rng.random() < 0.3:
        lines.append({"product": products["三年延保"], "quantity": Decimal(pieces)})
    return lines


def _bargain(uow: UnitOfWork, quotes: list[int]) -> None:
    """In the second version some more discount was agreed."""
    for key in quotes:
        record = query.get(uow, "quote", key)
        first = record.values["lines"][0]
        discount = (first["discount"] or Decimal(0)) + 2
        service.update(uow, "quote_line", {first["id"]: {"discount": discount}})
