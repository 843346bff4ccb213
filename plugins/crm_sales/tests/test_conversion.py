"""A lead becomes a customer, a contact and an opportunity, in one transaction."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.entities import service
from core.errors import Invalid, Refused
from core.ops.lifecycle import disable

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def lead(make, team):
    return make(
        "lead",
        owner=team.fu,
        company="潍坊鼎源农机有限公司",
        contact_name="王建国",
        mobile="13800001111",
        source="展会",
        city="370700",
        expected_amount="260000",
    )


def test_all_three_are_made_and_the_lead_is_locked(act, read, team, lead):
    """S-021"""
    made = act(team.fu, "lead", "convert", [lead])
    assert made["converted"] == [lead]
    customer = read("customer", made["customers"][0], team.fu)
    contact = read("contact", made["contacts"][0], team.fu)
    deal = read("opportunity", made["opportunities"][0], team.fu)
    assert (customer["name"], customer["source"], customer["city"]) == (
        "潍坊鼎源农机有限公司",
        "展会",
        "370700",
    )
    assert (contact["name"], contact["customer"]) == ("王建国", customer["id"])
    assert (deal["lead"], deal["contact"], deal["amount"]) == (lead, contact["id"], Decimal(260000))
    assert {customer["owner"], deal["owner"]} == {team.fu}
    assert read("lead", lead)["status"] == "converted"
    with pytest.raises(Refused):
        act(team.fu, "lead", "convert", [lead])


def test_what_is_there_is_taken(act, make, read, rows, team, lead):
    customer = make("customer", team.fu, name="潍坊鼎源农机")
    contact = make("contact", team.fu, name="老王", customer=customer, mobile="13800001111")
    made = act(team.fu, "lead", "convert", [lead], opportunity="码垛机", without_opportunity=False)
    assert (made["customers"], made["contacts"]) == ([customer], [contact])
    assert read("opportunity", made["opportunities"][0])["name"] == "码垛机"
    assert len(rows("customer")) == 1


def test_somebody_elses_customer_is_named_and_not_taken(act, make, read, rows, team, lead):
    """S-023"""
    other = make("customer", team.yan, name="潍坊鼎源农机")
    with pytest.raises(Invalid, match="闫晓璐"):
        act(team.fu, "lead", "convert", [lead])
    assert read("lead", lead)["status"] == "new"
    assert rows("opportunity") == []
    with pytest.raises(Invalid):  # nor by its number
        act(team.fu, "lead", "convert", [lead], customer=other)
    made = act(team.fu, "lead", "convert", [lead], separate=True, without_opportunity=True)
    assert made["customers"] != [other]
    assert made["opportunities"] == []


def test_the_dialogue_asks_and_both_pages_lead_to_each_other(browser_of, team, lead, rows):
    browser = browser_of(team.fu)
    path = "/r/lead/actions/convert"
    page = browser.post(path, data={"ids": lead, "csrf_token": browser.csrf}).get_data(as_text=True)
    for name in ("customer", "separate", "opportunity", "process"):
        assert f'name="param.{name}' in page
    sent = {
        "ids": lead,
        "confirmed": "1",
        "param.opportunity": "码垛机",
        "csrf_token": browser.csrf,
    }
    assert browser.post(path, data=sent).status_code == 303
    (deal,) = rows("opportunity", team.fu)
    assert f'href="/r/opportunity/{deal["id"]}"' in browser.get(f"/r/lead/{lead}").get_data(
        as_text=True
    )
    assert f'href="/r/lead/{lead}"' in browser.get(f"/r/opportunity/{deal['id']}").get_data(
        as_text=True
    )


def test_over_rest(client, bearer, team, lead):
    path = f"/api/v1/records/lead/{lead}/actions/convert"
    answer = client.post(path, json={}, headers=bearer(team.fu))
    assert answer.status_code == 200, answer.json
    deals = client.get("/api/v1/records/opportunity", headers=bearer(team.fu)).json["items"]
    assert [each["lead"]["id"] for each in deals] == [lead]


def test_each_module_does_without_the_other(
    act, make, read, unit_of_work, admin_id, team, lead, browser_of, client, bearer
):
    act(team.fu, "lead", "convert", [lead])
    (deal,) = client.get("/api/v1/records/opportunity", headers=bearer(team.fu)).json["items"]
    with unit_of_work(admin_id) as uow:
        disable(uow, "crm_leads")
    browser = browser_of(team.fu)
    for path in ("/", "/r/opportunity", f"/r/opportunity/{deal['id']}", "/r/opportunity/new"):
        assert browser.get(path).status_code == 200, path
    key = make("opportunity", team.fu, name="新商机", customer=deal["customer"]["id"])
    assert read("opportunity", key)["lead"] is None


def test_leads_convert_without_this_module(act, make, read, unit_of_work, admin_id, team, lead):
    with unit_of_work(admin_id) as uow:
        disable(uow, "crm_sales")
    assert act(team.fu, "lead", "convert", [lead]) == {"converted": [lead]}
    assert read("lead", lead)["status"] == "converted"


def test_what_a_campaigns_leads_have_won_stands_on_its_page_and_beside_its_channel(
    act, make, team, browser_of, unit_of_work
):
    """S-004: the return of a campaign is that of the opportunities made of its leads."""
    with unit_of_work() as uow:
        today = uow.clock.today()
    effort = {"name": "春季展", "source": "展会", "cost": "20000", "starts_on": today}
    campaign = make("campaign", **effort)
    for name, mobile, amount, is_won in (
        ("潍坊鼎源农机", "13805361234", "50000", True),
        ("青岛宏昊物流", "13905361234", "70000", False),
    ):
        values = {"mobile": mobile, "source": "展会", "owner": team.fu, "campaign": campaign}
        lead = make("lead", company=name, contact_name="王建国", expected_amount=amount, **values)
        made = act(team.fu, "lead", "convert", [lead])
        if is_won:
            with unit_of_work() as uow:
                filled = {"expected_close_on": today, "competitors": ["某厂"]}
                service.update(uow, "opportunity", {made["opportunities"][0]: filled})
            act(team.fu, "opportunity", "win", made["opportunities"])
    browser = browser_of(team.manager)
    page = browser.get(f"/r/campaign/{campaign}").get_data(as_text=True)
    assert "50,000" in page
    assert "150%" in page  # 50,000 won for 20,000
    assert "70,000" not in page.split("<h2", 1)[0]
    channels = browser.get("/crm_leads/channels").get_data(as_text=True)
    assert "¥50,000" in channels
