"""Leads go back to their pool in time, say beforehand when and why, and only then."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Invalid
from core.work.schedule import start_due

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def night(runtime, run_jobs, at):
    """``night(days)``: the night to that day is over, and with it the job."""
    start_due(runtime)  # the first time it is only noted when it is due

    def sleep(days):
        at(days, 3)
        start_due(runtime)
        run_jobs()

    return sleep


@pytest.fixture
def rehearse(browser_of, team):
    """``rehearse(person=manager, **query)``: the page, as text."""

    def look(person=None, **asked):
        browser = browser_of(person or team.manager)
        answer = browser.get("/crm_leads/returns", query_string=asked)
        assert answer.status_code == 200
        return answer.get_data(as_text=True)

    return look


def followed(unit_of_work, lead):
    with unit_of_work() as uow:
        service.update(uow, "lead", {lead: {"last_followed_at": uow.now()}})


def test_without_follow_up_a_lead_goes_back_after_the_days_of_the_pool(
    team, make_leads, act, read, set_pool, at, night, unit_of_work, published
):
    set_pool(idle_days=3)
    silent, followed_up, lost = make_leads(3)
    act(team.fu, "claim", [silent, followed_up, lost])
    act(team.fu, "mark_lost", [lost], reason="项目暂缓")
    night(3)  # the third whole day has not passed yet
    assert read(silent)["owner"] == team.fu
    at(3, 23)
    followed(unit_of_work, followed_up)
    night(4)
    values = read(silent)
    assert (values["owner"], values["pool"], values["status"]) == (None, team.pool, "new")
    assert "3" in values["release_reason"]
    assert read(followed_up)["owner"] == read(lost)["owner"] == team.fu
    (told,) = published("crm_leads.LeadsReleased")
    assert told["ids"] == [silent]
    version = values["version"]
    night(5)
    assert read(silent)["version"] == version  # what has gone back is left alone
    with unit_of_work(write=False) as uow:
        asked = ListQuery(filter={"field": "lead", "op": "eq", "value": silent}, sort="id")
        moves = [row["kind"] for row in query.page(uow, "lead_transfer", asked).items]
    assert moves == ["claim", "release"]
    night(6)  # the last follow-up was at 23:00 of the third day: it has the sixth
    assert read(followed_up)["owner"] == team.fu
    night(7)
    assert read(followed_up)["owner"] is None


def test_what_is_not_converted_goes_back_however_often_it_is_followed_up(
    team, make_leads, act, read, set_pool, night, unit_of_work
):
    set_pool(unconverted_days=2)
    kept, converted = make_leads(2)
    act(team.fu, "claim", [kept, converted])
    act(team.fu, "convert", [converted])
    night(2)
    followed(unit_of_work, kept)
    assert read(kept)["owner"] == team.fu
    night(3)
    assert read(kept)["owner"] is None
    assert read(converted)["owner"] == team.fu


def test_who_has_just_got_a_lead_has_the_days_from_then(
    team, make_leads, act, read, set_pool, at, night, unit_of_work
):
    set_pool(idle_days=3)
    (lead,) = make_leads()
    with unit_of_work() as uow:
        long_ago = uow.now() - timedelta(days=90)
        service.update(uow, "lead", {lead: {"last_followed_at": long_ago}})
    act(team.fu, "claim", [lead])
    night(3)
    assert read(lead)["owner"] == team.fu
    at(3)
    act(team.manager, "assign", [lead], owner=team.yan)
    night(4)
    night(6)
    assert read(lead)["owner"] == team.yan
    night(7)
    assert read(lead)["owner"] is None


def test_the_owner_is_warned_once_and_told_of_the_return(
    team, make_leads, act, set_pool, night, bell, unit_of_work, at
):
    set_pool(idle_days=5, warn_days=2)
    lead, other = make_leads(2)
    act(team.fu, "claim", [lead, other])
    night(2)
    assert bell(team.fu) == []
    night(3)
    assert len(bell(team.fu)) == 2
    at(3)
    followed(unit_of_work, other)
    night(4)
    night(5)
    assert len(bell(team.fu)) == 2  # not again for the same day
    night(6)
    told = bell(team.fu)
    assert len(told) == 4, told  # one has gone back; the other is warned of anew
    assert sum("退回" in text and "将" not in text for text in told) == 1


def test_the_rehearsal_tells_what_the_night_then_does_and_writes_nothing(
    team, make_leads, act, read, set_pool, at, night, rehearse, unit_of_work
):
    set_pool(idle_days=3)
    leads = make_leads(3)
    act(team.fu, "claim", leads)
    at(3)
    followed(unit_of_work, leads[2])
    versions = [read(lead)["version"] for lead in leads]
    page = rehearse()
    assert "今晚将退回 2 条" in page
    assert "潍坊鼎源0农机有限公司" in page
    assert "潍坊鼎源2农机有限公司" not in page
    assert "3 天" in page
    assert "一周内将退回 3 条" in rehearse(period="week")
    assert "今晚将退回 0 条" in rehearse(team.ning)  # another group: none within reach
    assert [read(lead)["version"] for lead in leads] == versions
    night(4)
    assert [read(lead)["owner"] for lead in leads] == [None, None, team.fu]
    assert "今晚将退回 0 条" in rehearse(pool=team.pool)


def test_each_lead_says_when_it_goes_back_and_why(
    team, make_leads, act, set_pool, browser_of, runtime
):
    set_pool(idle_days=3)
    (lead,) = make_leads()
    fu = browser_of(team.fu)
    assert "退回华东公海" not in fu.get(f"/r/lead/{lead}").get_data(as_text=True)
    act(team.fu, "claim", [lead])
    page = fu.get(f"/r/lead/{lead}").get_data(as_text=True)
    assert "退回华东公海" in page
    assert "3 天" in page
    pool = fu.get(f"/r/lead_pool/{team.pool}").get_data(as_text=True)
    assert "今晚退回" in pool
    assert f"/crm_leads/returns?pool={team.pool}" in pool.replace("&amp;", "&")


def test_only_who_may_sees_the_rehearsal(browser_of, team):
    assert browser_of(team.viewer).get("/crm_leads/returns").status_code == 403


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"warn_days": 3}, "needless"),
        ({"warn_days": 5, "idle_days": 5}, "range"),
        ({"warn_days": 5, "idle_days": 9, "unconverted_days": 4}, "range"),
    ],
)
def test_a_warning_that_comes_too_late_is_refused_at_its_field(set_pool, values, code):
    with pytest.raises(Invalid) as refused:
        set_pool(**values)
    assert [(p.field, p.code) for p in refused.value.problems] == [("warn_days", code)]


def test_the_night_asks_as_many_questions_for_forty_leads_as_for_four(
    team, make_leads, read, set_pool, runtime, at, night
):
    set_pool(idle_days=1)
    counted = []
    for day, n in ((2, 1), (5, 4), (8, 40)):  # the first night has other work as well
        at(day - 2)
        leads = make_leads(n, owner=team.fu)
        statements = []

        def note(*arguments, statements=statements):
            statements.append(arguments[2])

        event.listen(runtime.database.engine, "before_cursor_execute", note)
        try:
            night(day)
        finally:
            event.remove(runtime.database.engine, "before_cursor_execute", note)
        assert {read(lead)["owner"] for lead in leads} == {None}
        # SQLite gives keys in their order only row by row; nothing else may grow.
        ours = [text for text in statements if "crm_leads_" in text]
        counted.append(
            sum(not text.startswith("INSERT INTO crm_leads_lead_transfer") for text in ours)
        )
    assert counted[1] == counted[2] < 20, counted
