"""Who sees which contracts, by whatever door, and what the pages of others show of them."""

from __future__ import annotations

import pytest

from core.entities import aggregate, query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def world(make, act, team):
    """A customer of one seller, where another has a contract too, signed for 2000 and 70,000 yuan."""
    customer = make("customer", team.fu, name="潍坊鼎源农机有限公司")
    found = {"customer": customer}
    for name, owner, amount in (("fu", team.fu, "2000"), ("ning", team.ning, "70000")):
        values = {"name": f"鼎源合同{name}", "customer": customer, "owner": owner}
        found[name] = make("contract", **values, amount=amount)
        act(None, "contract", "sign", [found[name]])
    return found


def test_what_each_role_sees_in_lists_searches_and_sums(team, unit_of_work, world, admin_id):
    both = {"fu", "ning"}
    expected = {
        **{team.fu: {"fu"}, team.yan: set(), team.ning: {"ning"}, team.manager: {"fu"}},
        **dict.fromkeys((team.finance, team.legal, team.viewer, admin_id), both),
    }
    for person, names in expected.items():
        with unit_of_work(person, write=False) as uow:
            for asked in (ListQuery(), ListQuery(search="鼎源合同")):
                found = {row["id"] for row in query.page(uow, "contract", asked).items}
                assert found == {world[name] for name in names}
            (total,) = aggregate.aggregate(uow, "contract", [], ["count"], ListQuery())
            assert total["count"] == len(names)


def test_anothers_contract_is_as_if_it_were_not_there(
    client, bearer, run_jobs, team, unit_of_work, world
):
    other = world["ning"]
    for write in (
        lambda uow: query.get(uow, "contract", other),
        lambda uow: service.update(uow, "contract", {other: {"note": "x"}}),
        lambda uow: service.delete(uow, "contract", [other]),
        lambda uow: service.act(uow, "contract", "terminate", [other], {"reason": "x"}),
    ):
        with pytest.raises(NotFound), unit_of_work(team.fu) as uow:
            write(uow)
    line = {"contract": other, "description": "x", "unit_price": "1"}
    with pytest.raises(Invalid), unit_of_work(team.fu) as uow:
        service.create(uow, "contract_line", [line])
    headers, base = bearer(team.fu), "/api/v1/records/contract"
    assert client.get(f"{base}/{other}", headers=headers).status_code == 404
    assert client.get("/api/v1/exports/contract.csv", headers=headers).status_code == 403
    rows = client.get("/api/v1/exports/contract.csv", headers=bearer(team.manager)).text
    assert ("鼎源合同fu" in rows, "鼎源合同ning" in rows) == (True, False)
    answer = client.post(f"{base}/{other}/actions/terminate", json={"reason": "x"}, headers=headers)
    assert answer.status_code == 404
    run_jobs()  # the index follows
    asked = {"q": "鼎源合同"}
    found = client.get("/api/v1/search", query_string=asked, headers=headers)
    assert ("鼎源合同fu" in found.text, "鼎源合同ning" in found.text) == (True, False)


def test_who_only_reads_changes_nothing(team, unit_of_work, world):
    for write in (
        lambda uow: service.update(uow, "contract", {world["fu"]: {"note": "x"}}),
        lambda uow: service.act(uow, "contract", "terminate", [world["fu"]], {"reason": "x"}),
    ):
        with pytest.raises(Forbidden), unit_of_work(team.viewer) as uow:
            write(uow)


def test_the_customers_page_adds_up_what_its_reader_may_read(act, browser_of, make, team, world):
    """What was terminated does not count; the list of contracts there is the reader's own, too."""
    address = f"/r/customer/{world['customer']}"
    broken = make("contract", name="旧", customer=world["customer"], owner=team.fu, amount="500")
    act(None, "contract", "sign", [broken])
    act(None, "contract", "terminate", [broken], reason="x")
    mine, all_ = browser_of(team.fu).get(address).text, browser_of(team.finance).get(address).text
    assert "2,000" in mine
    assert "鼎源合同fu" in mine
    for text in ("72,000", "70,000", "鼎源合同ning"):
        assert text not in mine
    assert "72,000" in all_
    assert "鼎源合同ning" in all_


@pytest.mark.long
def test_pages_of_contracts(browser_of, team, world):
    browser = browser_of(team.finance)
    page = browser.get("/r/contract")
    assert page.status_code == 200
    assert "next_90_days" in page.text
    form = browser.get(f"/r/contract/{world['fu']}/edit").text
    assert "已签订的合同保持原样" in form
    assert "已签订的合同保持原样" not in browser.get("/r/contract/new").text
    for path in ("?layout=board&by=status", "/new", f"/{world['fu']}", f"/{world['fu']}/edit"):
        assert browser.get(f"/r/contract{path}").status_code == 200, path
    assert browser.get("/contracts/make").headers["Location"].endswith("/r/contract")
