"""What is typed on the page of a conversion is kept: against errors, the end of the session, a second click."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from core.entities import query
from core.entities.drafts import draft_table
from core.security.models import session_table
from core.testing.installation import PASSWORD

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))
TYPED = {
    "choice": "new",
    "opportunity": "码垛机两台",
    "expected_close_on": "2027-03-01",
    "source": "电话营销",
}


@pytest.fixture
def lead(make, team):
    return make("lead", owner=team.fu, company="潍坊鼎源农机有限公司", source="展会")


@pytest.fixture
def path(lead):
    return f"/crm_sales/leads/{lead}/convert"


@pytest.fixture
def end_sessions(unit_of_work):
    def end():
        with unit_of_work() as uow:
            uow.execute(session_table.delete())

    return end


@pytest.fixture
def drafts(unit_of_work):
    """``drafts() -> [(whose, record, inputs)]``"""

    def read():
        with unit_of_work(write=False) as uow:
            rows = uow.execute(draft_table.select()).all()
            return [(row.user_id, row.record_id, dict(row.inputs)) for row in rows]

    return read


def form_of(browser, path, **values):
    """The tokens of the page's form, with what is typed."""
    html = browser.get(path).get_data(as_text=True)
    found = {
        name: unescape(re.search(rf'name="{name}" value="([^"]*)"', html)[1])
        for name in ("csrf_token", "form_key")
    }
    return found | values


@pytest.mark.long
def test_a_draft_is_offered_and_brings_all_of_it_back(browser_of, drafts, lead, path, team):
    browser = browser_of(team.fu)
    data = form_of(browser, path, record=str(lead), **TYPED)
    kept = browser.post("/r/lead/draft?page=crm_sales.show_conversion", data=data)
    assert kept.status_code == 200
    ((whose, record, inputs),) = drafts()
    assert (whose, record) == (team.fu, lead)
    assert TYPED.items() <= inputs.items()
    html = browser.get(path).get_data(as_text=True)
    assert "码垛机两台" in html  # offered by name
    assert 'value="2027-03-01"' not in html
    way = unescape(re.search(r'href="([^"]*draft=[^"]*)"', html)[1])
    html = browser.get(way).get_data(as_text=True)
    assert 'value="码垛机两台"' in html
    assert 'value="2027-03-01"' in html
    assert re.search(r'value="电话营销"\s+selected', html)
    assert re.search(r'value="new"\s+checked', html)
    again = form_of(browser, way, **TYPED)
    assert browser.post(path, data=again).status_code == 303
    assert drafts() == []


def test_who_converts_after_the_session_ended_signs_in_and_goes_on(
    browser_of, drafts, end_sessions, path, rows, team, unit_of_work
):
    browser = browser_of(team.fu)
    data = form_of(browser, path, **TYPED)
    end_sessions()
    answer = browser.post(path, data=data)
    assert answer.status_code == 303
    (target,) = parse_qs(urlsplit(answer.location).query)["next"]
    assert target.startswith(f"{path}?draft=")
    assert rows("customer") == []
    with unit_of_work(write=False) as uow:
        email = query.get(uow, "user", team.fu).values["email"]
    signed = {"email": email, "password": PASSWORD, "next": target}
    back = browser.post("/sign-in", data=signed).location
    again = form_of(browser, back, **TYPED)
    assert 'value="码垛机两台"' in browser.get(back).get_data(as_text=True)
    assert browser.post(path, data=again).status_code == 303
    assert [deal["name"] for deal in rows("opportunity")] == ["码垛机两台"]
    assert drafts() == []


def test_a_second_click_leads_where_the_first_did(browser_of, path, read, rows, lead, team):
    browser = browser_of(team.fu)
    data = form_of(browser, path, **TYPED)
    first, second = (browser.post(path, data=data) for _click in range(2))
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.location == second.location
    assert len(rows("customer")) == len(rows("opportunity")) == 1
    assert read("lead", lead)["status"] == "converted"
    another = form_of(browser, path, **TYPED)  # no second click: another form
    assert browser.post(path, data=another).status_code == 409
    assert len(rows("customer")) == 1


@pytest.mark.long
def test_an_error_loses_nothing(browser_of, path, rows, team):
    browser = browser_of(team.fu)
    answer = browser.post(path, data=form_of(browser, path, **{**TYPED, "choice": "other"}))
    assert answer.status_code == 422
    html = answer.get_data(as_text=True)
    assert 'value="码垛机两台"' in html
    assert "data-changed" in html
    assert rows("customer") == []


@pytest.mark.long
def test_drafts_are_for_who_may_convert_the_lead(browser_of, drafts, lead, path, team):
    """Nobody keeps one at a lead out of reach, and a lead that is done with takes none."""
    stranger = browser_of(team.ning)
    assert stranger.get(path).status_code == 404
    assert stranger.post(path, data={"csrf_token": stranger.csrf, **TYPED}).status_code == 404
    sent = {"record": str(lead), "form_key": "k", **TYPED}
    address = "/r/lead/draft?page=crm_sales.show_conversion"
    assert stranger.post(address, data={"csrf_token": stranger.csrf, **sent}).status_code == 403
    browser = browser_of(team.fu)
    assert browser.post(path, data=form_of(browser, path, **TYPED)).status_code == 303
    assert browser.post(address, data={"csrf_token": browser.csrf, **sent}).status_code == 403
    assert drafts() == []
