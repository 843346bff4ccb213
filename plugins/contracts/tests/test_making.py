"""S-077: a contract from a quote or a won opportunity, without typing anything again, and once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select

from core.entities import service
from core.errors import Forbidden, Invalid, NotFound, Refused
from core.ops.lifecycle import disable, enable

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
SQLITE = pytest.mark.databases("sqlite", later=("postgresql",))

_LINE = ("product", "quantity", "unit", "unit_price", "discount", "tax_rate", "amount")
_SUMS = ("net_amount", "tax_amount")


def test_a_contract_takes_all_of_the_quote(accepted, act, read, shop, team):
    key = accepted()
    done = act(team.fu, "quote", "make_contract", [key])
    (made,) = done["made"]
    quote, contract = read("quote", key), read("contract", made, team.fu)
    for name in ("customer", "opportunity", "currency", "owner", "department", "tax_included"):
        assert contract[name] == quote[name], name
    assert (contract["quote"], contract["status"], contract["kind"]) == (key, "draft", "sales")
    assert (contract["name"], contract["payment_terms"]) == ("鼎源 码垛机三台", "预付 30%")
    assert contract["number"].startswith("HT")
    assert [str(contract[n]) for n in ("amount", *_SUMS)] == ["344.99", "319.91", "25.08"]
    said = [[line[name] for name in (*_LINE, *_SUMS)] for line in contract["lines"]]
    assert said == [[line[name] for name in (*_LINE, *_SUMS)] for line in quote["lines"]]


@SQLITE
@pytest.mark.parametrize(
    ("currency", "included"), [("JPY", True), pytest.param("CNY", False, marks=pytest.mark.long)]
)
def test_it_comes_to_the_same_to_the_cent(
    accepted, act, make, read, shop, team, unit_of_work, currency, included
):
    """In the decimals of its currency, and with tax on top where the quote has it so."""
    from core.settings.service import put_settings

    make("exchange_rate", currency="JPY", valid_from="2020-01-01", rate="0.05")
    with unit_of_work() as uow:
        put_settings(uow, "crm_sales", {"prices_include_tax": included})
    key = accepted(currency=currency, opportunity=None)
    with unit_of_work() as uow:  # later settings do not change what was quoted
        put_settings(uow, "crm_sales", {"prices_include_tax": not included})
    (made,) = act(team.fu, "quote", "make_contract", [key])["made"]
    quote, contract = read("quote", key), read("contract", made)
    assert (contract["amount"], contract["tax_included"]) == (quote["total"], included)
    assert (contract["net_amount"], contract["tax_amount"]) == (
        *(quote["net_total"], quote["tax_total"]),
    )
    assert contract["name"] == "潍坊鼎源农机有限公司"


@SQLITE
def test_a_second_time_it_is_the_contract_that_is_there(accepted, act, rows, team, change):
    key = accepted()
    first = act(team.fu, "quote", "make_contract", [key])
    second = act(team.manager, "quote", "make_contract", [key], name="另一份")
    assert (second["contracts"], second["made"]) == (first["made"], [])
    assert len(rows("contract")) == 1
    change(None, "contract", first["made"][0], owner=team.ning)
    with pytest.raises(Refused, match="may not see|无权"):
        act(team.fu, "quote", "make_contract", [key])


@SQLITE
def test_what_is_not_agreed_has_no_contract(accepted, act, make, shop, team, rows):
    draft = make("quote", team.fu, customer=shop.customer, lines=[{"product": shop.robot}])
    for entity, key in (("quote", draft), ("opportunity", shop.deal)):
        with pytest.raises(Refused):
            act(team.fu, entity, "make_contract", [key])
    with pytest.raises(Invalid) as error:
        act(team.fu, "quote", "make_contract", [accepted()], kind="lease")
    assert {problem.field for problem in error.value.problems} == {"kind"}
    days = {"starts_on": "2026-05-02", "ends_on": "2026-05-01"}
    with pytest.raises(Invalid) as error:
        act(team.fu, "quote", "make_contract", [rows("quote", sort="-id")[0]["id"]], **days)
    assert {problem.field for problem in error.value.problems} == {"ends_on"}
    assert rows("contract") == []


@SQLITE
def test_a_won_opportunity_gives_its_quote_its_lines_or_its_amount(
    accepted, act, make, read, shop, team
):
    lines = [{"product": shop.robot, "quantity": "2", "description": "防爆"}]
    deals = {
        "quote": shop.deal,
        "lines": make("opportunity", team.fu, name="行", customer=shop.customer, lines=lines),
        "amount": make("opportunity", team.fu, name="数", customer=shop.customer, amount="88.8"),
    }
    quote, found = accepted(), {}
    for name, deal in deals.items():
        act(team.fu, "opportunity", "win", [deal])
        (made,) = act(team.fu, "opportunity", "make_contract", [deal])["made"]
        assert act(team.fu, "opportunity", "make_contract", [deal])["contracts"] == [made]
        found[name] = read("contract", made)
        assert found[name]["opportunity"] == deal
    assert (found["quote"]["quote"], str(found["quote"]["amount"])) == (quote, "344.99")
    assert (found["lines"]["quote"], str(found["lines"]["amount"])) == (None, "66.66")
    assert [line["description"] for line in found["lines"]["lines"]] == ["防爆"]
    assert found["amount"]["owner"] == team.fu
    assert (found["amount"]["lines"], str(found["amount"]["amount"])) == ([], "88.80")


@pytest.mark.parametrize("rounds", [1, pytest.param(60, marks=pytest.mark.long)])
def test_two_press_at_the_same_instant_and_one_contract_comes(
    accepted, team, unit_of_work, rows, rounds
):
    for _round in range(rounds):
        key, ready = accepted(), Barrier(2)

        def attempt(person, key=key, ready=ready):
            ready.wait()
            with unit_of_work(person) as uow:
                return service.act(uow, "quote", "make_contract", [key])

        with ThreadPoolExecutor(2) as threads:
            one, other = threads.map(attempt, (team.fu, team.manager))
        assert one["contracts"] == other["contracts"]
        assert sorted((len(one["made"]), len(other["made"]))) == [0, 1]
    assert len(rows("contract", limit=100)) == rounds


@SQLITE
def test_who_may_not_use_the_verb(accepted, act, sign_in, team, unit_of_work, admin_id):
    """Another's quote is as if it were not there; the right may be taken away, and stays away."""
    key = accepted()
    for person in (team.yan, team.ning):
        with pytest.raises(NotFound):
            act(person, "quote", "make_contract", [key])
    with pytest.raises(Forbidden):
        act(team.viewer, "quote", "make_contract", [key])
    with unit_of_work() as uow:
        c = uow.entity("role").table.c
        role, grants = uow.execute(select(c.id, c.grants).where(c.name == "sales")).one()
        assert grants["quote"].pop("make_contract") == "own"
        assert grants["quote"]["accept"] == "own"
        service.update(uow, "role", {role: {"grants": grants}})
    assert "转为合同" in sign_in().get(f"/admin/roles/{role}/edit/quote").text
    with unit_of_work(admin_id) as uow:
        disable(uow, "contracts")
    with unit_of_work(admin_id) as uow:
        enable(uow, "contracts")
    with pytest.raises(Forbidden):
        act(team.fu, "quote", "make_contract", [key])


@SQLITE
def test_over_rest_and_in_the_browser(accepted, bearer, browser_of, client, rows, shop, team):
    key, browser = accepted(), browser_of(team.fu)
    csrf = {"csrf_token": browser.csrf}
    assert "/r/quote/actions/make_contract" in browser.get(f"/r/quote/{key}").text
    answer = browser.post("/r/quote/actions/make_contract", data={"ids": str(key), **csrf})
    assert answer.status_code == 303
    page = browser.get(answer.headers["Location"])
    assert page.status_code == 200
    assert "344.99" in page.text
    data = {"entity": "quote", "ids": str(key), "kind": "sales"} | csrf
    bad = browser.post("/contracts/make", data=data | {"starts_on": "2026-13-01"})
    assert bad.status_code == 422
    assert 'aria-invalid="true"' in bad.text
    done = browser.post("/contracts/make", data=data | {"name": "采购合同", "starts_on": ""})
    (contract,) = rows("contract")
    assert done.headers["Location"].endswith(f"/r/contract/{contract['id']}")
    assert contract["name"] == "采购合同"
    again = browser.get(f"/contracts/make?entity=quote&ids={key}")
    assert again.headers["Location"].endswith(f"/r/contract/{contract['id']}")
    url = f"/api/v1/records/quote/{key}/actions/make_contract"
    answer = client.post(url, json={}, headers=bearer(team.fu))
    assert answer.status_code == 200
    assert contract["id"] in answer.json["result"]["contracts"]
    other = browser_of(team.yan)
    assert other.get(f"/contracts/make?entity=quote&ids={key}").status_code == 404
    data["csrf_token"] = other.csrf
    assert other.post("/contracts/make", data=data).status_code == 404
    for wrong in ("entity=lead&ids=1", f"entity=quote&ids={key}x", "ids=1"):
        assert browser.get(f"/contracts/make?{wrong}").status_code == 404
