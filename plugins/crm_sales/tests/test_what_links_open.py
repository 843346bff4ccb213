"""Z12: whoever holds a link of a quote, or the address of a form, may do what it is for, and no more."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from core.entities import query, service
from core.entities.query import ListQuery
from core.http.requests import route_policy

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

#: All that modules open to people without an account.
OPEN = {
    "crm_leads.form",
    "crm_leads.submit_form",
    "crm_sales.show_offer",
    "crm_sales.answer_offer",
}
#: What an answer by a link writes of its quote.
ANSWERED = {
    "status",
    "answered_by",
    "answered_at",
    "answer_note",
    "version",
    "updated_at",
    "updated_by",
}


@pytest.fixture
def path(act, browser_of, make, team):
    """Of a link to a quote of 傅宇恒."""
    customer = make("customer", team.fu, name="潍坊鼎源农机有限公司")
    product = make("product", name="码垛机", code="MD", list_price="33.33")
    key = make("quote", team.fu, customer=customer, lines=[{"product": product, "quantity": "3"}])
    act(team.fu, "quote", "submit", [key])
    browser = browser_of(team.fu)
    answer = browser.post(f"/crm_sales/quotes/{key}/link", data={"csrf_token": browser.csrf})
    return re.search(r'value="http[^"]*(/crm_sales/offers/[\w-]{43})"', answer.text)[1]


def test_modules_open_this_and_no_more(app):
    """Z12: the routes without a sign-in are exactly those of the list, each with its methods."""
    found = {
        rule.endpoint: rule.methods - {"HEAD", "OPTIONS"}
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(("crm_", "activities"))
        and route_policy(app.view_functions[rule.endpoint]) == "public"
    }
    assert set(found) == OPEN
    assert all(len(methods) == 1 for methods in found.values())


def test_a_link_is_no_way_in(app, client, path):
    """Z12: the page gives no session, and its token opens no other door."""
    token = path.rpartition("/")[2]
    page = client.get(path)
    assert page.status_code == 200
    assert "session" not in " ".join(page.headers.getlist("Set-Cookie")).lower()
    for rule in app.url_map.iter_rules():
        if route_policy(app.view_functions[rule.endpoint]) == "public" or "GET" not in rule.methods:
            continue
        place = re.sub(r"<(?:[^:<>]+:)?[^<>]+>", "1", rule.rule)
        for answer in (
            client.get(place, headers={"Authorization": f"Bearer {token}"}),
            client.get(f"{place}?token={token}"),
        ):
            assert answer.status_code in (302, 401, 404), (rule.rule, answer.status_code)


def test_an_answer_writes_the_answer_alone(client, path, unit_of_work):
    """Z12: with every column of the quote sent along, those of the answer change and no others."""
    with unit_of_work(write=False) as uow:
        table = uow.entity("quote").table
        before = dict(uow.execute(select(table)).mappings().one())
    sent = {name: "1" for name in before} | {"answer": "accept", "name": "李喆", "note": "好"}
    assert client.post(path, data=sent).status_code == 303
    with unit_of_work(write=False) as uow:
        after = dict(uow.execute(select(table)).mappings().one())
    changed = {name for name in before if before[name] != after[name]}
    assert {"status", "answered_by", "answer_note"} <= changed <= ANSWERED
    assert (after["status"], after["answered_by"]) == ("accepted", "李喆")


def test_a_visitor_fills_in_the_fields_of_the_form_alone(client, unit_of_work, team):
    """Z12: with every column of a lead sent along, those that the form asks for are taken."""
    with unit_of_work() as uow:
        (pool,) = service.create(uow, "lead_pool", [{"name": "公海", "members": [team.fu]}])
        form = {"name": "官网", "pool": pool, "fields": ["company", "mobile"]}
        (key,) = service.create(uow, "lead_form", [form])
        address = f"/crm_leads/form/{query.get(uow, 'lead_form', key).values['key']}"
        names = [column.name for column in uow.entity("lead").table.columns]
    sent = dict.fromkeys(names, "1") | {"company": "访客公司", "mobile": "13805361234"}
    answer = client.post(address, data=sent)
    assert answer.status_code in (200, 302, 303), answer.text[-1000:]
    with unit_of_work(write=False) as uow:
        (lead,) = query.page(uow, "lead", ListQuery()).items
        lead = query.get(uow, "lead", lead["id"]).values
    assert (lead["company"], lead["pool"], lead["owner"]) == ("访客公司", pool, None)
    # Where the visitor came from is what the form sends along by itself.
    assert {name for name, value in lead.items() if value == "1"} <= {"origin"}
