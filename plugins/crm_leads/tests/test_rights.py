"""Who sees, changes and uses what, by the delivered roles; and scopes that add up."""

from __future__ import annotations

import pytest

from core.entities import aggregate, query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def leads(make_leads, team):
    """One lead each: of two colleagues, of a stranger, in the team's pool, in a strangers' pool."""
    return {
        "fu": make_leads(owner=team.fu)[0],
        "yan": make_leads(owner=team.yan)[0],
        "ning": make_leads(owner=team.ning)[0],
        "pool": make_leads()[0],
    }


def seen(unit_of_work, person, **arguments):
    with unit_of_work(person, write=False) as uow:
        return {row["id"] for row in query.page(uow, "lead", ListQuery(**arguments)).items}


def test_what_each_role_sees(unit_of_work, team, leads, admin_id):
    everything = set(leads.values())
    expected = {
        team.fu: {leads["fu"], leads["pool"]},
        team.yan: {leads["yan"], leads["pool"]},
        team.ning: {leads["ning"]},
        team.manager: {leads["fu"], leads["yan"], leads["pool"]},
        team.marketing: everything,
        team.viewer: everything,
        admin_id: everything,
    }
    for person, found in expected.items():
        assert seen(unit_of_work, person) == found
        assert seen(unit_of_work, person, search="鼎源") == found
        with unit_of_work(person, write=False) as uow:
            assert query.count(uow, "lead", ListQuery()) == len(found)
            grouped = aggregate.aggregate(uow, "lead", ["status"], ["count"], ListQuery())
            assert sum(row["count"] for row in grouped) == len(found)


def test_a_seller_changes_own_leads_and_reads_those_of_the_pool(unit_of_work, team, leads):
    with unit_of_work(team.fu) as uow:
        service.update(uow, "lead", {leads["fu"]: {"note": "约了周三拜访"}})
    # What may be read is refused openly; what may not looks as if it were not there.
    for other, refusal in (("pool", Forbidden), ("yan", NotFound), ("ning", NotFound)):
        with pytest.raises(refusal), unit_of_work(team.fu) as uow:
            service.update(uow, "lead", {leads[other]: {"note": "我的"}})
        for verb, params in (
            ("convert", {}),
            ("mark_lost", {"reason": "x"}),
            ("release", {"reason": "x"}),
        ):
            with pytest.raises(refusal), unit_of_work(team.fu) as uow:
                service.act(uow, "lead", verb, [leads[other]], params)
    with unit_of_work(team.fu, write=False) as uow:
        exported = [
            row["id"] for page in query.stream(uow, "lead", ListQuery()) for row in page.items
        ]
    assert exported == [leads["fu"]]


def test_the_history_of_a_lead_is_read_by_its_readers(unit_of_work, team, leads):
    with unit_of_work(team.fu) as uow:
        service.act(uow, "lead", "claim", [leads["pool"]])
    for person, rows in ((team.fu, 1), (team.manager, 1), (team.yan, 0), (team.ning, 0)):
        with unit_of_work(person, write=False) as uow:
            assert query.count(uow, "lead_transfer", ListQuery()) == rows
    with pytest.raises(Forbidden), unit_of_work(team.manager) as uow:
        service.create(uow, "lead_transfer", [{"lead": leads["fu"], "kind": "claim"}])


def test_a_manager_changes_the_pools_that_they_administer(unit_of_work, team, admin_id):
    with pytest.raises(Forbidden), unit_of_work(team.manager) as uow:
        service.update(uow, "lead_pool", {team.pool: {"daily_claims": 5}})
    with unit_of_work(admin_id) as uow:
        service.update(uow, "lead_pool", {team.pool: {"administrators": [team.manager]}})
    with unit_of_work(team.manager) as uow:
        service.update(uow, "lead_pool", {team.pool: {"daily_claims": 5}})
    with pytest.raises(Forbidden), unit_of_work(team.fu) as uow:
        service.update(uow, "lead_pool", {team.pool: {"daily_claims": 500}})


def test_a_viewer_changes_nothing(unit_of_work, team, leads):
    with pytest.raises(Forbidden), unit_of_work(team.viewer) as uow:
        service.update(uow, "lead", {leads["fu"]: {"note": "x"}})
    with pytest.raises(Forbidden), unit_of_work(team.viewer) as uow:
        service.create(uow, "campaign", [{"name": "x"}])


def test_marketing_works_without_the_rights_of_sales(unit_of_work, team, leads):
    """S-007"""
    with unit_of_work(team.marketing) as uow:
        (campaign,) = service.create(uow, "campaign", [{"name": "春季展", "budget": "180000"}])
        item = {"company": "甲", "pool": team.pool, "campaign": campaign, "source": "展会"}
        service.create(uow, "lead", [item])
    with pytest.raises(Forbidden), unit_of_work(team.marketing) as uow:
        service.act(uow, "lead", "claim", [leads["pool"]])
    with pytest.raises(Forbidden), unit_of_work(team.marketing) as uow:
        service.update(uow, "lead", {leads["fu"]: {"note": "x"}})


def test_scopes_of_one_role_add_up_and_may_be_conditions(unit_of_work, make_person, leads, team):
    condition = {"condition": {"field": "owner", "op": "eq", "value": team.ning}}
    with unit_of_work() as uow:
        grants = {"lead": {"read": ["own", condition], "update": [condition]}}
        service.create(uow, "role", [{"name": "buddy", "title": "搭档", "grants": grants}])
    buddy = make_person("搭档", roles=("buddy",))
    assert seen(unit_of_work, buddy) == {leads["ning"]}
    with unit_of_work(buddy) as uow:
        service.update(uow, "lead", {leads["ning"]: {"note": "代跟进"}})
    with pytest.raises(Forbidden), unit_of_work(buddy) as uow:
        service.delete(uow, "lead", [leads["ning"]])


@pytest.mark.parametrize(
    "scope",
    ["pools", ["own", "pools"], ["own", {"condition": {"field": "x"}}], [["own"]], ["own", 7]],
)
def test_a_role_with_a_scope_that_does_not_exist_is_refused(unit_of_work, admin_id, scope):
    role = {"name": "r", "title": "r", "grants": {"lead": {"read": scope}}}
    with pytest.raises(Invalid) as refused, unit_of_work(admin_id) as uow:
        service.create(uow, "role", [role])
    assert {problem.field for problem in refused.value.problems} == {"grants"}


def test_the_scope_of_another_entity_is_refused(unit_of_work, admin_id):
    for entity in ("campaign", "*"):
        role = {"name": "r", "title": "r", "grants": {entity: {"read": ["own", "pool"]}}}
        with pytest.raises(Invalid), unit_of_work(admin_id) as uow:
            service.create(uow, "role", [role])


def test_a_masked_mobile_stays_masked_and_cannot_be_searched(unit_of_work, make_person, leads):
    with unit_of_work() as uow:
        rules = {"lead": {"mobile": "masked"}}
        role = {"name": "clerk", "title": "文员", "grants": {"lead": {"read": "all"}}}
        service.create(uow, "role", [role | {"field_rules": rules}])
        service.update(uow, "lead", {leads["fu"]: {"mobile": "13812345678"}})
    clerk = make_person("文员", roles=("clerk",))
    with unit_of_work(clerk, write=False) as uow:
        assert query.get(uow, "lead", leads["fu"]).values["mobile"] == "138****5678"
    assert seen(unit_of_work, clerk, search="1381234") == set()
