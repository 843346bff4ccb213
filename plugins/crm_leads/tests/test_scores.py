"""The score of a lead follows from rules that people edit, and says which of them it meets."""

from __future__ import annotations

import pytest

from core.entities import service
from core.errors import Invalid

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

RULES = (
    {
        "name": "展会来的",
        "field_name": "source",
        "op": "is",
        "value": "展会、老客户推荐",
        "points": 30,
    },
    {
        "name": "大单",
        "field_name": "expected_amount",
        "op": "at_least",
        "value": "500000",
        "points": 40,
    },
    {"name": "有手机", "field_name": "mobile", "op": "is_set", "points": 10},
    {"name": "没有金额", "field_name": "expected_amount", "op": "is_empty", "points": -5},
)


@pytest.fixture
def rules(unit_of_work):
    with unit_of_work() as uow:
        return service.create(uow, "score_rule", [dict(rule) for rule in RULES])


def test_a_lead_has_the_points_of_the_rules_that_it_meets(rules, make_leads, read, unit_of_work):
    (big,) = make_leads(source="展会", expected_amount="500000", mobile="13805361234")
    (small,) = make_leads(source="电话营销")
    assert (read(big)["score"], read(small)["score"]) == (80, -5)
    with unit_of_work() as uow:
        service.update(uow, "lead", {small: {"source": "老客户推荐", "expected_amount": "1"}})
    assert read(small)["score"] == 30


def test_rules_that_change_work_the_scores_out_anew(
    rules, make_leads, read, unit_of_work, run_jobs
):
    (lead,) = make_leads(source="展会")
    assert read(lead)["score"] == 25
    version = read(lead)["version"]
    with unit_of_work() as uow:
        service.update(uow, "score_rule", {rules[0]: {"points": 50}})
    run_jobs()
    assert read(lead)["score"] == 45
    run_jobs()
    assert read(lead)["version"] == version + 1
    with unit_of_work() as uow:
        service.delete(uow, "score_rule", rules)
    run_jobs()
    assert read(lead)["score"] is None


def test_the_record_says_why_but_not_what_is_masked(rules, team, make_leads, browser_of, set_pool):
    set_pool(veiled=["mobile"])
    (lead,) = make_leads(source="展会", mobile="13805361234")
    page = browser_of(team.manager).get(f"/r/lead/{lead}").get_data(as_text=True)
    assert "评分 35" in page
    assert all(name in page for name in ("展会来的", "有手机", "没有金额"))
    assert "大单" not in page
    page = browser_of(team.fu).get(f"/r/lead/{lead}").get_data(as_text=True)
    assert "有手机" not in page
    assert "+10" in page


def test_a_rule_that_cannot_be_asked_is_refused_at_its_field(unit_of_work):
    rule = {"name": "坏", "field_name": "expected_amount", "op": "at_least", "value": "很多"}
    with pytest.raises(Invalid) as refused, unit_of_work() as uow:
        service.create(uow, "score_rule", [{**rule, "points": 1}])
    assert [p.field for p in refused.value.problems] == ["value"]
