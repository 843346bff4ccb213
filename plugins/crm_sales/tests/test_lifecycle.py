"""S-038, S-039, S-042: a customer's life with the company, worked out from what happens."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event

from core.entities import service
from core.errors import Invalid

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def stands(read):
    """``stands(customer) -> (stage, since, deals won, first, last)``"""
    names = ("lifecycle", "lifecycle_on", "won_count", "first_won_on", "last_won_on")

    def ask(customer):
        values = read("customer", customer)
        return tuple(values[name] for name in names)

    return ask


@pytest.fixture
def won(make, unit_of_work):
    """``won(customer, day) -> id`` of a deal that was won on that day."""

    def deal(customer, day):
        key = make("opportunity", name=f"Deal {day}", customer=customer)
        with unit_of_work() as uow:
            service.update(uow, "opportunity", {key: {"status": "won", "closed_on": day}})
        return key

    return deal


@pytest.fixture
def today(runtime):
    return runtime.clock.today()


def test_the_first_deal_the_second_and_their_days(make, won, stands, today):
    customer = make("customer", name="潍坊风筝厂")
    assert stands(customer) == ("prospect", today, 0, None, None)
    later, sooner = today - timedelta(days=10), today - timedelta(days=400)
    won(customer, later)
    assert stands(customer) == ("first_deal", later, 1, later, later)
    won(customer, sooner)
    assert stands(customer) == ("repeat", later, 2, sooner, later)


def test_what_was_not_won_after_all_is_taken_back(make, won, stands, today, unit_of_work):
    """Also a deal that is another customer's, one that is deleted, and one that comes back."""
    customer, other = make("customer", name="A"), make("customer", name="B")
    deal = won(customer, today)
    with unit_of_work() as uow:
        service.update(uow, "opportunity", {deal: {"customer": other}})
    assert (stands(customer)[0], stands(other)[0]) == ("prospect", "first_deal")
    with unit_of_work() as uow:
        service.delete(uow, "opportunity", [deal])
    assert stands(other) == ("prospect", today, 0, None, None)
    with unit_of_work() as uow:
        service.restore(uow, "opportunity", [deal])
    assert stands(other)[0] == "first_deal"
    with unit_of_work() as uow:
        service.update(uow, "opportunity", {deal: {"status": "open"}})
    assert stands(other)[0] == "prospect"


def test_a_customer_introduces_two_others(make, won, stands, rows, today, unit_of_work):
    """S-039: new customers keep who brought them, and that one's page lists them."""
    customer = make("customer", name="A")
    brought = [make("customer", name=name, referrer=customer) for name in ("B", "C")]
    assert stands(customer)[0] == "prospect"  # nobody speaks for us who has not bought
    won(customer, today - timedelta(days=3))
    assert stands(customer)[:2] == ("advocate", today)
    found = rows("customer", filter={"field": "referrer", "op": "eq", "value": customer})
    assert sorted(row["id"] for row in found) == brought
    with unit_of_work() as uow:
        service.update(uow, "customer", dict.fromkeys(brought, {"referrer": None}))
    assert stands(customer)[0] == "first_deal"


def test_nobody_introduces_themselves(make, unit_of_work):
    customer = make("customer", name="A")
    with pytest.raises(Invalid) as caught, unit_of_work() as uow:
        service.update(uow, "customer", {customer: {"referrer": customer}})
    assert [problem.field for problem in caught.value.problems] == ["referrer"]


def test_who_has_bought_nothing_for_three_years(make, won, rows, today, unit_of_work):
    """S-038: by the last deal and what they are interested in, in one list."""
    ago = today - timedelta(days=3 * 366)
    silent, recent, other = (make("customer", name=name) for name in "ABC")
    won(silent, ago), won(recent, ago), won(recent, today), won(other, ago)
    with unit_of_work() as uow:
        tags = {silent: {"tags": ["变频"]}, recent: {"tags": ["变频"]}}
        service.update(uow, "customer", tags)
    before = {"field": "last_won_on", "op": "lt", "value": str(today - timedelta(days=3 * 365))}
    both = {"all": [before, {"field": "tags", "op": "contains", "value": "变频"}]}
    assert [row["id"] for row in rows("customer", filter=both)] == [silent]


def test_whose_deals_are_worth_most(make, won, read, rows, today, unit_of_work):
    """S-046: to the cent, in the company's currency, at the rate of the day of closing."""
    with unit_of_work() as uow:
        rate = {"currency": "USD", "valid_from": today - timedelta(days=30), "rate": "7.1234"}
        service.create(uow, "exchange_rate", [rate])
    small, large, none = (make("customer", name=name) for name in ("A", "B", "C"))
    deals = [won(customer, today) for customer in (small, large, large)]
    with unit_of_work() as uow:
        values = ({"amount": "100.10"}, {"amount": "90"}, {"amount": "33.33", "currency": "USD"})
        service.update(uow, "opportunity", dict(zip(deals, values, strict=True)))
    assert read("customer", small)["won_amount"] == Decimal("100.10")
    assert read("customer", large)["won_amount"] == Decimal("327.42")  # 90 + 237.422922
    listed = rows("customer", sort="-won_amount", fields=("name", "won_amount"))
    assert [row["name"] for row in listed] == ["B", "A", "C"]
    assert read("customer", none)["won_amount"] == 0
    with unit_of_work() as uow:
        service.delete(uow, "opportunity", deals[2:])
    assert read("customer", large)["won_amount"] == Decimal("90.00")


def test_who_reads_no_deals_reads_no_sum_of_them(make, won, read, rows, team, today, unit_of_work):
    """Neither on the record nor by a filter; who may read the deals sees it."""
    customer = make("customer", team.fu, name="A")
    deal = won(customer, today)
    with unit_of_work() as uow:
        service.update(uow, "opportunity", {deal: {"amount": "10"}})
    assert read("customer", customer, team.fu)["won_amount"] == Decimal("10.00")
    assert "won_amount" not in read("customer", customer, team.service)
    above = {"field": "won_amount", "op": "gt", "value": "5"}
    assert len(rows("customer", team.fu, filter=above)) == 1
    with pytest.raises(Invalid):
        rows("customer", team.service, filter=above)


def test_a_deal_without_a_rate_counts_once_there_is_one(make, won, read, today, unit_of_work):
    customer = make("customer", name="A")
    deal = won(customer, today - timedelta(days=3))
    with unit_of_work() as uow:
        service.update(uow, "opportunity", {deal: {"amount": "10", "currency": "EUR"}})
    assert read("customer", customer)["won_amount"] == 0
    assert read("customer", customer)["won_count"] == 1
    with unit_of_work() as uow:
        rate = {"currency": "EUR", "valid_from": today - timedelta(days=9), "rate": "7.8"}
        service.create(uow, "exchange_rate", [rate])
    assert read("customer", customer)["won_amount"] == Decimal("78.00")


def test_nobody_writes_it_by_hand(make, team, unit_of_work):
    customer = make("customer", team.fu, name="A")
    with pytest.raises(Invalid), unit_of_work(team.fu) as uow:
        service.update(uow, "customer", {customer: {"lifecycle": "advocate"}})


def test_of_two_that_become_one_both_deals_count(make, won, act, team, stands, today):
    one, two = (make("customer", team.fu, name=name) for name in "AB")
    won(one, today - timedelta(days=9)), won(two, today - timedelta(days=2))
    act(team.manager, "customer", "merge", [one], others=[two])
    assert stands(one)[:3] == ("repeat", today - timedelta(days=2), 2)


def test_a_hundred_deals_ask_as_many_statements_as_four(make, unit_of_work, runtime, today):
    """An import's batch asks for its customers together."""
    customers = [make("customer", name=f"C{number}") for number in range(4)]
    engine = next(each for each in vars(runtime.database).values() if hasattr(each, "dialect"))
    counted = []

    def note(*arguments):
        if "crm_sales_customer" in arguments[2]:
            counted.append(arguments[2])

    def statements(many):
        items = [
            {"name": f"D{n}", "customer": customers[n % 4], "status": "won", "closed_on": today}
            for n in range(many)
        ]
        with unit_of_work() as uow:
            event.listen(engine, "before_cursor_execute", note)
            counted.clear()
            service.create(uow, "opportunity", items)
            event.remove(engine, "before_cursor_execute", note)
        return len(counted)

    assert 2 < statements(4) == statements(100)
