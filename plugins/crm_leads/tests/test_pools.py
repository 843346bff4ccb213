"""What pools ask of who claims, what they show before, and moving and importing into them."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound, Refused
from core.exchange.jobs import start_import
from core.files.service import store_upload
from core.work.tables import job_table

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def ids(unit_of_work):
    """``ids(person, **query)``: the leads that the person finds."""

    def find(person, **asked):
        with unit_of_work(person, write=False) as uow:
            return {row["id"] for row in query.page(uow, "lead", ListQuery(**asked)).items}

    return find


# Claiming


def test_a_department_holds_no_more_than_its_limit(team, make_leads, act, set_pool):
    set_pool(department_limit=2)
    leads = make_leads(4)
    act(team.fu, "claim", leads[:1])
    with pytest.raises(Refused, match="2"):
        act(team.yan, "claim", leads[1:3])
    act(team.yan, "claim", leads[1:2])
    with pytest.raises(Refused, match="2"):
        act(team.fu, "claim", leads[2:3])
    act(team.yan, "mark_lost", leads[1:2], reason="项目暂缓")
    act(team.fu, "claim", leads[2:3])
    act(team.manager, "claim", leads[3:])  # of another department


def test_who_claims_second_is_told_in_the_list(team, make_leads, act, browser_of):
    """The page that they stood on is out of their reach by now."""
    (lead,) = make_leads()
    second, page = browser_of(team.yan), f"/r/lead/{lead}"
    assert second.get(page).status_code == 200
    act(team.fu, "claim", [lead])
    sent = {"csrf_token": second.csrf, "ids": lead, "back": page}
    answer = second.post("/r/lead/actions/claim", data=sent)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/r/lead")
    assert "已被傅宇恒领取" in second.get("/r/lead").get_data(as_text=True)


def test_the_former_owner_waits_and_others_do_not(team, make_leads, act, set_pool, runtime):
    set_pool(cool_down_days=10)
    first, second = make_leads(2)
    act(team.fu, "claim", [first, second])
    act(team.fu, "release", [first, second], reason="换人跟进")
    runtime.clock.move(timedelta(days=9, hours=23))
    with pytest.raises(Refused, match="潍坊鼎源0"):
        act(team.fu, "claim", [first])
    act(team.yan, "claim", [first])
    runtime.clock.move(timedelta(hours=2))
    act(team.fu, "claim", [second])


def test_a_new_lead_waits_until_it_may_be_claimed(
    team, make_leads, act, set_pool, runtime, browser_of
):
    set_pool(wait_hours=4)
    (lead,) = make_leads()
    with pytest.raises(Refused):
        act(team.fu, "claim", [lead])
    page = browser_of(team.fu).get(f"/r/lead/{lead}").get_data(as_text=True)
    assert "暂不能领取" in page
    runtime.clock.move(timedelta(hours=4))
    act(team.fu, "claim", [lead])
    act(team.fu, "release", [lead], reason="不在我的区域")
    act(team.yan, "claim", [lead])  # somebody has had it: it is not new any more


# What is seen before


def test_who_may_claim_sees_the_number_after_claiming(
    team, make_leads, act, set_pool, read, ids, client, bearer, unit_of_work
):
    set_pool(veiled=["mobile", "contact_name"], administrators=[team.yan])
    free, held = make_leads(2, mobile=None, contact_name="王建国")
    with unit_of_work() as uow:
        service.update(
            uow, "lead", {free: {"mobile": "13805361234"}, held: {"mobile": "13905361234"}}
        )
    act(team.fu, "claim", [held])
    seen = read(free, team.fu)
    assert (seen["mobile"], seen["contact_name"]) == ("138****1234", "****")
    assert read(held, team.fu)["mobile"] == "13905361234"
    over_rest = client.get(f"/api/v1/records/lead/{free}", headers=bearer(team.fu)).json
    assert over_rest["mobile"] == "138****1234"
    for person in (team.yan, team.manager, team.marketing):  # administers it, or may change it
        assert read(free, person)["mobile"] == "13805361234"
    assert read(free, team.viewer)["mobile"] == "138****1234"
    for asked in (
        {"filter": {"field": "mobile", "op": "starts_with", "value": "138"}},
        {"filter": {"field": "contact_name", "op": "eq", "value": "王建国"}},
        {"search": "13805361234"},
    ):
        assert free not in ids(team.fu, **asked)
        assert free in ids(team.manager, **asked)
    timeline = client.get(f"/api/v1/records/lead/{free}/timeline", headers=bearer(team.fu))
    assert "13805361234" not in timeline.get_data(as_text=True)
    act(team.fu, "claim", [free])
    assert read(free, team.fu)["mobile"] == "13805361234"


def test_a_mask_does_not_come_back_as_a_value(team, make_leads, unit_of_work):
    (lead,) = make_leads(owner=team.fu, contact_name="王建国")
    with pytest.raises(Invalid) as refused, unit_of_work(team.fu) as uow:
        service.update(uow, "lead", {lead: {"contact_name": "王****"}})
    assert [(p.field, p.code) for p in refused.value.problems] == [("contact_name", "masked")]


def test_a_mask_is_not_guessed_at_by_the_keys_of_an_import(
    team, make_leads, set_pool, unit_of_work, run_jobs
):
    """Who may import tells leads apart by a number: one that a pool masks is found by nobody."""
    set_pool(veiled=["mobile"])
    make_leads(company="潍坊鼎源农机有限公司", mobile="13805361234")
    grants = {"lead": {"read": "all", "create": "all", "import": "all"}}
    with unit_of_work() as uow:
        service.create(uow, "role", [{"name": "importer", "title": "I", "grants": grants}])
        roles = uow.entity("role").table
        role = uow.execute(select(roles.c.id).where(roles.c.name == "importer")).scalar_one()
        service.update(uow, "user", {team.viewer: {"roles": [role]}})
    for mobile in ("13805361234", "13805369999"):
        table = f"公司名称,手机\n另一家{mobile[-4:]}有限公司,{mobile}\n".encode()
        with unit_of_work(team.viewer) as uow:
            file = store_upload(uow, io.BytesIO(table), "l.csv")
            job = start_import(uow, "lead", file, keys=["mobile"])
        run_jobs()
        with unit_of_work(write=False) as uow:
            done = uow.execute(select(job_table.c.result).where(job_table.c.id == job)).scalar_one()
        assert (done["created"], done["duplicates"]) == (1, 0), mobile


# Moving and importing


def test_leads_move_between_pools_in_one_go(team, make_leads, act, read, unit_of_work):
    with unit_of_work() as uow:
        (west,) = service.create(uow, "lead_pool", [{"name": "西南公海", "members": [team.ning]}])
    leads = make_leads(3)
    assert act(team.manager, "move", leads[:2], pool=west) == {"moved": leads[:2]}
    assert [read(lead)["pool"] for lead in leads] == [west, west, team.pool]
    assert read(leads[0], team.ning)["company"]
    with pytest.raises(NotFound):
        act(team.manager, "move", leads[:1], pool=team.pool)  # no longer in a pool of theirs
    with pytest.raises(Forbidden):
        act(team.fu, "move", leads[2:], pool=west)
    act(team.fu, "claim", leads[2:])
    with pytest.raises(Forbidden):  # what somebody owns is released instead
        act(team.manager, "move", leads[2:], pool=west)
    with unit_of_work() as uow:
        service.update(uow, "lead_pool", {west: {"is_active": False}})
    (fourth,) = make_leads()
    with pytest.raises(Invalid) as refused:
        act(team.manager, "move", [fourth], pool=west)
    assert [(p.field, p.code) for p in refused.value.problems] == [("pool", "inactive")]


def test_an_owner_does_not_move_a_lead_out_of_reach_of_its_rules(team, make_leads, unit_of_work):
    (lead,) = make_leads(owner=team.fu)
    with pytest.raises(Invalid) as refused, unit_of_work(team.fu) as uow:
        service.update(uow, "lead", {lead: {"pool": None}})
    assert [p.field for p in refused.value.problems] == ["pool"]


def test_a_list_is_imported_into_a_pool(team, client, bearer, run_jobs, unit_of_work):
    """S-006: the source and the pool are said once, for the whole file."""
    rows = "\n".join(f"潍坊导入{n}机械,1380536{n:04d}" for n in range(50))
    sent = {
        "entity": "lead",
        "file": (io.BytesIO(f"公司名称,手机\n{rows}\n".encode()), "名单.csv"),
        "defaults": json.dumps({"source": "展会", "pool": "华东公海"}),
    }
    answer = client.post(
        "/api/v1/imports",
        data=sent,
        headers=bearer(team.manager),
        content_type="multipart/form-data",
    )
    assert answer.status_code == 202
    run_jobs()
    with unit_of_work(write=False) as uow:
        wanted = ListQuery(limit=100, fields=("pool", "owner", "source"))
        leads = query.page(uow, "lead", wanted).items
    assert [(lead["pool"], lead["owner"], lead["source"]) for lead in leads] == [
        (team.pool, None, "展会")
    ] * 50
