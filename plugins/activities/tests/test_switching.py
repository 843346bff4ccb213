"""The module alone, and leads without it: each works, and nothing is lost on the way."""

from __future__ import annotations

import pytest

from core.customize.entities import add_entity
from core.entities import query, service
from core.entities.query import ListQuery
from core.entities.timeline import timeline
from core.errors import Invalid
from core.ops.lifecycle import disable, enable

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def test_leads_do_without_it(unit_of_work, admin_id, make_lead, team, write, browser_of, read):
    lead = make_lead(team.fu, company="没有跟进模块", status="following")
    key = write(team.fu, lead)
    with unit_of_work(admin_id) as uow:
        disable(uow, "activities")
    with unit_of_work(team.fu) as uow:
        service.update(uow, "lead", {lead: {"note": "改一下"}})
    browser = browser_of(team.fu)
    for path in ("/", f"/r/lead/{lead}"):
        text = browser.get(path).get_data(as_text=True)
        assert "/activities/" not in text
    with unit_of_work(admin_id) as uow:
        enable(uow, "activities")
    assert read("follow_up", key)["related_id"] == lead


def test_it_does_without_leads(unit_of_work, admin_id, team, browser_of):
    with unit_of_work(admin_id) as uow:
        disable(uow, "crm_leads")
    browser = browser_of(team.fu)
    assert browser.get("/").status_code == 200
    for path in ("follow-up", "task", "calendar", "statistics", "suggest?q=x"):
        assert browser.get(f"/activities/{path}").status_code == 200, path
    with unit_of_work(team.fu) as uow:
        (key,) = service.create(uow, "follow_up", [{"kind": "visit", "content": "拜访了园区"}])
        assert query.get(uow, "follow_up", key).values["related_id"] is None
        assert query.count(uow, "task", ListQuery()) == 0


def test_what_the_company_makes_itself_is_followed_up_at_once(
    unit_of_work, admin_id, team, browser_of, write
):
    """Of an entity that no code knows: in its timeline, beside it, and with its rights."""
    fields = [{"name": "x_key", "kind": "text", "label": "编号"}]
    with unit_of_work(admin_id) as uow:
        add_entity(uow, {"name": "x_site", "label": "工地", "fields": fields})
    with unit_of_work(admin_id) as uow:
        wanted = ListQuery(filter={"field": "name", "op": "eq", "value": "sales"})
        (role,) = query.page(uow, "role", wanted).items
        rights = {"x_site": {"read": "own", "create": "own"}}
        service.update(uow, "role", {role["id"]: {"grants": role["grants"] | rights}})
    with unit_of_work(team.fu) as uow:
        (site,) = service.create(uow, "x_site", [{"x_key": "七号地"}])
    about = {"related_entity": "x_site", "related_id": site}
    write(team.fu, content="查看了塔吊基础", **about)
    with pytest.raises(Invalid):
        write(team.ning, content="查看了塔吊基础", **about)
    with unit_of_work(team.fu, write=False) as uow:
        assert "查看了塔吊基础" in [entry.body for entry in timeline(uow, "x_site", site)]
    browser = browser_of(team.fu)
    text = browser.get(f"/r/x_site/{site}").get_data(as_text=True)
    assert f'value="x_site:{site}"' in text
    assert f"x_site:{site}" in browser.get("/activities/suggest?q=七号").get_data(as_text=True)
