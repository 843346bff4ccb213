"""What a product costs whom: the order of precedence, formulas, exchange rates, and why."""

from __future__ import annotations

import time
from datetime import date
from decimal import Decimal

import pytest

from core.entities import service
from plugins.crm_sales.products import parameters
from plugins.crm_sales.products.prices import price_for, read_book, read_buyers, said

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

DAY = date(2026, 6, 15)


@pytest.fixture
def goods(make):
    return make("product", name="码垛机", code="MD", list_price="1000")


@pytest.fixture
def buyer(make):
    return make(
        "customer", name="潍坊鼎源农机有限公司", level="A", province="山东省", city="潍坊市"
    )


@pytest.fixture
def lists(make, goods):
    """``lists(name, price, **rule)``: a list with one price for the product."""

    def add(name, price=None, *, discount=None, minimum="0", product=None, **rule):
        item = {"product": product or goods, "minimum_quantity": minimum}
        item |= {"price": price} if discount is None else {"discount": discount}
        rule = {"currency": "CNY", "valid_from": "2026-01-01"} | rule
        return make("price_list", name=name, items=[item], **rule)

    return add


@pytest.fixture
def ask(unit_of_work, goods, buyer):
    """``ask(**what)``: the price and the reasons' codes."""

    def find(product=None, *, quantity="1", currency="CNY", day=DAY, customer=buyer, **more):
        with unit_of_work(write=False) as uow:
            return price_for(
                uow,
                product or goods,
                customer=customer,
                quantity=Decimal(quantity),
                currency=currency,
                day=day,
                **more,
            )

    return find


def chosen(price):
    """The list that decided."""
    return next((each["list"] for each in price.reasons if each["code"] == "list"), None)


def test_without_lists_it_is_the_list_price(ask):
    price = ask()
    assert str(price.unit_price) == "1000.00"
    assert [each["code"] for each in price.reasons] == ["own", "price"]


def test_the_order_of_precedence(ask, lists, make, unit_of_work):
    """S-076: priority, then level, then the nearest region, then what began later."""
    lists("全部", "900")
    assert chosen(ask()) == "全部"
    lists("山东", "890", region="370000")
    assert chosen(ask()) == "山东"
    lists("潍坊", "880", region="370700")
    assert chosen(ask()) == "潍坊"
    lists("A 级", "870", customer_level="A")
    assert chosen(ask()) == "A 级"
    lists("A 级潍坊", "860", customer_level="A", region="370700")
    assert chosen(ask()) == "A 级潍坊"
    first = lists("优先", "950", priority=1)
    price = ask()
    assert (chosen(price), str(price.unit_price)) == ("优先", "950.00")
    named = lists("B 级", "700", customer_level="B")
    assert chosen(ask(price_list=named)) == "B 级"
    assert any(each.get("why") == "level" for each in ask().reasons)
    with unit_of_work() as uow:
        service.update(uow, "price_list", {first: {"is_active": False}})
    elsewhere = make("customer", name="苏州锐动自动化有限公司", province="江苏省")
    assert chosen(ask(customer=elsewhere)) == "全部"
    assert chosen(ask(customer=None)) == "全部"


def test_lists_count_for_their_days(ask, lists):
    """S-076: two versions, each for its time."""
    lists("上半年", "900", valid_to="2026-06-30")
    lists("下半年", "950", valid_from="2026-07-01")
    assert chosen(ask(day=date(2026, 6, 30))) == "上半年"
    assert chosen(ask(day=date(2026, 7, 1))) == "下半年"
    assert chosen(ask(day=date(2025, 12, 31))) is None
    told = [said(each) for each in ask(day=date(2026, 7, 1)).reasons]
    assert any("上半年" in each for each in told)


def test_more_costs_less_a_piece(ask, make, goods):
    items = [
        {"product": goods, "minimum_quantity": "1", "price": "990"},
        {"product": goods, "minimum_quantity": "10", "price": "950"},
        {"product": goods, "minimum_quantity": "100", "discount": "12.5"},
    ]
    make("price_list", name="阶梯", currency="CNY", valid_from="2026-01-01", items=items)
    found = [str(ask(quantity=n).unit_price) for n in ("0.5", "1", "9.999", "10", "100", "5000")]
    assert found == ["1000.00", "990.00", "990.00", "950.00", "875.00", "875.00"]


def test_a_variant_has_what_its_main_product_has(ask, make, lists, goods):
    variant = make("product", name="码垛机 380V", code="MD-380", variant_of=goods)
    assert str(ask(variant).unit_price) == "1000.00"
    lists("全部", "900")
    assert str(ask(variant).unit_price) == "900.00"
    lists("变型", "910", product=variant, priority=2)
    assert (str(ask(variant).unit_price), str(ask().unit_price)) == ("910.00", "900.00")


def test_other_currencies(ask, make, lists):
    """A list in that currency comes first; else the rate of the day, and none is an error."""
    missing = ask(currency="USD")
    assert missing.unit_price is None
    assert missing.problem[:2] == ("unit_price", "no_rate")
    assert "USD" in missing.problem[2]
    make("exchange_rate", currency="USD", valid_from="2026-06-01", rate="7.2")
    make("exchange_rate", currency="USD", valid_from="2026-06-10", rate="7.0")
    make("exchange_rate", currency="JPY", valid_from="2026-06-01", rate="0.048")
    assert ask(currency="USD", day=date(2026, 5, 31)).problem is not None
    assert str(ask(currency="USD", day=date(2026, 6, 9)).unit_price) == "138.89"
    assert str(ask(currency="USD").unit_price) == "142.86"
    assert str(ask(currency="JPY").unit_price) == "20833"
    lists("全部", "900")
    assert str(ask(currency="USD").unit_price) == "128.57"
    lists("出口", "131.5", currency="USD")
    assert (str(ask(currency="USD").unit_price), str(ask().unit_price)) == ("131.50", "900.00")


# Configured products

FORMULA = (
    'ROUND(功率 * 1200 + 重量 * LOOKUP(材质, day_number, "价格", "number", "at or below") * 1.15, 2)'
    " + IF(距离 > 100, (距离 - 100) * 6.5, 0)"
)
PARAMETERS = [
    {"name": "功率", "unit": "kW", "minimum": "1", "maximum": "200"},
    {"name": "重量", "unit": "kg", "minimum": "1"},
    {"name": "材质", "kind": "choice", "choices": ["304", "Q235"], "default_value": "Q235"},
    {"name": "距离", "unit": "km", "default_value": "0"},
]


@pytest.fixture
def steel(make):
    """Raw material by day: the price of 304 went up on 10 June."""
    for name, prices in (
        ("304", (("20260101", "15.2"), ("20260610", "16.05"))),
        ("Q235", (("20260101", "4.1"),)),
    ):
        table = make("lookup_table", name=name, label=f"{name} 原料价", column_1="价格")
        for key, price in prices:
            make("lookup_row", table=table, key=key, value_1=price)


@pytest.fixture
def belt(make, steel):
    return make("product", name="输送机", code="SS", parameters=PARAMETERS, price_formula=FORMULA)


GIVEN = {"功率": "15", "重量": "820.5", "材质": "304", "距离": "340"}


def typed(given):
    values, wrong = parameters.read([parameters.parameter_of(each) for each in PARAMETERS], given)
    assert wrong == []
    return values


@pytest.mark.parametrize(
    ("day", "given", "price"),
    [
        (DAY, {}, "34704.38"),  # 18000 + 820.5 * 16.05 * 1.15 = 33144.37875, and 240 * 6.5
        (date(2026, 6, 9), {}, "33902.34"),  # 820.5 * 15.2 * 1.15 = 14342.34
        (DAY, {"材质": "Q235"}, "23428.66"),
        (DAY, {"距离": "100"}, "33144.38"),
        (DAY, {"功率": "16"}, "35904.38"),
    ],
)
def test_a_configured_product_is_reckoned_as_by_hand(ask, belt, day, given, price):
    """S-078: parameters, raw material of the day, and distance."""
    assert str(ask(belt, day=day, parameters=typed(GIVEN | given)).unit_price) == price


def test_it_is_told_step_by_step(ask, belt):
    found = ask(belt, parameters=typed(GIVEN))
    (formula,) = [each for each in found.reasons if each["code"] == "formula"]
    steps = {each["text"]: each["value"] for each in formula["steps"]}
    assert formula["formula"] == FORMULA
    assert steps["功率"] == "15"
    assert steps["功率 * 1200"] == "18000"
    assert steps['LOOKUP(材质, day_number, "价格", "number", "at or below")'] == "16.05"
    assert steps["(距离 - 100) * 6.5"] == "1560"
    near = ask(belt, parameters=typed(GIVEN | {"距离": "10"}))
    (formula,) = [each for each in near.reasons if each["code"] == "formula"]
    assert "(距离 - 100) * 6.5" not in {each["text"] for each in formula["steps"]}


def test_a_formula_without_a_price_says_what_is_to_blame(ask, make, steel):
    asked = [{"name": "长", "minimum": "0"}, {"name": "材质", "kind": "text"}]
    cases = {
        "1000 / 长": "1000 / 长",
        'LOOKUP("304", 材质, "价格")': "LOOKUP",
        "长 - 5": "-5",
    }
    for number, (formula, word) in enumerate(cases.items()):
        product = make(
            "product", name="x", code=f"X{number}", parameters=asked, price_formula=formula
        )
        found = ask(product, parameters={"长": Decimal(0), "材质": "金"})
        assert found.unit_price is None
        assert found.problem[:2] == ("parameters", "formula")
        assert word in found.problem[2]


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        ({}, {"required"}),
        ({"功率": "0.5", "重量": "1"}, {"range"}),
        ({"功率": "201", "重量": "-1"}, {"range"}),
        ({"功率": "很大", "重量": "1e9"}, {"number"}),
        ({"功率": "NaN", "重量": [1]}, {"number", "type"}),
        ({"功率": "5", "重量": "5", "材质": "金", "颜色": "红"}, {"choice", "unknown"}),
        ({"功率": True, "重量": "5"}, {"type"}),
    ],
)
def test_parameters_are_held_to_their_bounds(given, codes):
    asked = [parameters.parameter_of(each) for each in PARAMETERS]
    _values, wrong = parameters.read(asked, given)
    assert {each.code for each in wrong} == codes


def test_a_configured_line_is_reckoned_in_milliseconds(unit_of_work, belt, buyer):
    """Under 5 ms, steps and reasons included; twenty at once are no more work a piece."""
    with unit_of_work(write=False) as uow:
        book, buyers = read_book(uow, [belt]), read_buyers(uow, [buyer])
        arguments = {
            "buyer": buyers[buyer],
            "quantity": Decimal(1),
            "currency": "CNY",
            "day": DAY,
            "parameters": typed(GIVEN),
        }
        book.price(belt, **arguments)
        began = time.process_time()
        for _each in range(20):
            book.price(belt, **arguments)
        spent = (time.process_time() - began) / 20
    assert spent < 0.005, spent
