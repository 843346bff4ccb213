"""S-021: what was said of a lead stands on the customer and the opportunity that it became."""

from __future__ import annotations

from html import unescape
from io import BytesIO

import pytest

from core.comments.service import add_comment
from core.entities import service
from core.entities.incoming import readable
from core.entities.timeline import timeline
from core.settings.service import put_settings

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "crm_sales", "activities")


@pytest.fixture
def told(make, act, team, unit_of_work, browser_of):
    """A lead that was followed up, commented and given a file, and then converted: what was made of it."""
    lead = make("lead", owner=team.fu, company="潍坊鼎源农机", source="展会", mobile="13800001111")
    with unit_of_work(team.fu) as uow:
        about = {"related_entity": "lead", "related_id": lead, "kind": "call"}
        service.create(uow, "follow_up", [about | {"content": "老板要看样机"}])
        add_comment(uow, "lead", lead, "客户偏好分期")
    browser = browser_of(team.fu)
    sent = {"csrf_token": browser.csrf, "files": (BytesIO(b"plan"), "厂房平面图.txt")}
    assert browser.post(f"/r/lead/{lead}/files", data=sent).status_code == 303
    made = act(team.fu, "lead", "convert", [lead])
    return lead, made["customers"][0], made["opportunities"][0]


def titles(unit_of_work, person, entity, key):
    with unit_of_work(person, write=False) as uow:
        return {entry.kind: entry for entry in timeline(uow, entity, key) if entry.data}


def test_it_is_read_by_who_reads_the_customer_and_says_where_it_is_from(
    told, team, unit_of_work, browser_of, act
):
    _lead, customer, deal = told
    for entity, key in (("customer", customer), ("opportunity", deal)):
        found = titles(unit_of_work, team.fu, entity, key)
        assert set(found) == {"call", "comment", "file"}
        assert all("来自线索" in entry.title for entry in found.values())
    # The customer goes to another seller, who never saw the lead.
    act(team.manager, "customer", "assign", [customer], owner=team.yan)
    browser = browser_of(team.yan)
    page = unescape(browser.get(f"/r/customer/{customer}").get_data(as_text=True))
    for text in ("老板要看样机", "客户偏好分期", "厂房平面图.txt", "来自线索"):
        assert page.count(text) >= 1, text
    file = titles(unit_of_work, team.yan, "customer", customer)["file"].data["file"]
    assert browser.get(f"/files/{file}").data == b"plan"
    assert browser.get(f"/r/lead/{told[0]}").status_code == 404
    comment = titles(unit_of_work, team.yan, "customer", customer)["comment"].data["comment"]
    assert f"/comments/{comment}" not in page  # changed where it was written, by who wrote it


def test_who_reads_neither_reads_nothing_of_it(
    told, team, unit_of_work, browser_of, client, bearer
):
    _lead, customer, deal = told
    file = titles(unit_of_work, team.fu, "customer", customer)["file"].data["file"]
    stranger = browser_of(team.ning)
    assert stranger.get(f"/files/{file}").status_code == 404
    assert stranger.get(f"/r/customer/{customer}").status_code == 404
    # Service reads customers, and follow-ups by its role; the viewer's role knows of none.
    assert set(titles(unit_of_work, team.service, "customer", customer)) >= {"call", "comment"}
    for person in (team.ning, team.yan):
        found = client.get("/api/v1/records/follow_up", headers=bearer(person)).json["items"]
        assert found == []


def test_what_was_told_along_is_within_reach_nowhere_else(told, team, unit_of_work, act, rows):
    """Who reads a lead's history only on its customer reads none of it by itself, in the same page either."""
    _lead, customer, _deal = told
    (follow_up,) = rows("follow_up")
    act(team.manager, "customer", "assign", [customer], owner=team.yan)
    with unit_of_work(team.yan, write=False) as uow:
        assert "老板要看样机" in {entry.body for entry in timeline(uow, "customer", customer)}
        assert readable(uow, "follow_up", {follow_up["id"]}) == set()


@pytest.mark.long
def test_it_stays_with_the_customer_that_two_became(told, make, act, team, unit_of_work):
    lead, customer, _deal = told
    other = make("customer", team.fu, name="潍坊鼎源机械")
    act(team.manager, "customer", "merge", [other], others=[customer])
    assert set(titles(unit_of_work, team.fu, "customer", other)) >= {"call", "comment", "file"}
    assert lead


@pytest.mark.long
def test_a_follow_up_of_the_opportunity_is_told_once(told, team, unit_of_work):
    _lead, customer, deal = told
    with unit_of_work(team.fu) as uow:
        about = {"related_entity": "opportunity", "related_id": deal, "kind": "visit"}
        service.create(uow, "follow_up", [about | {"content": "看了样机"}])
    with unit_of_work(team.fu, write=False) as uow:
        bodies = [entry.body for entry in timeline(uow, "customer", customer)]
    assert sum("看了样机" in body for body in bodies) == 1


def test_an_assigned_lead_is_a_task_of_its_owner(make, team, rows, unit_of_work):
    """S-014"""
    rule = {"name": "展会", "target": "person", "person": team.fu, "conditions": []}
    with unit_of_work() as uow:
        service.create(uow, "assignment_rule", [rule])
    lead = make("lead", company="青岛宏昊物流", source="展会")
    (task,) = rows("task", team.fu)
    assert (task["related_entity"], task["related_id"]) == ("lead", lead)
    assert "青岛宏昊物流" in task["title"]
    assert task["due_at"] == rows("lead", team.fu)[0]["next_follow_at"]
    with unit_of_work() as uow:
        put_settings(uow, "crm_leads", {"task_for_assigned": False})
    make("lead", company="又一家", source="展会")
    assert len(rows("task")) == 1
