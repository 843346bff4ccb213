"""Assignment rules: the first that fits decides, says why, and leaves out who cannot take more."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta

import pytest

from core.customize.service import add_field
from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid
from plugins.crm_leads.sharing_out import Group

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def is_one_of(field, value, op="is"):
    return {"field_name": field, "op": op, "value": value}


@pytest.fixture
def make_rule(unit_of_work):
    """``make_rule(name, target, *conditions, **values) -> id``."""

    def make(name, target, *conditions, **values):
        rule = {"name": name, "target": target, "conditions": list(conditions), **values}
        with unit_of_work() as uow:
            return service.create(uow, "assignment_rule", [rule])[0]

    return make


@pytest.fixture
def enter(unit_of_work, team):
    """``enter(*leads, person=marketing) -> owners``: entered into the pool, in one go."""

    def put(*leads, person=None):
        items = [
            {"company": f"潍坊分配{n}机械", "pool": team.pool, **lead}
            for n, lead in enumerate(leads)
        ]
        with unit_of_work(person or team.marketing) as uow:
            ids = service.create(uow, "lead", items)
        with unit_of_work(write=False) as uow:
            asked = ListQuery(ids=tuple(ids), sort="id")
            return query.page(uow, "lead", asked).items

    return put


def owners(leads):
    return [lead["owner"] for lead in leads]


def test_region_industry_and_the_pool_each_by_its_rule(
    team, make_rule, enter, client, bearer, unit_of_work
):
    """S-010, S-011: the owner is given, told, and the timeline says by which rule."""
    make_rule(
        "山东", "person", is_one_of("province", "山东省、河北省"), person=team.fu, position=10
    )
    make_rule(
        "食品",
        "person",
        is_one_of("industry", "食品加工"),
        is_one_of("expected_amount", "100000", "at_least"),
        person=team.yan,
        position=20,
    )
    make_rule("其余", "pool", position=30)
    leads = enter(
        {
            "province": "山东省",
            "city": "潍坊市",
            "industry": "食品加工",
            "expected_amount": "200000",
        },
        {"province": "四川省", "industry": "食品加工", "expected_amount": "100000"},
        {"province": "四川省", "industry": "食品加工", "expected_amount": "99999"},
    )
    assert owners(leads) == [team.fu, team.yan, None]
    assert [lead["assignment_reason"] for lead in leads] == [
        "按规则“山东”。",
        "按规则“食品”。",
        "按规则“其余”，供领取。",
    ]
    assert leads[0]["department"] is not None
    assert leads[0]["next_follow_at"] is not None
    path = f"/api/v1/records/lead/{leads[0]['id']}/timeline"
    told = client.get(path, headers=bearer(team.fu)).get_data(as_text=True)
    assert "按规则“山东”" in told
    with unit_of_work(team.fu, write=False) as uow:
        asked = ListQuery(filter={"field": "lead", "op": "eq", "value": leads[0]["id"]})
        (move,) = query.page(uow, "lead_transfer", asked).items
    assert (move["kind"], move["to_owner"], move["reason"]) == (
        "assign",
        team.fu,
        "按规则“山东”。",
    )


def test_importance_and_fields_of_the_company_are_conditions_and_scores_too(
    team, make_rule, enter, unit_of_work, client, bearer, admin_id
):
    """S-010: the company's own field is offered, checked and asked like those that were delivered."""
    with unit_of_work() as uow:
        add_field(uow, "lead", {"name": "x_budget", "kind": "decimal", "label": "年度预算"})
    make_rule("大预算", "person", is_one_of("x_budget", "100000", "at_least"), person=team.fu)
    make_rule("重要的", "person", is_one_of("priority", "高、low"), person=team.yan)
    with pytest.raises(Invalid):
        make_rule("没有", "person", is_one_of("x_gone", "1"), person=team.fu)
    rule = {"name": "预算足", "field_name": "x_budget", "op": "at_least", "value": "5", "points": 7}
    schema = client.get("/api/v1/schema", headers=bearer(admin_id)).get_data(as_text=True)
    assert "年度预算" in schema
    with unit_of_work() as uow:
        service.create(uow, "score_rule", [rule])
    found = enter({"x_budget": "250000"}, {"priority": "high"}, {"x_budget": "9"})
    assert owners(found) == [team.fu, team.yan, None]
    assert [lead["score"] for lead in found] == [7, 0, 7]


def test_what_somebody_keeps_is_not_given_away(team, make_rule, enter, unit_of_work):
    make_rule("全部", "person", person=team.yan)
    with unit_of_work(team.fu) as uow:
        (own,) = service.create(uow, "lead", [{"company": "自己的客户"}])
    with unit_of_work(write=False) as uow:
        assert query.get(uow, "lead", own).values["owner"] == team.fu


def test_who_has_fewest_gets_the_next(
    team, make_leads, make_rule, enter, unit_of_work, make_person
):
    """S-013: 5, 3 and 3 open leads become 5, 5 and 6 after five more; who is absent gets none."""
    away = make_person("宫立文", roles=("sales",), department="销售部/华东组")
    gone = make_person("雷可欣", roles=("sales",), department="销售部/华东组")
    busy = make_person("秦朝阳", roles=("sales",), department="销售部/华东组")
    with unit_of_work() as uow:
        today = uow.clock.today()
        service.create(
            uow,
            "absence",
            [{"user": away, "starts_on": today, "ends_on": today + timedelta(days=3)}],
        )
        service.update(uow, "user", {gone: {"is_active": False}})
        department = query.get(uow, "user", team.fu).values["department"]
    for person, n in ((busy, 5), (team.fu, 3), (team.yan, 3)):
        make_leads(n, owner=person)
    make_leads(2, owner=team.fu, status="lost")
    make_rule("均衡", "least_loaded", department=department)
    given = [enter({"company": f"潍坊新{n}"})[0] for n in range(5)]
    assert busy not in owners(given[:4])
    loads = Counter(owners(given)) + Counter({busy: 5, team.fu: 3, team.yan: 3})
    assert sorted(loads.values()) == [5, 5, 6]
    assert not {away, gone} & set(owners(given))
    assert "均衡" in given[0]["assignment_reason"]
    assert "3" in given[0]["assignment_reason"]


def test_in_turn_over_several_calls_and_no_more_than_the_capacity(team, make_rule, enter):
    people = sorted([team.fu, team.yan])
    make_rule("轮流", "round_robin", people=people, capacity=2)
    assert owners(enter({})) == people[:1]
    assert owners(enter({}, {})) == [people[1], people[0]]
    (fourth, fifth) = enter({}, {})
    assert owners([fourth, fifth]) == [people[1], None]
    assert fifth["pool"] == team.pool
    assert "轮流" in fifth["assignment_reason"]  # it says why it was given to nobody


def test_where_nobody_can_take_it_the_next_rule_is_asked(team, make_rule, enter, unit_of_work):
    make_rule("先", "person", person=team.fu, position=1, capacity=1)
    make_rule("后", "person", person=team.yan, position=2)
    assert owners(enter({}, {})) == [team.fu, team.yan]
    with unit_of_work() as uow:
        rules = {
            row["name"]: row["id"] for row in query.page(uow, "assignment_rule", ListQuery()).items
        }
        service.update(uow, "assignment_rule", {rules["后"]: {"is_active": False}})
    assert owners(enter({})) == [None]


def test_a_rule_for_one_pool_and_a_rule_into_another(team, make_rule, enter, unit_of_work):
    with unit_of_work() as uow:
        (west,) = service.create(uow, "lead_pool", [{"name": "西南公海"}])
    make_rule("西南", "pool", is_one_of("province", "四川省"), pool=team.pool, to_pool=west)
    moved, kept = enter({"province": "四川省"}, {"province": "山东省"})
    assert (moved["pool"], moved["owner"]) == (west, None)
    assert (kept["pool"], kept["assignment_reason"]) == (team.pool, None)
    (there,) = enter({"province": "四川省", "pool": west})
    assert there["assignment_reason"] is None


def test_rules_are_asked_again_for_what_lies_in_a_pool(team, make_rule, enter, act, read):
    (lead,) = enter({"source": "展会"})
    assert lead["owner"] is None
    make_rule("展会", "person", is_one_of("source", "展会，电话营销"), person=team.yan)
    with pytest.raises(Forbidden):
        act(team.fu, "distribute", [lead["id"]])
    assert act(team.manager, "distribute", [lead["id"]]) == {"assigned": [lead["id"]]}
    assert read(lead["id"])["owner"] == team.yan
    act(team.yan, "release", [lead["id"]], reason="不在我的区域")
    assert read(lead["id"])["assignment_reason"] is None  # that rule no longer says whose it is


def test_a_rule_that_no_longer_fits_keeps_nobody_from_entering_leads(
    team, make_rule, enter, unit_of_work
):
    """E.g. because a region that it names was renamed by an upgrade."""
    make_rule("过时", "person", is_one_of("province", "山东省"), person=team.fu, position=1)
    make_rule("其余", "person", person=team.yan, position=2)
    with unit_of_work() as uow:
        table = uow.entity("assignment_condition").table
        uow.execute(table.update().values(value="火星省"))
    assert owners(enter({"province": "山东省"})) == [team.yan]


def test_who_enters_what_goes_to_another_group_lands_on_the_list(
    team, make_rule, browser_of, client, bearer, unit_of_work
):
    make_rule("全部", "person", person=team.ning)
    browser = browser_of(team.fu)
    form = browser.get("/r/lead/new").get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', form)[1]
    sent = {"csrf_token": token, "company": "丙", "pool": str(team.pool), "status": "new"}
    answer = browser.post("/r/lead/new", data=sent)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/r/lead")
    made = client.post(
        "/api/v1/records/lead", json={"company": "丁", "pool": team.pool}, headers=bearer(team.fu)
    )
    assert made.status_code == 201
    with unit_of_work(write=False) as uow:
        assert owners(query.page(uow, "lead", ListQuery()).items) == [team.ning] * 2


@pytest.mark.parametrize(
    ("rule", "field", "code"),
    [
        ({"target": "person"}, "person", "required"),
        ({"target": "round_robin"}, "people", "required"),
        ({"target": "everybody"}, "target", "choice"),
        ({"conditions": [is_one_of("province", "火星省")]}, "conditions.0.value", None),
        (
            {"conditions": [is_one_of("expected_amount", "很多", "at_least")]},
            "conditions.0.value",
            None,
        ),
        ({"conditions": [is_one_of("source", "")]}, "conditions.0.value", "required"),
        ({"conditions": [is_one_of("source", "展会", "at_least")]}, "conditions.0.op", None),
    ],
)
def test_a_rule_that_cannot_be_asked_is_refused_at_its_field(team, unit_of_work, rule, field, code):
    values = {"name": "坏", "target": "pool", "to_pool": team.pool, **rule}
    with pytest.raises(Invalid) as refused, unit_of_work() as uow:
        service.create(uow, "assignment_rule", [values])
    (problem,) = refused.value.problems
    assert problem.field == field
    assert code in (None, problem.code)
    with unit_of_work(write=False) as uow:
        assert query.count(uow, "assignment_rule", ListQuery()) == 0


def test_many_leads_ask_as_many_questions_as_few(team, make_rule, unit_of_work, runtime):
    from sqlalchemy import event

    make_rule("山东", "least_loaded", is_one_of("province", "山东省"), people=[team.fu, team.yan])
    counted = []
    for n in (1, 2, 30):
        items = [
            {"company": f"潍坊批量{n}之{k}", "pool": team.pool, "owner": None, "province": "山东省"}
            for k in range(n)
        ]
        statements = []

        def note(*arguments, statements=statements):
            statements.append(arguments[2])

        with unit_of_work() as uow:
            event.listen(runtime.database.engine, "before_cursor_execute", note)
            try:
                service.create(uow, "lead", items)
            finally:
                event.remove(runtime.database.engine, "before_cursor_execute", note)
        # SQLite gives keys in their order only row by row; nothing else may grow.
        counted.append(
            sum(not text.startswith("INSERT INTO crm_leads_lead") for text in statements)
        )
    assert counted[2] <= counted[1] + 1, counted


def test_a_group_by_itself():
    """The least loaded, the first of several; in turn from after the last; nobody with no room."""
    group = Group([3, 5, 9], {3: 2, 5: 1, 9: 1}, capacity=3)
    assert [group.fewest() for _ in range(6)] == [5, 9, 3, 5, 9, None]
    turn = Group([3, 5, 9], {3: 0, 5: 1, 9: 0}, capacity=1, last=3)
    assert [turn.in_turn() for _ in range(3)] == [9, 3, None]
    assert Group([]).fewest() is Group([]).in_turn() is None
