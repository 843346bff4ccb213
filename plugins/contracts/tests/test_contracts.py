"""Contracts: lines and amounts, what is refused at which field, signing, and the days that pass."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert

from core.entities import service
from core.errors import Forbidden, Invalid, Refused
from core.work.schedule import start_due

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
SQLITE = pytest.mark.databases("sqlite", later=("postgresql",))


def fields_of(error):
    return {problem.field for problem in error.value.problems}


@pytest.fixture
def agree(make, shop, team):
    """``agree(**values)``: a draft of the seller, of three pieces less 5 % unless told otherwise."""

    def run(person=team.fu, **values):
        line = {"product": shop.robot, "quantity": "3", "unit_price": "33.33", "discount": "5"}
        head = {"name": "码垛机采购合同", "customer": shop.customer}
        if "amount" not in values:
            head["lines"] = [line]
        return make("contract", person, **(head | values))

    return run


@pytest.fixture
def today(runtime):
    return runtime.clock.today()


def test_lines_take_unit_and_tax_of_the_product_and_add_up(agree, change, read, shop, team):
    key = agree()
    contract = read("contract", key, team.fu)
    (line,) = contract["lines"]
    assert (line["unit"], str(line["tax_rate"]), str(line["amount"])) == ("台", "13.00", "94.99")
    assert [str(contract[n]) for n in ("amount", "net_amount", "tax_amount")] == [
        *("94.99", "84.06", "10.93")
    ]
    assert (contract["currency"], contract["owner"]) == ("CNY", team.fu)
    lines = [
        {"id": line["id"], "quantity": "1"},
        {"description": "现场改造", "unit_price": "100.005", "tax_rate": "9"},
    ]
    change(team.fu, "contract", key, lines=lines)
    contract = read("contract", key)
    assert str(contract["amount"]) == "131.67"
    assert contract["version"] <= 4
    change(team.fu, "contract_line", line["id"], discount="0")
    assert str(read("contract", key)["amount"]) == "133.34"
    change(team.fu, "contract", key, currency="JPY")
    assert read("contract", key)["amount"] == Decimal(133)
    change(team.fu, "contract", key, lines=[])
    contract = read("contract", key)
    assert (contract["amount"], contract["net_amount"]) == (Decimal(133), None)
    change(team.fu, "contract", key, amount="50")
    assert read("contract", key)["amount"] == Decimal(50)


@SQLITE
def test_bad_lines_are_told_at_their_field_and_save_nothing(agree, rows, shop):
    for values, field in (
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "0"}, "quantity"),
        ({"discount": "100.5"}, "discount"),
        ({"tax_rate": "-1"}, "tax_rate"),
        ({"unit_price": "-5"}, "unit_price"),
        ({"unit_price": None}, "unit_price"),
        ({"quantity": "99999999999", "unit_price": "99999999"}, "quantity"),
        ({"product": None}, "product"),
    ):
        line = {"product": shop.robot, "unit_price": "1"} | values
        with pytest.raises(Invalid) as error:
            agree(lines=[line])
        assert fields_of(error) == {f"lines.0.{field}"}
    assert (rows("contract"), rows("contract_line")) == ([], [])


@SQLITE
def test_bad_heads_are_told_at_their_field(accepted, agree, change, make, rows, shop, team):
    other = make("customer", team.fu, name="青岛润泽食品有限公司")
    deal = make("opportunity", team.fu, name="别的", customer=other)
    mine, quote = make("opportunity", team.fu, name="二", customer=shop.customer), accepted()
    draft = make("quote", team.fu, customer=shop.customer, lines=[])
    for values, field in (
        ({"amount": "-1"}, "amount"),
        ({"starts_on": "2026-05-02", "ends_on": "2026-05-01"}, "ends_on"),
        ({"opportunity": deal}, "opportunity"),
        ({"customer": other, "quote": quote}, "quote"),
        ({"opportunity": mine, "quote": quote}, "quote"),
        ({"quote": draft}, "quote"),
        ({"name": None}, "name"),
        ({"customer": None}, "customer"),
        ({"status": "signed"}, "status"),
        ({"warranty_months": -1}, "warranty_months"),
    ):
        with pytest.raises(Invalid) as error:
            agree(**values)
        assert fields_of(error) == {field}, values
    key = agree(quote=quote)
    for values, field in (({"currency": None}, "currency"), ({"amount": "7"}, "amount")):
        with pytest.raises(Invalid) as error:
            change(team.fu, "contract", key, **values)
        assert fields_of(error) == {field}
    with pytest.raises(Invalid) as error:
        agree(quote=quote)
    assert fields_of(error) == {"quote"}
    assert len(rows("contract")) == 1


def test_a_quote_has_one_contract_whatever_writes_it(accepted, agree, read, team, unit_of_work):
    """The database says so too; one in the recycle bin does not count until it is brought back."""
    quote = accepted()
    first = agree(quote=quote)
    with unit_of_work(team.fu) as uow:
        service.delete(uow, "contract", [first])
    second = agree(quote=quote)
    with pytest.raises(Invalid) as error, unit_of_work(team.fu) as uow:
        service.restore(uow, "contract", [first])
    assert fields_of(error) == {"quote"}
    row = {"quote_id": quote, "version": 1, "tax_included": True}
    row |= {name: read("contract", second)[name] for name in ("created_at", "updated_at")}
    with pytest.raises(Exception, match="(?i)unique"), unit_of_work() as uow:
        uow.execute(insert(uow.entity("contract").table).values(**row))


# Signed


@SQLITE
def test_signed_it_stays_as_it_is(act, agree, change, read, rows, shop, team, today, unit_of_work):
    """By whatever door: the form, REST, import and bulk edits all go through the service."""
    key = agree()
    act(team.fu, "contract", "sign", [key])
    contract = read("contract", key)
    assert (contract["status"], contract["signed_on"], contract["starts_on"]) == (
        *("signed", today, today),
    )
    (line,) = contract["lines"]
    same = [{name: line[name] for name in ("id", "quantity", "unit_price")}]
    change(team.fu, "contract", key, note="原件在档案室 3 柜", lines=same)
    change(team.manager, "contract", key, owner=team.yan)
    for values, field in (
        ({"amount": "1"}, "amount"),
        ({"ends_on": "2030-01-01", "name": "x"}, "ends_on"),
        ({"payment_terms": "x"}, "payment_terms"),
        ({"lines": []}, "lines"),
        ({"lines": [{"id": line["id"], "quantity": "9"}]}, "lines.0.quantity"),
    ):
        with pytest.raises(Invalid) as error:
            change(team.manager, "contract", key, **values)
        assert field in fields_of(error)
    for write in (
        lambda uow: service.update(uow, "contract_line", {line["id"]: {"unit_price": "1"}}),
        lambda uow: service.delete(uow, "contract_line", [line["id"]]),
        lambda uow: service.create(
            uow, "contract_line", [{"contract": key, "product": shop.robot, "unit_price": "1"}]
        ),
        lambda uow: service.delete(uow, "contract", [key]),
    ):
        with pytest.raises(Invalid), unit_of_work(team.manager) as uow:
            write(uow)
    assert str(read("contract", key)["amount"]) == "94.99"
    assert len(rows("contract_line")) == 1


@SQLITE
def test_what_cannot_be_signed(act, agree, team, today):
    with pytest.raises(Refused, match="HT"):
        act(team.fu, "contract", "sign", [agree(amount=None)])
    key = agree(ends_on="2026-01-31")
    for day, field in ((today + timedelta(days=1), "signed_on"), (today, "ends_on")):
        with pytest.raises(Invalid) as error:
            act(team.fu, "contract", "sign", [key], signed_on=day.isoformat())
        assert fields_of(error) == {field}
    act(team.fu, "contract", "sign", [key], signed_on="2026-01-31")
    with pytest.raises(Refused):
        act(team.fu, "contract", "sign", [key])


@SQLITE
def test_terminating_takes_a_reason_and_a_day(act, agree, read, team, today):
    key = agree()
    with pytest.raises(Refused):
        act(team.fu, "contract", "terminate", [key], reason="x")
    act(team.fu, "contract", "sign", [key], signed_on="2026-03-01")
    for params, field in (
        ({}, "reason"),
        ({"reason": "x", "terminated_on": "2026-02-28"}, "terminated_on"),
        (
            {"reason": "x", "terminated_on": (today + timedelta(days=1)).isoformat()},
            "terminated_on",
        ),
    ):
        with pytest.raises(Invalid) as error:
            act(team.fu, "contract", "terminate", [key], **params)
        assert fields_of(error) == {field}
    act(team.fu, "contract", "terminate", [key], reason="客户停建", terminated_on="2026-03-02")
    contract = read("contract", key)
    assert (contract["status"], contract["terminated_on"]) == ("terminated", date(2026, 3, 2))
    assert contract["termination_reason"] == "客户停建"
    with pytest.raises(Refused):
        act(team.fu, "contract", "terminate", [key], reason="x")


# The days


@pytest.mark.long
def test_contracts_begin_and_end_on_their_days_once(
    act, agree, read, run_jobs, runtime, team, today, unit_of_work
):
    start_due(runtime)
    run_jobs()
    days = [today + timedelta(days=n) for n in (0, 1, 2)]
    now, later = agree(), agree(starts_on=days[1].isoformat(), ends_on=days[2].isoformat())
    draft, broken = agree(starts_on=days[0].isoformat()), agree()
    act(team.fu, "contract", "sign", [now, later, broken])
    act(team.fu, "contract", "terminate", [broken], reason="x")
    keys, seen = (now, later, draft, broken), []
    for _day in range(4):
        runtime.clock.move(timedelta(days=1))
        start_due(runtime)
        run_jobs()
        seen.append([read("contract", key)["status"] for key in keys])
    rest = ["draft", "terminated"]
    assert seen == [
        ["active", "active", *rest],
        ["active", "active", *rest],  # the last day belongs to it
        ["active", "expired", *rest],
        ["active", "expired", *rest],
    ]
    assert (
        read("contract", later)["version"] == 5
    )  # made, its lines added up, signed, in force, expired


@SQLITE
def test_the_days_are_those_of_the_companys_zone(act, agree, read, runtime, team, unit_of_work):
    """Shortly after midnight there it is still yesterday in UTC."""
    from plugins.contracts.services import turn

    now = runtime.clock.now().astimezone(runtime.clock.timezone)
    tomorrow = now.date() + timedelta(days=1)
    key = agree(starts_on=tomorrow.isoformat(), ends_on=tomorrow.isoformat())
    act(team.fu, "contract", "sign", [key])
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    for shift, status in (
        (-timedelta(minutes=1), "signed"),
        (timedelta(minutes=1), "active"),
        (timedelta(hours=23), "active"),  # the last day belongs to it
        (timedelta(hours=25), "expired"),
    ):
        runtime.clock.move(midnight + shift - runtime.clock.now())
        with unit_of_work() as uow:
            turn(uow)
        assert read("contract", key)["status"] == status
    with unit_of_work() as uow:
        assert turn(uow) == {"active": 0, "expired": 0}


@SQLITE
def test_the_system_brings_what_was_signed_elsewhere(agree, make, shop):
    past = {"status": "expired", "signed_on": "2024-01-05", "ends_on": "2024-12-31"}
    agree(person=None, **past)
    with pytest.raises(Invalid) as error:
        agree(person=None, **(past | {"signed_on": None}))
    assert fields_of(error) == {"signed_on"}


@SQLITE
def test_a_seller_makes_none_for_others(agree, team):
    with pytest.raises((Forbidden, Invalid)):
        agree(person=team.ning)
