"""Claim, release, assign, convert, mark as lost: what each does, refuses and publishes."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound, Refused
from core.settings.service import put_settings

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def transfers(unit_of_work, lead, person=None):
    with unit_of_work(person, write=False) as uow:
        condition = {"field": "lead", "op": "eq", "value": lead}
        return query.page(uow, "lead_transfer", ListQuery(filter=condition, sort="id")).items


@pytest.mark.parametrize("verb", ["release", pytest.param("mark_lost", marks=pytest.mark.long)])
def test_what_was_given_up_by_mistake_is_taken_back(browser_of, team, make_leads, read, verb):
    """By the message after it: owner, dates and status are as they were, while nobody has claimed it."""
    given = {"status": "following", "next_follow_at": "2027-01-05T02:00:00Z"}
    kept, claimed = make_leads(2, owner=team.fu, **given)
    fu, yan = browser_of(team.fu), browser_of(team.yan)
    before = read(kept)
    sent = {"confirmed": "1", "param.reason": "x", "csrf_token": fu.csrf, "back": "/r/lead"}
    answer = fu.post(f"/r/lead/actions/{verb}", data=sent | {"ids": [kept, claimed]})
    html = unescape(fu.get(answer.location).get_data(as_text=True))
    undo = re.search(r'data-toast>.*?action="([^"]+)"', html, re.S)[1]
    if verb == "release":
        take = {"ids": claimed, "csrf_token": yan.csrf}
        yan.post("/r/lead/actions/claim", data=take)
        assert read(claimed)["owner"] == team.yan
    fu.post(undo, data={"csrf_token": fu.csrf})
    after = read(kept)
    stamps = ("version", "updated_at", "updated_by")
    assert {n: v for n, v in after.items() if n not in stamps} == {
        n: v for n, v in before.items() if n not in stamps
    }
    assert read(claimed)["owner"] == (team.yan if verb == "release" else team.fu)


def test_a_member_claims_and_the_second_is_told_who_was_first(
    team, make_leads, act, read, published, unit_of_work
):
    """S-016"""
    (lead,) = make_leads()
    assert act(team.fu, "claim", [lead]) == {"claimed": [lead]}
    values = read(lead, team.fu)
    assert values["owner"] == team.fu
    assert values["department"] is not None
    due = values["next_follow_at"] - values["updated_at"]
    assert abs(due - timedelta(days=3)) < timedelta(minutes=1)
    with pytest.raises(Refused, match="傅宇恒"):
        act(team.yan, "claim", [lead])
    with pytest.raises(Refused):
        act(team.fu, "claim", [lead])
    assert [(e["ids"], e["owner"]) for e in published("crm_leads.LeadsClaimed")] == [
        ([lead], team.fu)
    ]
    (moved,) = transfers(unit_of_work, lead, team.fu)
    assert (moved["kind"], moved["to_owner"], moved["pool"]) == ("claim", team.fu, team.pool)


def test_an_appointment_still_ahead_stands(team, make_leads, act, read, unit_of_work):
    with unit_of_work() as uow:
        ahead = uow.now() + timedelta(days=30)
    (lead,) = make_leads(next_follow_at=ahead)
    act(team.fu, "claim", [lead])
    assert read(lead)["next_follow_at"] == ahead


def test_claims_of_several_are_all_or_none(team, make_leads, act, read):
    leads = make_leads(3)
    act(team.yan, "claim", [leads[1]])
    with pytest.raises(Refused, match="闫晓璐"):
        act(team.fu, "claim", leads)
    assert [read(lead)["owner"] for lead in leads] == [None, team.yan, None]
    assert act(team.fu, "claim", [leads[2], leads[0]]) == {"claimed": [leads[2], leads[0]]}


def test_only_who_belongs_to_the_pool_reaches_its_leads(
    team, make_leads, act, unit_of_work, admin_id
):
    (lead,) = make_leads()
    with pytest.raises(NotFound):
        act(team.ning, "claim", [lead])
    with pytest.raises(Forbidden):
        act(team.viewer, "claim", [lead])
    with pytest.raises(Refused):  # reaches everything, belongs to nothing
        act(admin_id, "claim", [lead])
    with unit_of_work() as uow:
        service.update(uow, "lead_pool", {team.pool: {"members": [team.ning]}})
    assert act(team.ning, "claim", [lead]) == {"claimed": [lead]}


def test_a_sleeping_pool_is_closed(team, make_leads, act, unit_of_work):
    (lead,) = make_leads()
    with unit_of_work() as uow:
        service.update(uow, "lead_pool", {team.pool: {"is_active": False}})
    with pytest.raises(NotFound):
        act(team.fu, "claim", [lead])


def test_claims_a_day_end_at_the_pool_limit_and_begin_again_at_midnight(
    team, make_leads, act, unit_of_work, runtime
):
    with unit_of_work() as uow:
        service.update(uow, "lead_pool", {team.pool: {"daily_claims": 2}})
    leads = make_leads(5)
    act(team.fu, "claim", leads[:2])
    act(team.fu, "release", [leads[0]], reason="换人跟进")  # what was claimed stays counted
    with pytest.raises(Refused, match="2"):
        act(team.fu, "claim", [leads[2]])
    act(team.yan, "claim", [leads[2]])
    runtime.clock.move(timedelta(days=1))
    act(team.fu, "claim", [leads[3]])


def test_leads_in_hand_end_at_the_limit_of_the_settings(team, make_leads, act, unit_of_work):
    with unit_of_work() as uow:
        put_settings(uow, "crm_leads", {"holding_limit": 3})
    leads = make_leads(5)
    with pytest.raises(Refused):
        act(team.fu, "claim", leads)
    act(team.fu, "claim", leads[:3])
    with pytest.raises(Refused):
        act(team.fu, "claim", [leads[3]])
    act(team.fu, "mark_lost", [leads[0]], reason="项目暂缓")  # no longer in hand
    act(team.fu, "claim", [leads[3]])
    with unit_of_work() as uow:
        service.update(uow, "lead_pool", {team.pool: {"holding_limit": 4}})
    act(team.fu, "claim", [leads[4]])


def test_a_release_returns_the_lead_and_says_why(
    team, make_leads, act, read, published, unit_of_work
):
    (lead,) = make_leads()
    act(team.fu, "claim", [lead])
    with pytest.raises(Invalid) as refused:
        act(team.fu, "release", [lead])
    assert [p.field for p in refused.value.problems] == ["reason"]
    act(team.fu, "release", [lead], reason="不在我的区域")
    values = read(lead, team.yan)
    assert (values["owner"], values["pool"], values["status"]) == (None, team.pool, "new")
    assert (values["department"], values["next_follow_at"]) == (None, None)
    assert values["release_reason"] == "不在我的区域"
    assert published("crm_leads.LeadsReleased")[0]["reason"] == "不在我的区域"
    kinds = [(row["kind"], row["reason"]) for row in transfers(unit_of_work, lead, team.yan)]
    assert kinds == [("claim", None), ("release", "不在我的区域")]
    with pytest.raises(Forbidden):  # it is nobody's: to release is for owners
        act(team.fu, "release", [lead], reason="再退一次")


def test_a_release_into_another_pool_and_into_the_default_one(
    team, make_leads, act, read, unit_of_work
):
    with unit_of_work() as uow:
        (west,) = service.create(uow, "lead_pool", [{"name": "西南公海", "members": [team.ning]}])
    first, second = make_leads(2, owner=team.fu, pool=None)
    act(team.fu, "release", [first], reason="西南的客户", pool=west)
    assert read(first)["pool"] == west
    with pytest.raises(NotFound):
        read(first, team.fu)
    act(team.fu, "release", [second], reason="无需求")
    assert read(second, team.ning)["owner"] is None  # the public pool is open to everybody


def test_managers_assign_within_their_department_and_from_their_pools(
    team, make_leads, act, read, published, admin_id
):
    (owned,), (pooled,), (foreign,) = (
        make_leads(owner=team.fu),
        make_leads(),
        make_leads(owner=team.ning, pool=None),
    )
    assert act(team.manager, "assign", [owned, pooled], owner=team.yan) == {
        "assigned": [owned, pooled]
    }
    assert {read(lead)["owner"] for lead in (owned, pooled)} == {team.yan}
    assert published("crm_leads.LeadsAssigned")[0]["owner"] == team.yan
    with pytest.raises(NotFound):
        act(team.manager, "assign", [foreign], owner=team.yan)
    with pytest.raises(Forbidden):
        act(team.fu, "assign", [owned], owner=team.fu)
    with pytest.raises(Invalid):
        act(team.manager, "assign", [owned], owner=10**9)
    act(admin_id, "assign", [foreign], owner=team.fu)
    assert read(foreign)["owner"] == team.fu


def test_nobody_gets_leads_after_leaving(team, make_leads, act, unit_of_work):
    (lead,) = make_leads()
    with unit_of_work() as uow:
        service.update(uow, "user", {team.yan: {"is_active": False}})
    with pytest.raises(Invalid) as refused:
        act(team.manager, "assign", [lead], owner=team.yan)
    assert refused.value.problems[0].code == "inactive"


def test_converting_says_so_once_a_lead(team, make_leads, act, read, published):
    leads = make_leads(2, owner=team.fu)
    act(team.fu, "convert", leads)
    assert [read(lead)["status"] for lead in leads] == ["converted"] * 2
    events = published("crm_leads.LeadConverted")
    assert [(e["lead"], e["owner"]) for e in events] == [(lead, team.fu) for lead in leads]
    for verb, params in (
        ("convert", {}),
        ("mark_lost", {"reason": "晚了"}),
        ("release", {"reason": "晚了"}),
    ):
        with pytest.raises(Refused):
            act(team.fu, verb, leads, **params)
    with pytest.raises(Refused):
        act(team.manager, "assign", leads, owner=team.yan)


def test_a_lost_lead_keeps_the_reason(team, make_leads, act, read, published):
    (lead,) = make_leads(owner=team.fu)
    with pytest.raises(Invalid):
        act(team.fu, "mark_lost", [lead], reason="  ")
    act(team.fu, "mark_lost", [lead], reason="价格超出预算")
    assert (read(lead)["status"], read(lead)["lost_reason"]) == ("lost", "价格超出预算")
    assert published("crm_leads.LeadsLost")[0]["ids"] == [lead]
    with pytest.raises(Refused):
        act(team.fu, "convert", [lead])


def test_a_claim_asks_as_many_questions_for_twenty_leads_as_for_two(
    team, make_leads, unit_of_work, runtime
):
    from sqlalchemy import event

    counted = []
    for n in (2, 20):
        leads = make_leads(n)
        statements = []

        def note(*arguments, statements=statements):
            statements.append(arguments[2])

        with unit_of_work(team.fu) as uow:
            event.listen(runtime.database.engine, "before_cursor_execute", note)
            try:
                service.act(uow, "lead", "claim", leads)
            finally:
                event.remove(runtime.database.engine, "before_cursor_execute", note)
        # SQLite gives keys in their order only row by row; nothing else may grow.
        counted.append(
            sum(not text.startswith("INSERT INTO crm_leads_lead_transfer") for text in statements)
        )
    assert counted[1] <= counted[0] + 1
    assert counted[0] < 25
