"""A lead becomes a customer, a contact and an opportunity, in one transaction."""

from __future__ import annotations

import re
from decimal import Decimal
from html import unescape

import pytest

from core.entities import service
from core.errors import Invalid, NotFound, Refused
from core.ops.lifecycle import disable
from core.security.sharing import share

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


def page_of(lead):
    return f"/crm_sales/leads/{lead}/convert"


@pytest.fixture
def asked(browser_of, lead):
    """``asked(person) -> (the page, convert)``: the page of the lead, and what sends its form."""

    def open_(person, key=lead):
        browser = browser_of(person)
        begun = browser.post(
            "/r/lead/actions/convert", data={"ids": key, "csrf_token": browser.csrf}
        )
        path = browser.get(begun.location).location
        assert path == page_of(key)
        page = unescape(browser.get(path).get_data(as_text=True))

        def convert(**values):
            return browser.post(path, data={"csrf_token": browser.csrf, **values})

        return page, convert

    return open_


def chosen(page):
    return re.findall(r'name="choice" value="(\w+)" checked', page)


def test_what_exists_is_there_to_choose(asked, make, read, rows, team, lead):
    """S-021: by name, by the mobile of a contact, and by a name that is alike."""
    named = make("customer", team.fu, name="潍坊鼎源农机")
    alike = make("customer", team.fu, name="潍坊鼎原农机")
    called = make("customer", team.fu, name="寿光蔬菜批发")
    make("contact", team.fu, name="王建国", customer=called, mobile="13800001111")
    page, convert = asked(team.fu)
    for key in (named, alike, called):
        assert f'name="choice" value="{key}"' in page
    assert chosen(page) == []  # two may be meant
    answer = convert(opportunity="码垛机")
    assert answer.status_code == 422
    assert "请选择客户" in answer.get_data(as_text=True)
    assert convert(choice=str(called), opportunity="码垛机").status_code == 303
    (deal,) = rows("opportunity", team.fu)
    assert (deal["customer"], deal["name"], deal["lead"]) == (called, "码垛机", lead)
    assert read("lead", lead)["status"] == "converted"


def test_over_rest_several_are_named_and_one_is_to_be_chosen(client, bearer, make, team, lead):
    named, second = (make("customer", team.fu, name="潍坊鼎源农机") for _number in range(2))
    path, headers = f"/api/v1/records/lead/{lead}/actions/convert", bearer(team.fu)
    answer = client.post(path, json={}, headers=headers)
    assert [each["field"] for each in answer.json["errors"]] == ["customer"]
    made = client.post(path, json={"customer": second}, headers=headers)
    assert made.status_code == 200, made.json


def test_what_is_out_of_reach_is_told_of_on_the_page_and_a_new_one_is_possible(
    asked, make, rows, team, lead
):
    other = make("customer", team.yan, name="潍坊鼎源农机")
    page, convert = asked(team.fu)
    assert "同名客户由 闫晓璐 负责" in page
    assert f'name="choice" value="{other}"' not in page
    assert chosen(page) == []
    assert convert(choice=str(other)).status_code == 422
    assert convert(choice="new", without_opportunity="1").status_code == 303
    assert len(rows("customer")) == 2
    assert rows("opportunity") == []


def test_without_a_source_a_new_customer_is_refused_at_it(asked, act, make, read, rows, team):
    """S-034: nothing is put in its place."""
    lead = make("lead", owner=team.fu, company="青岛无来源食品")
    with pytest.raises(Invalid) as error:
        act(team.fu, "lead", "convert", [lead])
    assert [each.field for each in error.value.problems] == ["source"]
    assert rows("customer") == []
    page, convert = asked(team.fu, lead)
    assert chosen(page) == ["new"]
    answer = convert(choice="new")
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.get_data(as_text=True).split('name="source"')[1][:200]
    assert convert(choice="new", source="电话营销").status_code == 303
    assert rows("customer")[0]["source"] == "电话营销"


def test_a_customer_in_a_pool_is_claimed_on_the_way_by_its_rules(
    act, make, read, rows, team, unit_of_work, lead
):
    with unit_of_work() as uow:
        (pool,) = service.create(
            uow, "customer_pool", [{"name": "华东", "members": [team.fu], "daily_claims": 1}]
        )
        (far,) = service.create(uow, "customer_pool", [{"name": "西南", "members": [team.ning]}])
    customer = make("customer", name="潍坊鼎源农机", pool=pool)
    act(team.fu, "lead", "convert", [lead])
    assert read("customer", customer)["owner"] == team.fu
    (moved,) = [each for each in rows("customer_transfer") if each["kind"] == "claim"]
    assert moved["to_owner"] == team.fu
    # The limit of the day binds here too, and then nothing is converted.
    make("customer", name="青岛宏昊物流", pool=pool)
    second = make("lead", owner=team.fu, company="青岛宏昊物流", source="展会")
    with pytest.raises(Refused):
        act(team.fu, "lead", "convert", [second])
    assert read("lead", second)["status"] == "new"
    # What lies in a pool of others is no way around it.
    away = make("customer", name="成都天府机械", pool=far)
    third = make("lead", owner=team.fu, company="成都天府机械", source="展会")
    with pytest.raises((Invalid, Refused)):
        act(team.fu, "lead", "convert", [third])
    assert read("customer", away)["owner"] is None


def test_a_customer_that_one_may_only_read_is_not_added_to(
    act, make, rows, team, lead, unit_of_work
):
    """Shared for reading: the colleague who looks after it is named."""
    customer = make("customer", team.yan, name="潍坊鼎源农机")
    with unit_of_work() as uow:
        share(uow, "customer", customer, user=team.fu)
    with pytest.raises(Refused, match="闫晓璐"):
        act(team.fu, "lead", "convert", [lead], customer=customer)
    assert rows("contact") == []


def test_both_pages_lead_to_each_other(browser_of, asked, team, lead, rows):
    _page, convert = asked(team.fu)
    assert convert(choice="new", opportunity="码垛机").status_code == 303
    browser = browser_of(team.fu)
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
    """S-004: the return of a campaign is that of the opportunities made of its leads, in every currency."""
    with unit_of_work() as uow:
        today = uow.clock.today()
    effort = {"name": "春季展", "source": "展会", "cost": "20000", "starts_on": today}
    campaign = make("campaign", **effort)
    make("exchange_rate", currency="USD", valid_from=today, rate="7")
    for name, mobile, amount, currency, is_won in (
        ("潍坊鼎源农机", "13805361234", "50000", "CNY", True),
        ("济南海外装备", "13605361234", "10000", "USD", True),
        ("北京欧洲设备", "13505361234", "90000", "EUR", True),  # there is no rate
        ("青岛宏昊物流", "13905361234", "33000", "CNY", False),
    ):
        values = {"mobile": mobile, "source": "展会", "owner": team.fu, "campaign": campaign}
        lead = make("lead", company=name, contact_name="王建国", expected_amount=amount, **values)
        made = act(team.fu, "lead", "convert", [lead])
        if is_won:
            with unit_of_work() as uow:
                filled = {"expected_close_on": today, "competitors": ["某厂"], "currency": currency}
                service.update(uow, "opportunity", {made["opportunities"][0]: filled})
            act(team.fu, "opportunity", "win", made["opportunities"])
    browser = browser_of(team.manager)
    page = browser.get(f"/r/campaign/{campaign}").get_data(as_text=True)
    assert "¥120,000（未计入 1 笔无汇率的外币单）" in page
    assert "500%" in page  # 120,000 won for 20,000
    told = dict(re.findall(r"<dt>([^<]*)</dt>\s*<dd>([^<]*)</dd>", page))
    assert told["赢单数"] == "3"
    channels = browser.get("/crm_leads/channels").get_data(as_text=True)
    assert "¥120,000" in channels


def test_customers_go_on_target_lists_too(act, make, team, rows, unit_of_work, admin_id):
    """S-007: by whom the company allows it, or one by one; the verb goes with the module of leads."""
    campaign = make("campaign", name="老客户答谢", status="running")
    customer = make("customer", team.fu, name="潍坊鼎源农机")
    made = act(admin_id, "customer", "target", [customer], campaign=campaign)
    assert made["targets"] == [customer]
    second = make("customer", team.fu, name="青岛宏昊物流")
    about = {"campaign": campaign, "related_entity": "customer"}
    make("campaign_target", team.fu, related_id=second, **about)
    with pytest.raises(Invalid):
        make("campaign_target", team.fu, related_id=second, **about)
    with pytest.raises(Invalid):  # nor one that is out of reach
        make("campaign_target", team.ning, related_id=customer, **about)
    found = rows("campaign_target", team.fu, sort="related_id")
    assert [row["related_id"] for row in found] == [customer, second]
    assert rows("campaign_target", team.ning) == []
    with unit_of_work(admin_id) as uow:
        disable(uow, "crm_leads")
    with pytest.raises(NotFound):
        act(admin_id, "customer", "target", [customer], campaign=campaign)
