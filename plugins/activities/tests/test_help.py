"""S-243: topics of this module belong to its pages, and go with it."""

from __future__ import annotations

import pytest

from core.ops.lifecycle import disable

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def test_my_day_leads_to_its_own_topic_while_the_module_is_on(unit_of_work, browser_of, team):
    browser = browser_of(team.fu)
    assert 'href="/help/activities.my-day?page=/"' in browser.get("/").get_data(as_text=True)
    opened = browser.get("/help/activities.my-day")
    assert "写跟进" in opened.get_data(as_text=True)
    with unit_of_work() as uow:
        disable(uow, "activities")
    assert browser.get("/help/activities.my-day").status_code == 404
    assert 'href="/help/start?page=/"' in browser.get("/").get_data(as_text=True)


def test_leads_have_a_topic_of_their_own(browser_of, team):
    listed = browser_of(team.fu).get("/r/lead").get_data(as_text=True)
    assert 'href="/help/crm_leads.leads?page=/r/lead"' in listed
