"""S-008, S-009: leads are nurtured in steps until they are ready, and campaigns hand theirs over."""

from __future__ import annotations

import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound, Refused

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

BIG = {"name": "大单", "field_name": "expected_amount", "op": "at_least", "value": "100000"}


@pytest.fixture
def early(unit_of_work):
    """Marketing's own pool."""
    with unit_of_work() as uow:
        return service.create(uow, "lead_pool", [{"name": "培育池"}])[0]


@pytest.fixture
def plan(unit_of_work, team, early):
    """Three mails: at once, after three days, after another week; ready from 50 points."""
    with unit_of_work() as uow:
        service.create(uow, "score_rule", [BIG | {"points": 60}])
        touches = [
            {"wait_days": wait, "subject": f"第{n}封", "body": "{name}，您好！"}
            for n, wait in enumerate((0, 3, 7), 1)
        ]
        values = {"name": "三次触达", "from_pool": early, "threshold": 50, "to_pool": team.pool}
        return service.create(uow, "nurture_plan", [values | {"touches": touches}])[0]


@pytest.fixture
def found(unit_of_work):
    """``found(entity, **equal)``: the records whose fields have these values."""

    def find(entity, *, person=None, **equal):
        where = [{"field": name, "op": "eq", "value": value} for name, value in equal.items()]
        with unit_of_work(person, write=False) as uow:
            return query.page(uow, entity, ListQuery(filter={"all": where}, sort="id")).items

    return find


@pytest.fixture
def state(found):
    """``state(lead) -> (state, touches done, skipped)`` of its only nurturing."""

    def ask(lead):
        (row,) = found("nurturing", lead=lead)
        return row["state"], row["done"], row["skipped"]

    return ask


def test_three_touches_then_it_is_over(plan, early, make_leads, after, mails, state, read):
    """It stays with marketing all the while, and is not taken up again."""
    (lead,) = make_leads(pool=early, contact_name="王建国", email="wang@example.com")
    after(minutes=10)
    assert state(lead) == ("running", 1, 0)
    after(days=2)
    assert len(mails()) == 1
    after(days=1)
    assert state(lead) == ("running", 2, 0)
    after(days=7)
    assert state(lead) == ("finished", 3, 0)
    assert sorted(mail["Subject"] for mail in mails()) == ["第1封", "第2封", "第3封"]
    assert mails()[0].get_content().strip() == "王建国，您好！"
    after(days=30)
    assert (state(lead), read(lead)["pool"]) == (("finished", 3, 0), early)


def test_at_the_threshold_it_enters_the_pool_of_sales(
    plan, early, team, make_leads, after, mails, state, read, found, unit_of_work
):
    """Its change of hands is kept, the assignment rules are asked, and it gets no mail any more."""
    (lead,) = make_leads(pool=early, email="wang@example.com")
    after(minutes=10)
    rule = {"name": "给傅宇恒", "pool": team.pool, "target": "person", "person": team.fu}
    with unit_of_work() as uow:
        service.create(uow, "assignment_rule", [rule])
        service.update(uow, "lead", {lead: {"expected_amount": "250000"}})
    after(days=5)
    values = read(lead)
    assert (values["pool"], values["owner"], values["score"]) == (team.pool, team.fu, 60)
    assert state(lead)[0] == "qualified"
    assert [row["kind"] for row in found("lead_transfer", lead=lead)] == ["move", "assign"]
    assert len(mails()) == 1


def test_what_somebody_took_or_closed_is_left_alone(
    plan, early, team, make_leads, after, mails, state, act
):
    taken, lost = make_leads(2, pool=early, email="a@example.com")
    after(minutes=10)
    act(team.manager, "assign", [taken], owner=team.fu)
    act(team.marketing, "stop_nurturing", [lost])
    with pytest.raises(Refused):
        act(team.marketing, "stop_nurturing", [lost])
    after(days=10)
    assert (state(taken)[0], state(lost)[0]) == ("stopped", "stopped")
    assert len(mails()) == 2  # the first touch of each


def test_who_has_no_address_is_counted_as_skipped(plan, early, make_leads, after, mails, state):
    (lead,) = make_leads(pool=early)
    after(minutes=10)
    assert (state(lead), mails()) == (("running", 1, 1), [])


def test_leads_are_put_into_a_plan_by_hand_too(plan, team, make_leads, act, after, state, mails):
    """By marketing, once; sales may not, and nobody puts leads in that they do not reach."""
    (lead,) = make_leads(email="a@example.com")
    act(team.marketing, "nurture", [lead], plan=plan)
    with pytest.raises(Refused):
        act(team.marketing, "nurture", [lead], plan=plan)
    with pytest.raises((Forbidden, NotFound)):
        act(team.fu, "nurture", [lead], plan=plan)
    (owned,) = make_leads(owner=team.ning)
    with pytest.raises(Refused):
        act(team.marketing, "nurture", [owned], plan=plan)
    after(minutes=10)
    assert state(lead) == ("running", 1, 0)


def test_how_far_a_lead_is_is_read_with_the_lead(plan, early, team, make_leads, after, found):
    """Whoever does not read the lead finds nothing of it, and nobody writes it."""
    (lead,) = make_leads(owner=team.ning, pool=early)
    after(minutes=10)
    (other,) = make_leads(pool=early)
    after(minutes=10)
    assert found("nurturing", person=team.fu, lead=lead) == []
    assert [row["state"] for row in found("nurturing", person=team.marketing, lead=other)] == [
        "running"
    ]


def test_what_cannot_be_done_any_more_is_skipped_and_a_closed_pool_waits(
    plan, early, team, make_leads, after, state, read, unit_of_work
):
    """Tasks after their module was switched off do not stop the others; ready leads wait for a pool."""
    with unit_of_work() as uow:
        table = uow.entity("nurture_touch").table
        uow.execute(table.update().values(kind="task"))  # as they were made while it was on
        service.update(uow, "lead_pool", {team.pool: {"is_active": False}})
    (lead,) = make_leads(pool=early, expected_amount="100000", email="a@example.com")
    after(minutes=10)
    assert state(lead) == ("running", 1, 1)
    with unit_of_work() as uow:
        service.update(uow, "lead_pool", {team.pool: {"is_active": True}})
    after(minutes=10)
    assert (state(lead)[0], read(lead)["pool"]) == ("qualified", team.pool)


def test_a_paused_plan_waits(plan, early, make_leads, after, mails, unit_of_work):
    with unit_of_work() as uow:
        service.update(uow, "nurture_plan", {plan: {"is_active": False}})
    make_leads(pool=early, email="a@example.com")
    after(days=10)
    assert mails() == []


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"to_pool": "from"}, "to_pool"),
        ({"touches": [{"kind": "task", "subject": "电话", "body": "问需求"}]}, "touches"),
        ({"touches": [{"subject": "{nam}", "body": "x"}]}, "touches.0.subject"),
        ({"threshold": 0}, "threshold"),
    ],
)
@pytest.mark.databases("sqlite")
def test_a_plan_that_cannot_be_is_refused_at_its_field(plan, early, unit_of_work, values, place):
    """Tasks need the module of activities, which is off here."""
    if values.get("to_pool") == "from":
        values = {"to_pool": early}
    with pytest.raises(Invalid) as refused, unit_of_work() as uow:
        service.update(uow, "nurture_plan", {plan: values})
    assert place in [problem.field for problem in refused.value.problems]


def test_a_finished_campaign_hands_its_ready_leads_to_sales(
    plan, early, team, make_leads, unit_of_work, run_jobs, read, found
):
    """S-009: those of the score asked for that nobody owns, with the campaign and their history."""
    with unit_of_work() as uow:
        values = {"name": "春季展会", "status": "running", "to_pool": team.pool, "ready_score": 50}
        (campaign,) = service.create(uow, "campaign", [values])
    given = {"pool": early, "campaign": campaign}
    (ready,) = make_leads(**given, expected_amount="100000")
    (cold,) = make_leads(**given)
    (owned,) = make_leads(**given, expected_amount="100000", owner=team.ning)
    with unit_of_work(team.marketing) as uow:
        service.update(uow, "campaign", {campaign: {"status": "finished"}})
    run_jobs()
    assert [read(key)["pool"] for key in (ready, cold, owned)] == [team.pool, early, early]
    assert (read(ready)["campaign"], read(owned)["owner"]) == (campaign, team.ning)
    assert [row["kind"] for row in found("lead_transfer", lead=ready)] == ["move"]


def test_a_thousand_leads_are_nurtured_in_few_statements(
    plan, early, make_leads, runtime, unit_of_work
):
    """A portion of two hundred takes as many statements for each step as one of ten."""
    from plugins.crm_leads.nurturing import plans

    engine = next(each for each in vars(runtime.database).values() if hasattr(each, "dialect"))
    counts = []
    for many in (10, 150):
        make_leads(many, pool=early, email="a@example.com")
        counted = counting(engine)
        with unit_of_work() as uow, uow.elevated():
            assert plans._take_up(uow) == many
            taken = len(counted())
        counts.append(taken)
    assert 2 < counts[0] == counts[1]


def counting(engine):
    """The statements from here on, until they are asked for."""
    from sqlalchemy import event

    seen = []

    def note(*arguments):
        seen.append(arguments[2])

    event.listen(engine, "before_cursor_execute", note)

    def done():
        event.remove(engine, "before_cursor_execute", note)
        return seen

    return done
