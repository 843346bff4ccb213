"""Public forms: what a visitor sends becomes a lead, what a machine sends does not, and a welcome goes out."""

from __future__ import annotations

import re
from html import unescape

import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Invalid
from core.settings.service import put_settings

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

VISITOR = {
    "company": "潍坊访客食品有限公司",
    "contact_name": "王建国",
    "mobile": "138 0536 1234",
    "email": "wang@example.com",
    "province": "山东",
    "city": "潍坊",
}
FIELDS = ["company", "contact_name", "mobile", "email", "province", "city", "note"]


@pytest.fixture
def make_form(unit_of_work, team):
    """``make_form(**values) -> its address``."""

    def make(**values):
        form = {"name": "官网留言", "pool": team.pool, "fields": FIELDS, **values}
        with unit_of_work(team.marketing) as uow:
            (key,) = service.create(uow, "lead_form", [form])
            return f"/crm_leads/form/{query.get(uow, 'lead_form', key).values['key']}"

    return make


@pytest.fixture
def leads(unit_of_work):
    def find():
        with unit_of_work(write=False) as uow:
            return query.page(uow, "lead", ListQuery(sort="id")).items

    return find


def test_a_visitor_becomes_a_lead_in_the_pool(client, make_form, leads, team, unit_of_work):
    """S-003, S-011: nobody signs in; the region's rule gives it to its rep, who is told."""
    with unit_of_work() as uow:
        rule = {
            "name": "山东",
            "target": "person",
            "person": team.fu,
            "conditions": [{"field_name": "province", "op": "is", "value": "山东省"}],
        }
        service.create(uow, "assignment_rule", [rule])
    address = make_form(title="联系我们")
    page = client.get(address, headers={"Referer": "https://www.example.com/products"})
    assert page.status_code == 200
    html = page.get_data(as_text=True)
    assert "联系我们" in html
    assert 'name="origin" value="https://www.example.com/products"' in html
    sent = {**VISITOR, "origin": "https://www.example.com/products", "website": ""}
    answer = client.post(address, data=sent)
    assert answer.status_code == 303
    assert "谢谢" in client.get(answer.headers["Location"]).get_data(as_text=True)
    (lead,) = leads()
    assert (lead["company"], lead["mobile"]) == ("潍坊访客食品有限公司", "13805361234")
    assert (lead["source"], lead["pool"], lead["owner"]) == ("官网表单", team.pool, team.fu)
    assert lead["origin"] == "https://www.example.com/products"
    assert lead["form"] is not None


def test_the_rep_is_told_of_what_came_in(client, make_form, team, unit_of_work, bell):
    with unit_of_work() as uow:
        service.create(
            uow, "assignment_rule", [{"name": "全部", "target": "person", "person": team.fu}]
        )
    client.post(make_form(), data=VISITOR)
    (told,) = bell(team.fu)
    assert "潍坊访客食品有限公司" in told


def test_machines_and_second_clicks_are_thanked_and_make_nothing(client, make_form, leads):
    address = make_form()
    assert client.post(address, data={**VISITOR, "website": "http://spam"}).status_code == 303
    assert leads() == []
    for _turn in range(2):
        assert client.post(address, data=VISITOR).status_code == 303
    assert client.post(address, data={**VISITOR, "company": "别的公司"}).status_code == 303
    assert len(leads()) == 1
    other = {"contact_name": "李海燕", "mobile": "13905361234"}
    client.post(address, data=other)
    assert [lead["company"] for lead in leads()] == ["潍坊访客食品有限公司", "李海燕"]


def test_one_place_sends_no_more_than_the_company_allows(client, make_form, unit_of_work, leads):
    with unit_of_work() as uow:
        put_settings(uow, "core_limits", {"form": 3})
    address = make_form()
    sent = [{**VISITOR, "mobile": f"1380536{n:04d}", "email": ""} for n in range(5)]
    assert [client.post(address, data=each).status_code for each in sent] == [303] * 3 + [429] * 2
    assert len(leads()) == 3


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"mobile": "123"}, "mobile"),
        ({"email": "keine Adresse"}, "email"),
        ({"mobile": "", "email": ""}, "mobile"),
        ({"company": "", "contact_name": ""}, "company"),
        ({"province": "火星"}, "province"),
        ({"note": "长" * 30_000}, None),
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_nothing_is_saved(
    client, make_form, leads, change, field
):
    address = make_form()
    answer = client.post(address, data={**VISITOR, **change})
    if field is None:  # cut, not refused: a visitor has told enough
        assert answer.status_code == 303
        return
    html = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert f'id="error-{field}"' in html or f"{field}-error" in html, html
    assert "王建国" in html or field == "company"
    assert leads() == []


def test_only_the_named_sites_frame_it(client, make_form, make_person):
    plain = client.get(make_form()).headers
    assert "frame-ancestors 'none'" in plain["Content-Security-Policy"]
    assert plain["X-Frame-Options"] == "DENY"
    sites = ["https://www.example.com", "https://shop.example.com:8443"]
    framed = client.get(make_form(name="嵌入", sites=sites)).headers
    policy_text = framed["Content-Security-Policy"]
    assert "frame-ancestors https://www.example.com https://shop.example.com:8443" in policy_text
    assert "default-src 'none'" in policy_text
    assert "X-Frame-Options" not in framed
    assert "frame-ancestors 'none'" in client.get("/sign-in").headers["Content-Security-Policy"]


def test_a_foreign_page_does_not_send_it(client, make_form, leads):
    answer = client.post(make_form(), data=VISITOR, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert leads() == []


@pytest.mark.parametrize("values", [{"is_open": False}, {"archived": True}, {"sleeping": True}])
def test_what_is_closed_is_not_there(client, make_form, unit_of_work, team, values, leads):
    address = make_form(is_open=values.get("is_open", True))
    with unit_of_work() as uow:
        if values.get("sleeping"):
            service.update(uow, "lead_pool", {team.pool: {"is_active": False}})
        if values.get("archived"):
            (form,) = query.page(uow, "lead_form", ListQuery()).items
            service.delete(uow, "lead_form", [form["id"]])
    assert client.get(address).status_code == 404
    assert client.post(address, data=VISITOR).status_code == 404
    assert client.get("/crm_leads/form/erraten").status_code == 404
    assert leads() == []


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({"fields": ["mobile"]}, "fields", "nameless"),
        ({"fields": ["company", "note"]}, "fields", "unreachable"),
        ({"sites": ["https://a.example; script-src *"]}, "sites", "site"),
        ({"sites": ["www.example.com"]}, "sites", "site"),
        ({"welcome_text": "尊敬的{姓名}"}, "welcome_text", "unknown_field"),
    ],
)
def test_a_form_that_cannot_be_is_refused_at_its_field(make_form, values, field, code):
    with pytest.raises(Invalid) as refused:
        make_form(**values)
    assert [(p.field, p.code) for p in refused.value.problems] == [(field, code)]


def test_who_came_in_is_welcomed_once(client, make_form, leads, mails, run_jobs, unit_of_work):
    """S-020: merged, to those with an address; the others are skipped, and it says so."""
    with unit_of_work() as uow:
        put_settings(uow, "core", {"company_name": "鸢衡机械"})
    address = make_form(
        welcome_subject="欢迎，{name}", welcome_text="{name}您好，{us}已收到{company}的留言。"
    )
    client.post(address, data=VISITOR)
    client.post(address, data={"contact_name": "李海燕", "mobile": "13905361234"})
    run_jobs()
    run_jobs()
    (letter,) = mails()
    assert letter["To"] == "wang@example.com"
    assert letter["Subject"] == "欢迎，王建国"
    text = letter.get_content()
    assert "王建国您好，鸢衡机械已收到潍坊访客食品有限公司的留言。" in text
    assert [lead["welcome"] for lead in leads()] == ["sent", "skipped"]


def test_without_a_text_no_welcome_goes_out(client, make_form, leads, mails, run_jobs):
    client.post(make_form(), data=VISITOR)
    run_jobs()
    assert mails() == []
    assert leads()[0]["welcome"] is None


def test_the_form_says_where_it_is(make_form, browser_of, team, unit_of_work):
    address = make_form(title='问与"答"', sites=["https://www.example.com"])
    with unit_of_work(write=False) as uow:
        (form,) = query.page(uow, "lead_form", ListQuery()).items
    html = browser_of(team.marketing).get(f"/r/lead_form/{form['id']}").get_data(as_text=True)
    code = unescape(re.search("<code>(.*?)</code>", html)[1])
    assert re.fullmatch(f'<iframe src="http[^"]*{address}" title="([^"]*)" .*></iframe>', code)
    assert 'title="问与&quot;答&quot;"' in code
