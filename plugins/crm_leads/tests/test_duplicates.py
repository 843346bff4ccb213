"""Leads that are there already: told while one types, told of on their page, refused where the company says so."""

from __future__ import annotations

from html import unescape

import pytest

from core.entities import service
from core.errors import Invalid
from core.settings.service import put_settings

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

MOBILE = "13805361234"


@pytest.fixture
def theirs(make_leads, team):
    """A lead of another seller."""
    (key,) = make_leads(company="潍坊鼎源农机有限公司", mobile=MOBILE, owner=team.yan)
    return key


@pytest.fixture
def rule(unit_of_work):
    def put(**values):
        with unit_of_work() as uow:
            put_settings(uow, "crm_leads", values)

    return put


@pytest.fixture
def told(browser_of):
    """``told(person, **values)``: what stands above the form while that is typed."""

    def ask(person, **values):
        browser = browser_of(person)
        answer = browser.post("/crm_leads/duplicates", data=values | {"csrf_token": browser.csrf})
        return unescape(answer.get_data(as_text=True)) if answer.status_code == 200 else None

    return ask


def test_who_may_not_see_it_is_told_whose_it_is_and_no_more(team, theirs, told, rule):
    assert "闫晓璐 的线索使用此号码" in told(team.fu, mobile="138 0536 1234")
    assert "闫晓璐 的线索使用此号码" in told(team.fu, phone=MOBILE)  # whichever of the two it is
    assert "闫晓璐 有该公司的线索" in told(team.fu, company="潍坊鼎源农机")
    assert "闫晓璐 有名称相似的线索" in told(team.fu, company="潍坊鼎原农机")
    for text in (told(team.fu, mobile=MOBILE), told(team.fu, company="潍坊鼎原农机")):
        assert "鼎源" not in text
        assert "%" not in text  # nor how near a guess came
        assert "<a " not in text
    assert told(team.fu, mobile="1380536", company="农机") == ""  # half typed
    assert told(team.viewer, mobile=MOBILE) is None
    rule(same_number="off", same_name="off", alike_names=0)
    assert told(team.fu, mobile=MOBILE, company="潍坊鼎原农机") == ""


def test_who_may_see_it_gets_there(team, theirs, told):
    text = told(team.manager, mobile=MOBILE)
    assert f'href="/r/lead/{theirs}"' in text
    assert "潍坊鼎源农机有限公司" in text
    assert "90%" in told(team.manager, company="潍坊鼎原农机")


def test_a_number_that_a_pool_masks_is_not_tied_to_its_lead(team, make_leads, told, set_pool):
    """Whoever tries numbers does not learn which lead in the pool has one."""
    set_pool(veiled=["mobile"])
    make_leads(company="潍坊鼎源农机", mobile=MOBILE)
    text = told(team.fu, mobile=MOBILE)
    assert "公海中有线索使用此号码" in text
    assert "鼎源" not in text
    assert "鼎源" in told(team.fu, company="潍坊鼎源农机")


def test_the_form_and_the_page_say_it_without_typing(team, theirs, browser_of, make_leads):
    """On opening, on a form that comes back, and for good while it is worked on."""
    browser = browser_of(team.fu)
    page = browser.get(f"/r/lead/new?mobile={MOBILE}").get_data(as_text=True)
    assert "闫晓璐 的线索使用此号码" in page
    assert 'hx-post="/crm_leads/duplicates"' in page
    (mine,) = make_leads(company="另一家", mobile=MOBILE, owner=team.fu)
    edited = browser.get(f"/r/lead/{mine}/edit").get_data(as_text=True)
    assert edited.count("的线索使用此号码") == 1  # of the other, and not of itself
    assert f'hx-post="/crm_leads/duplicates?but={mine}"' in edited
    assert "闫晓璐 的线索使用此号码" in browser.get(f"/r/lead/{mine}").get_data(as_text=True)


def test_refused_at_the_field_for_rest_imports_and_forms(
    team, theirs, rule, client, bearer, unit_of_work, act, read
):
    path = "/api/v1/records/lead"
    lead = {"company": "另一家", "phone": MOBILE, "owner": team.fu}
    rule(same_number="refuse", same_name="refuse")
    answer = client.post(path, json=lead, headers=bearer(team.fu))
    assert answer.status_code == 422
    (problem,) = answer.json["errors"]
    assert (problem["field"], problem["code"]) == ("phone", "duplicate")
    assert "闫晓璐" in problem["message"]
    assert "id" not in problem.get("data", {})
    named = {"company": "潍坊鼎源农机", "owner": team.fu}
    answer = client.post(path, json=named, headers=bearer(team.fu))
    assert [each["field"] for each in answer.json["errors"]] == ["company"]
    # A file that names one twice; and what is changed of a lead that was the same before.
    items = [{"company": name, "owner": team.fu} for name in ("甲机械有限公司", "甲机械")]
    with pytest.raises(Invalid) as error, unit_of_work(team.fu) as uow:
        service.create(uow, "lead", items)
    assert [each.item for each in error.value.problems] == [1]
    rule(same_number="warn", same_name="warn")
    own = client.post(path, json=lead, headers=bearer(team.fu)).json["id"]
    rule(same_number="refuse")
    with unit_of_work(team.fu) as uow:
        service.update(uow, "lead", {own: {"note": "电话里谈过"}})
    with pytest.raises(Invalid), unit_of_work(team.fu) as uow:
        service.update(uow, "lead", {own: {"mobile": MOBILE}})
    # What was given up is nobody's any more.
    for key in (theirs, own):
        act(read(key)["owner"], "mark_lost", [key], reason="已停产")
    assert client.post(path, json=lead, headers=bearer(team.fu)).status_code == 201
