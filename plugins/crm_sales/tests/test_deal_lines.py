"""Products of opportunities: priced like those of quotes, and what decides the amount."""

from __future__ import annotations

import pytest

from core.entities import service
from core.errors import Invalid

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def customer(make, team):
    return make("customer", team.fu, name="潍坊鼎源农机有限公司", level="A")


@pytest.fixture
def robot(make):
    return make("product", name="码垛机", code="MD", list_price="33.33", unit="台")


@pytest.fixture
def cable(make):
    return make("product", name="电缆", code="DL", list_price="0.35", unit="米", tax_rate="6")


@pytest.fixture
def deal(make, team, customer):
    """``deal(**values) -> id`` of somebody who sells."""

    def run(**values):
        return make("opportunity", team.fu, **{"name": "码垛机", "customer": customer} | values)

    return run


@pytest.fixture
def change(unit_of_work, team):
    """``change(id, **values)`` of an opportunity by who sells it."""

    def run(key, entity="opportunity", person=team.fu, **values):
        with unit_of_work(person) as uow:
            service.update(uow, entity, {key: values})

    return run


def amount_of(read, key):
    values = read("opportunity", key)
    return str(values["amount"]), values["currency"]


def test_the_amount_is_the_sum_of_the_lines_to_the_cent(
    cable, change, customer, deal, make, read, robot
):
    """Each line is rounded once, as those of quotes are; the total is the sum of what stands there."""
    make(
        "price_list",
        name="重点",
        customer_level="A",
        valid_from="2020-01-01",
        items=[{"product": robot, "discount": "3"}],
    )
    lines = [
        {"product": robot, "quantity": "3", "discount": "2.5"},
        {"product": cable, "quantity": "12.345"},
    ]
    key = deal(amount="5", lines=[lines[0] | {"description": "带围栏"}, lines[1]])
    quote = make("quote", customer=customer, lines=lines)
    one, two = read("opportunity", key)["lines"]
    theirs = read("quote", quote)["lines"]
    same = ("base_price", "unit_price", "net_amount", "tax_amount", "amount", "currency", "unit")
    assert [{n: own[n] for n in same} for own in (one, two)] == [
        {n: other[n] for n in same} for other in theirs
    ]
    assert (str(one["base_price"]), str(one["amount"]), str(two["amount"])) == (
        *("32.33", "94.57", "4.32"),
    )
    assert one["description"] == "带围栏"
    assert amount_of(read, key) == ("98.89", "CNY")
    change(key, lines=[{"id": two["id"], "quantity": "1"}])
    assert amount_of(read, key) == ("0.35", "CNY")
    change(two["id"], "opportunity_line", quantity="2")
    assert amount_of(read, key) == ("0.70", "CNY")


def test_quotes_decide_before_lines_and_lines_before_what_is_typed(
    act, change, customer, deal, make, read, robot, team
):
    make("exchange_rate", currency="USD", valid_from="2020-01-01", rate="7")
    key = deal(amount="5")
    change(key, amount="6")
    change(key, lines=[{"product": robot}])
    assert amount_of(read, key) == ("33.33", "CNY")
    with pytest.raises(Invalid) as error:
        change(key, amount="7")
    assert [(p.field, p.code) for p in error.value.problems] == [("amount", "decided")]
    draft = make("quote", team.fu, customer=customer, opportunity=key)
    assert amount_of(read, key) == ("33.33", "CNY")  # it has no lines yet
    change(draft, "quote", lines=[{"product": robot, "quantity": "2"}])
    assert amount_of(read, key) == ("66.66", "CNY")
    line = {"product": robot, "unit_price": "9"}
    other = make("quote", team.fu, customer=customer, opportunity=key, currency="USD", lines=[line])
    assert amount_of(read, key) == ("9.00", "USD")
    with pytest.raises(Invalid) as error:
        change(key, currency="CNY")
    assert [p.field for p in error.value.problems] == ["currency"]
    act(team.fu, "quote", "submit", [draft])
    act(team.fu, "quote", "accept", [draft])
    assert amount_of(read, key) == ("66.66", "CNY")
    change(key, lines=[{"product": robot, "quantity": "10"}])
    assert amount_of(read, key) == ("66.66", "CNY")
    with_none = deal(lines=[{"product": robot}])
    quote = make(
        "quote", team.fu, customer=customer, opportunity=with_none, lines=[line], currency="USD"
    )
    act(team.fu, "quote", "submit", [quote])
    act(team.fu, "quote", "decline", [quote])
    assert amount_of(read, with_none) == ("33.33", "CNY")
    change(with_none, lines=[])
    change(with_none, amount="12")
    assert amount_of(read, with_none) == ("12.00", "CNY")
    assert amount_of(read, key) == ("66.66", "CNY")
    assert other


def test_a_currency_without_a_rate_is_told_where_it_matters(change, deal, make, read, robot):
    key = deal(lines=[{"product": robot}])
    with pytest.raises(Invalid) as error:
        change(key, currency="EUR")
    assert [p.field for p in error.value.problems] == ["currency"]
    make("exchange_rate", currency="EUR", valid_from="2020-01-01", rate="8")
    change(key, currency="EUR")
    assert amount_of(read, key) == ("4.17", "EUR")
    with pytest.raises(Invalid) as error:
        deal(currency="GBP", lines=[{"product": robot}])
    assert [p.field for p in error.value.problems] == ["currency"]


def test_what_is_closed_keeps_its_products(act, change, deal, read, robot, team):
    key = deal(lines=[{"product": robot}])
    (line,) = read("opportunity", key)["lines"]
    act(team.fu, "opportunity", "win", [key])
    with pytest.raises(Invalid) as error:
        change(line["id"], "opportunity_line", quantity="2")
    assert [p.code for p in error.value.problems] == ["locked"]
    change(robot, "product", None, list_price="50")
    same = {"id": line["id"], "product": str(robot), "quantity": "1", "unit_price": "33.33"}
    change(key, next_step="交付", lines=[same])  # as the form sends it along
    with pytest.raises(Invalid):
        change(key, lines=[])
    assert str(read("opportunity", key)["amount"]) == "33.33"
    assert str(read("opportunity", key)["lines"][0]["amount"]) == "33.33"


def test_the_list_of_lines_says_what_is_in_the_pipeline(act, change, deal, rows, robot, team):
    won, open_ = (deal(lines=[{"product": robot}]) for _n in range(2))
    change(open_, expected_close_on="2027-03-01")
    act(team.fu, "opportunity", "win", [won])

    def listed(person, **row):
        return [each["opportunity"] for each in rows("opportunity_line", person, filter=row)]

    assert listed(team.fu, field="status", op="eq", value="open") == [open_]
    assert listed(team.fu, field="expected_close_on", op="ge", value="2027-01-01") == [open_]
    assert listed(team.ning, field="product", op="eq", value=robot) == []
