"""S-007: whom a campaign is for, chosen by a list or by hand, and how they answered."""

from __future__ import annotations

import re

import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def campaign(unit_of_work):
    with unit_of_work() as uow:
        return service.create(uow, "campaign", [{"name": "春季展", "status": "running"}])[0]


def listed(unit_of_work, person):
    with unit_of_work(person, write=False) as uow:
        rows = query.page(uow, "campaign_target", ListQuery(sort="related_id")).items
        return [(row["related_id"], row["state"]) for row in rows]


def test_what_a_list_finds_goes_on_it_once(
    team, make_leads, campaign, act, unit_of_work, browser_of, client, bearer
):
    mine, other = make_leads(owner=team.fu)[0], make_leads(owner=team.yan)[0]
    assert act(team.marketing, "target", [mine, other], campaign=campaign)["targets"] == [
        mine,
        other,
    ]
    assert act(team.fu, "target", [mine], campaign=campaign)["targets"] == []
    assert listed(unit_of_work, team.marketing) == [(mine, "planned"), (other, "planned")]
    assert listed(unit_of_work, team.fu) == [(mine, "planned")]  # of others' leads nothing
    with pytest.raises((Forbidden, NotFound)):
        act(team.fu, "target", [other], campaign=campaign)
    path, headers = "/api/v1/records/campaign_target", bearer(team.fu)
    (row,) = client.get(path, headers=headers).json["items"]
    given = {"state": "answered", "version": row["version"]}
    assert client.patch(f"{path}/{row['id']}", json=given, headers=headers).status_code == 200
    again = {"campaign": campaign, "related_entity": "lead", "related_id": mine}
    answer = client.post(path, json=again, headers=headers)
    assert [each["field"] for each in answer.json["errors"]] == ["related_id"]
    page = browser_of(team.marketing).get(f"/r/campaign/{campaign}").get_data(as_text=True)
    assert "目标名单" in page
    assert "已回复" in page


def test_it_is_called_by_who_is_on_the_list(team, make_leads, campaign, act, browser_of, rows):
    """Title and list say whom it is about, with the way there; the state is a badge beside it."""
    (lead,) = make_leads(owner=team.fu, company="潍坊风筝厂")
    act(team.marketing, "target", [lead], campaign=campaign)
    (target,) = rows("campaign_target")
    browser = browser_of(team.marketing)
    page = browser.get(f"/r/campaign_target/{target['id']}").get_data(as_text=True)
    assert re.search(r"<h1[^>]*>\s*潍坊风筝厂", page)
    assert f'href="/r/lead/{lead}"' in page
    assert f'href="/r/campaign/{campaign}"' in page
    assert re.search(r'class="badge[^"]*"[^>]*>\s*已列入', page)
    listed = browser.get("/r/campaign_target").get_data(as_text=True)
    assert re.search(rf'href="/r/campaign_target/{target["id"]}"[^>]*>\s*潍坊风筝厂', listed)


def test_a_campaign_that_is_over_takes_nobody(team, make_leads, campaign, act, unit_of_work):
    (lead,) = make_leads(owner=team.fu)
    with unit_of_work() as uow:
        service.update(uow, "campaign", {campaign: {"status": "finished"}})
    with pytest.raises(Invalid) as error:
        act(team.fu, "target", [lead], campaign=campaign)
    assert [each.field for each in error.value.problems] == ["campaign"]
