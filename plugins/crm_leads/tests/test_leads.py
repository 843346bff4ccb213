"""Leads as records: what is derived, what is refused, what locks them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid


def problems(refused):
    return {(problem.field, problem.code) for problem in refused.value.problems}


def test_a_lead_is_typed_in_with_company_and_mobile_only(unit_of_work, team, read):
    """S-005"""
    with unit_of_work(team.fu) as uow:
        item = {"company": "潍坊鼎源农机有限公司", "mobile": "+86 138-0000-5678"}
        (lead,) = service.create(uow, "lead", [item])
        today = uow.clock.today()
    values = read(lead, team.fu)
    assert values["owner"] == team.fu
    assert values["department"] is not None
    assert values["status"] == "new"
    assert values["mobile"] == "13800005678"
    assert values["entered_on"] == today
    assert values["pool"] is None


def test_the_day_of_entry_is_that_of_the_company_zone(unit_of_work, read):
    late = datetime(2026, 1, 31, 17, 30, tzinfo=UTC)  # 1:30 of the next day in Shanghai
    with unit_of_work() as uow:
        (lead,) = service.create(uow, "lead", [{"company": "甲", "created_at": late}])
    assert str(read(lead)["entered_on"]) == "2026-02-01"


@pytest.mark.parametrize("source", ["线上推广", "展会", "老客户推荐", "电话营销", "官网表单"])
def test_sources_are_a_picklist_that_filters(unit_of_work, make_leads, source):
    """S-001"""
    (lead,) = make_leads(source=source)
    make_leads(source=None)
    with unit_of_work(write=False) as uow:
        found = query.page(
            uow, "lead", ListQuery(filter={"field": "source", "op": "eq", "value": source})
        )
        assert [row["id"] for row in found.items] == [lead]
    with pytest.raises(Invalid) as refused:
        make_leads(source="报纸")
    assert problems(refused) == {("source", "choice")}


def test_regions_are_given_by_name_and_filtered_by_name(unit_of_work, make_leads, read):
    (lead,) = make_leads(province="重庆市", city="重庆市")
    make_leads(province="山东", city="潍坊")
    assert read(lead)["province"] == "500000"
    with unit_of_work(write=False) as uow:
        condition = {"field": "province", "op": "eq", "value": "重庆市"}
        assert query.count(uow, "lead", ListQuery(filter=condition)) == 1


def test_who_names_a_pool_puts_the_lead_there(unit_of_work, team, read):
    """S-006: what marketing brings lies in the pool, not in the hands of who typed it in."""
    with unit_of_work(team.marketing) as uow:
        ids = service.create(
            uow,
            "lead",
            [
                {"company": "甲", "pool": team.pool},
                {"company": "乙", "pool": team.pool, "owner": team.marketing},
                {"company": "丙", "owner": None},
            ],
        )
    pooled, owned, defaulted = (read(lead) for lead in ids)
    assert (pooled["owner"], pooled["department"]) == (None, None)
    assert owned["owner"] == team.marketing
    assert defaulted["owner"] is None
    assert read(defaulted["pool"], entity="lead_pool")["name"] == "公司公海"


def test_statuses_change_by_hand_only_as_they_may(unit_of_work, team, make_leads, read):
    """S-022"""
    (lead,) = make_leads(owner=team.fu)

    def change(**values):
        with unit_of_work(team.fu) as uow:
            service.update(uow, "lead", {lead: values})

    change(status="following")
    with pytest.raises(Invalid) as refused:
        change(status="converted")
    assert problems(refused) == {("status", "transition")}
    with pytest.raises(Invalid) as refused:
        change(status="lost")
    assert problems(refused) == {("lost_reason", "required")}
    change(status="lost", lost_reason="项目暂缓")
    with pytest.raises(Invalid):
        change(status="invalid")
    change(status="following")
    assert read(lead)["lost_reason"] is None
    with pytest.raises(Invalid) as refused, unit_of_work(team.fu) as uow:
        service.create(uow, "lead", [{"company": "甲", "status": "converted"}])
    assert problems(refused) == {("status", "transition")}


def test_a_converted_lead_is_locked(unit_of_work, team, make_leads, act, read, admin_id):
    """S-021"""
    (lead,) = make_leads(owner=team.fu, status="following")
    act(team.fu, "convert", [lead])
    assert read(lead)["converted_at"] is not None
    for person in (team.fu, team.manager, admin_id):
        with pytest.raises(Invalid) as refused, unit_of_work(person) as uow:
            service.update(uow, "lead", {lead: {"note": "补充"}})
        assert problems(refused) == {("status", "locked")}
        with pytest.raises(Invalid), unit_of_work(person) as uow:
            service.delete(uow, "lead", [lead])


def test_owners_change_by_verbs_unless_one_may_assign(unit_of_work, team, make_leads, read):
    (lead,) = make_leads(owner=team.fu)
    for values in ({"owner": team.yan}, {"owner": None}, {"department": None}):
        with pytest.raises(Invalid) as refused, unit_of_work(team.fu) as uow:
            service.update(uow, "lead", {lead: values})
        assert ("readonly") in {code for _field, code in problems(refused)}
    with unit_of_work(team.manager) as uow:
        service.update(uow, "lead", {lead: {"owner": team.yan}})
    assert read(lead)["owner"] == team.yan
    with pytest.raises(Forbidden), unit_of_work(team.fu) as uow:
        service.create(uow, "lead", [{"company": "甲", "owner": team.yan}])


def test_values_set_by_the_system_are_refused_from_people(unit_of_work, admin_id):
    for name, value in (("score", 90), ("converted_at", "2026-01-01T00:00:00Z")):
        with pytest.raises(Invalid) as refused, unit_of_work(admin_id) as uow:
            service.create(uow, "lead", [{"company": "甲", name: value}])
        assert problems(refused) == {(name, "readonly")}


def test_a_pool_with_leads_and_a_campaign_that_ends_too_early_are_refused(
    unit_of_work, team, make_leads, admin_id
):
    (lead,) = make_leads()
    with pytest.raises(Invalid) as refused, unit_of_work(admin_id) as uow:
        service.delete(uow, "lead_pool", [team.pool])
    assert problems(refused) == {("name", "in_use")}
    with unit_of_work(admin_id) as uow:
        service.delete(uow, "lead", [lead])
        service.delete(uow, "lead_pool", [team.pool])
    dates = {"starts_on": "2026-05-02", "ends_on": "2026-05-01"}
    with pytest.raises(Invalid) as refused, unit_of_work(admin_id) as uow:
        service.create(uow, "campaign", [{"name": "春季展", **dates}])
    assert problems(refused) == {("ends_on", "range")}


def test_every_header_of_a_sales_list_is_known_once():
    """The headers that `shared/tools/dirty_leads.py` writes, and none that two fields claim."""
    from collections import Counter

    from core.fields import describe
    from plugins.crm_leads.definitions import lead

    spec = describe(lead, plugin="crm_leads")
    names = {word: item.name for item in spec for word in item.synonyms}
    header = ["公司名称", "联系人", "手机", "邮箱", "来源", "省份", "行业", "预计金额", "录入日期"]
    assert [names[word] for word in (*header, "备注")] == [
        *("company", "contact_name", "mobile", "email", "source", "province", "industry"),
        *("expected_amount", "entered_on", "note"),
    ]
    counts = Counter(word.casefold() for item in spec for word in item.synonyms)
    assert [word for word, count in counts.items() if count > 1] == []
