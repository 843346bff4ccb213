"""Tasks: their states, whose they are, reminders once each, and what repeats."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.entities import service
from core.entities.purging import purge
from core.errors import Forbidden, Invalid, NotFound, Refused
from core.faults import InjectedFault, planned_fault
from core.notifications.service import latest
from core.work.schedule import start_due
from plugins.activities import reminders

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def told(unit_of_work):
    """``told(person)``: kinds and texts of what they were told, oldest first."""

    def look(person):
        with unit_of_work(person, write=False) as uow:
            return [(each.kind, each.text) for each in reversed(latest(uow, 50))]

    return look


@pytest.fixture
def tick(runtime, run_jobs):
    """``tick(minutes)``: time passes; the clock's jobs start and run."""

    def pass_(minutes=0):
        runtime.clock.offset += timedelta(minutes=minutes)
        start_due(runtime)
        run_jobs()

    return pass_


# States


def test_a_task_is_done_opened_again_and_cancelled(give, act, read, team, runtime):
    key = give(team.fu)
    values = read("task", key)
    assert (values["status"], values["assignee"], values["owner"]) == ("open", team.fu, team.fu)
    act(team.fu, "task", "complete", key)
    assert read("task", key)["completed_at"] is not None
    with pytest.raises(Refused):
        act(team.fu, "task", "complete", key)
    with pytest.raises(Refused):
        act(team.fu, "task", "cancel", key)
    act(team.fu, "task", "reopen", key)
    values = read("task", key)
    assert (values["status"], values["completed_at"]) == ("open", None)
    act(team.fu, "task", "cancel", key)
    assert read("task", key)["status"] == "cancelled"


def test_a_state_changed_by_hand_keeps_the_same_rules(give, change, read, team):
    key = give(team.fu)
    change(team.fu, "task", key, status="done")
    assert read("task", key)["completed_at"] is not None
    with pytest.raises(Invalid):
        change(team.fu, "task", key, status="cancelled")


def test_owner_and_assignee_are_one(give, change, read, team):
    """Whichever of the two is named, and the department follows."""
    key = give(team.manager, assignee=team.fu)
    values = read("task", key)
    assert (values["owner"], values["assignee"]) == (team.fu, team.fu)
    assert values["department"] == read("user", team.fu)["department"]
    change(team.manager, "task", key, owner=team.yan)
    assert read("task", key)["assignee"] == team.yan
    change(team.manager, "task", key, assignee=team.manager)
    values = read("task", key)
    assert values["owner"] == team.manager
    assert values["department"] == read("user", team.manager)["department"]


def test_who_gets_a_task_is_told_and_sees_it(give, read, told, team):
    key = give(team.yan, assignee=team.fu, title="带上样件")
    assert read("task", key, team.fu)["title"] == "带上样件"
    assert read("task", key, team.yan)["title"] == "带上样件", "who gave it follows it"
    ((kind, text),) = told(team.fu)
    assert kind == "core.assigned"
    assert "闫晓璐" in text
    assert "带上样件" in text


def test_who_has_left_is_given_nothing(give, team, change):
    change(None, "user", team.yan, is_active=False)
    with pytest.raises(Invalid) as error:
        give(team.fu, assignee=team.yan)
    assert [problem.code for problem in error.value.problems] == ["inactive"]


# Reminders


def test_a_reminder_comes_once(give, told, tick, team, runtime):
    """S-051: by the setting of the task, whatever the clock does afterwards."""
    tick()
    give(team.fu, due_at=runtime.clock.now() + timedelta(hours=26), reminder="1_day")
    tick(60)
    assert told(team.fu) == []
    tick(90)
    tick(2)
    tick(60 * 30)
    assert [kind for kind, _text in told(team.fu)] == ["activities.due"]


def test_the_setting_reminds_where_the_task_says_nothing(
    give, told, tick, team, runtime, ask_for, read
):
    ask_for(default_reminder="10_minutes")
    tick()
    key = give(team.fu, due_at=runtime.clock.now() + timedelta(minutes=30))
    assert read("task", key)["reminder"] == "10_minutes"
    tick(15)
    assert told(team.fu) == []
    tick(10)
    assert len(told(team.fu)) == 1


def test_what_is_done_moved_or_given_away_is_not_reminded_of_wrongly(
    give, told, tick, team, runtime, act, change, unit_of_work
):
    tick()
    due = runtime.clock.now() + timedelta(minutes=30)
    done, moved, given, gone = (give(team.fu, due_at=due, reminder="on_time") for _n in range(4))
    act(team.fu, "task", "complete", done)
    change(team.fu, "task", moved, due_at=due + timedelta(days=1))
    change(team.fu, "task", given, assignee=team.yan)
    with unit_of_work(team.fu) as uow:
        service.delete(uow, "task", [gone])
    tick(45)
    assert [kind for kind, _text in told(team.fu)] == []
    assert [kind for kind, _text in told(team.yan)] == ["core.assigned", "activities.due"]
    tick(60 * 24)
    assert [kind for kind, _text in told(team.fu)] == ["activities.due"]


def test_a_reminder_interrupted_by_the_end_of_its_process_is_given_by_the_next(
    give, told, tick, team, runtime, unit_of_work
):
    """It goes away with the notification in one transaction, or stays with it undone."""
    tick()
    give(team.fu, due_at=runtime.clock.now() + timedelta(minutes=5), reminder="on_time")
    runtime.clock.offset += timedelta(minutes=6)
    with (
        pytest.raises(InjectedFault),
        planned_fault("uow.before_commit:raise"),
        unit_of_work() as uow,
    ):
        assert reminders._tell(uow, reminders._take(uow)) == 1
    assert told(team.fu) == []
    tick()
    tick(10)
    assert [kind for kind, _text in told(team.fu)] == ["activities.due"]


def test_who_no_longer_reads_the_record_is_not_told(
    give, told, tick, team, runtime, make_lead, change
):
    tick()
    lead = make_lead(team.fu)
    give(team.fu, lead, due_at=runtime.clock.now() + timedelta(minutes=5), reminder="on_time")
    change(None, "lead", lead, owner=team.ning)
    tick(10)
    assert told(team.fu) == []


# What repeats


def test_a_repeating_task_makes_its_next_once(give, act, find, team, runtime):
    due = runtime.clock.now() + timedelta(hours=1)
    key = give(team.fu, due_at=due, recurrence="daily", priority="high", description="看板")
    act(team.fu, "task", "complete", key)
    act(team.fu, "task", "reopen", key)
    act(team.fu, "task", "complete", key)
    first, second = find("task")
    assert second["due_at"] == due + timedelta(days=1)
    assert (second["previous"], second["status"], second["recurs_from"]) == (key, "open", due)
    for name in ("title", "priority", "description", "assignee", "created_by", "recurrence"):
        assert second[name] == first[name]


@pytest.mark.parametrize("touched", [False, True])
def test_with_a_task_that_is_taken_back_its_next_one_goes(
    give, act, change, find, team, runtime, touched
):
    """A series has one task that is to be done; what somebody has changed stays."""
    due = runtime.clock.now() + timedelta(hours=1)
    key = give(team.fu, due_at=due, recurrence="weekly")
    act(team.fu, "task", "complete", key)
    if touched:
        change(team.fu, "task", find("task", previous=key)[0]["id"], priority="high")
    act(team.fu, "task", "reopen", key)
    left = find("task", status="open")
    assert [row["id"] == key for row in left] == [True, *([False] if touched else [])]
    act(team.fu, "task", "complete", key)
    assert len(find("task", status="open")) == 1


def test_what_was_missed_is_left_out(give, act, find, team, runtime):
    due = runtime.clock.now() + timedelta(hours=1)
    key = give(team.fu, due_at=due, recurrence="daily")
    runtime.clock.offset += timedelta(days=10)
    act(team.fu, "task", "complete", key)
    assert find("task")[1]["due_at"] == due + timedelta(days=10)


def test_a_series_ends(give, act, find, team, runtime):
    due = runtime.clock.now() + timedelta(hours=1)
    last = due.astimezone(runtime.clock.timezone).date() + timedelta(days=1)
    key = give(team.fu, due_at=due, recurrence="daily", repeat_until=last)
    act(team.fu, "task", "complete", key)
    act(team.fu, "task", "complete", find("task")[1]["id"])
    assert [task["status"] for task in find("task")] == ["done", "done"]


def test_cancelled_or_about_a_deleted_record_it_ends_too(
    give, act, find, team, runtime, make_lead, unit_of_work
):
    due = runtime.clock.now() + timedelta(hours=1)
    act(team.fu, "task", "cancel", give(team.fu, due_at=due, recurrence="weekly"))
    lead = make_lead(team.fu)
    key = give(team.fu, lead, due_at=due, recurrence="weekly")
    with unit_of_work() as uow:
        service.delete(uow, "lead", [lead])
        service.restore(uow, "task", [key])
    act(team.fu, "task", "complete", key)
    assert [task["status"] for task in find("task")] == ["cancelled", "done"]


def test_open_tasks_go_and_come_with_their_record(
    give, act, find, team, runtime, make_lead, unit_of_work, write
):
    """What is done, what was deleted before, and what was written stay as they are."""
    lead = make_lead(team.fu)
    opened, done, deleted = (give(team.fu, lead) for _number in range(3))
    act(team.fu, "task", "complete", done)
    write(team.fu, lead)
    with unit_of_work(team.fu) as uow:
        service.delete(uow, "task", [deleted])
    runtime.clock.offset += timedelta(hours=1)
    with unit_of_work(team.fu) as uow:
        service.delete(uow, "lead", [lead])
    assert [task["id"] for task in find("task")] == [done]
    assert len(find("follow_up")) == 1
    runtime.clock.offset += timedelta(days=1)
    with unit_of_work(team.fu) as uow:
        service.restore(uow, "lead", [lead])
    assert [task["id"] for task in find("task")] == [opened, done]


def test_what_was_said_of_a_record_that_is_gone_for_good_goes_too(
    give, find, team, runtime, make_lead, unit_of_work, write, admin_id, run_jobs
):
    lead = make_lead(team.fu)
    give(team.fu, lead)
    write(team.fu, lead)
    with unit_of_work(admin_id) as uow:
        service.delete(uow, "lead", [lead])
        assert purge(uow, "lead", [lead]) == [lead]
    run_jobs()
    assert find("follow_up") == find("task") == []


@pytest.mark.parametrize("values", [{"recurrence": "daily"}, {"repeat_until": "2020-01-01"}])
def test_what_repeats_needs_dates_that_fit(give, team, runtime, values):
    due = {} if "recurrence" in values else {"due_at": runtime.clock.now() + timedelta(days=1)}
    with pytest.raises(Invalid):
        give(team.fu, **due, **values)


def test_somebody_elses_task_is_not_changed(give, act, change, team):
    key = give(team.fu)
    for attempt in (
        lambda: act(team.ning, "task", "complete", key),
        lambda: change(team.ning, "task", key, title="x"),
    ):
        with pytest.raises((NotFound, Forbidden)):
            attempt()
    with pytest.raises(Forbidden):
        act(team.viewer, "task", "complete", key)
