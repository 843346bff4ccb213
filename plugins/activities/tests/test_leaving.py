"""Who leaves hands over records and open tasks; what was done and said stays, unless it is asked for."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from core.handover.giving import start_hand_over
from core.handover.taking_back import start_taking_back
from core.work.tables import job_table

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def finished(unit_of_work, run_jobs, admin_id):
    """``finished(start, *given, **more) -> result`` of the job that an administrator starts."""

    def run(start, *given, **more):
        with unit_of_work(admin_id) as uow:
            key = start(uow, *given, **more)
        run_jobs()
        with unit_of_work(write=False) as uow:
            job = uow.execute(select(job_table).where(job_table.c.id == key)).one()
        assert job.state == "done", job.error
        return key, job.result

    return run


@pytest.fixture
def held(make_lead, write, give, act, team):
    """What 傅宇恒 has: leads, plans, tasks that are open and done, and what was said."""
    leads = [make_lead(team.fu) for _n in range(3)]
    write(team.fu, leads[0], next_follow_at="2030-01-05T02:00:00Z", next_step="回访")
    open_ = [give(team.fu, leads[1]), give(team.fu)]
    done = give(team.fu, leads[2])
    act(team.fu, "task", "complete", done)
    return leads, open_, done


def test_leads_and_open_tasks_go_and_the_rest_stays(finished, held, team, read, find, unit_of_work):
    leads, open_, done = held
    (plan,) = find("task", title="回访")
    (said,) = find("follow_up")
    _job, result = finished(start_hand_over, team.fu, [team.ning], close=True)
    assert result["moved"] == {
        "task.assignee": {str(team.ning): 3},
        "lead.owner": {str(team.ning): 3},
    }
    for key in (*open_, plan["id"]):
        task = read("task", key)
        assert (task["assignee"], task["owner"]) == (team.ning, team.ning)
        assert task["department"] == read("user", team.ning)["department"]
    assert read("task", done)["assignee"] == team.fu
    assert read("follow_up", said["id"])["owner"] == team.fu
    seen = {row["id"] for row in find("lead", person=team.ning)}
    assert seen == set(leads), "the successor sees everything"
    assert [row["id"] for row in find("follow_up", person=team.ning)] == [said["id"]]
    kept = find("lead_transfer")
    assert {(row["from_owner"], row["to_owner"]) for row in kept} >= {(team.fu, team.ning)}


def test_all_of_it_comes_back_with_the_account(finished, held, team, read, find):
    """What was said goes too this time, and its plan along with it."""
    everything = ("follow_up.owner", "task.assignee", "lead.owner")
    entities = ("lead", "task", "follow_up")

    def owners():
        return {
            (entity, row["id"]): (row["owner"], row["department"])
            for entity in entities
            for row in find(entity)
        }

    before = owners()
    job, result = finished(
        start_hand_over, team.fu, [team.yan, team.ning], kinds=everything, close=True
    )
    assert result["closed"] is True
    assert read("user", team.fu)["is_active"] is False
    assert {owner for owner, _home in owners().values()} == {team.fu, team.yan, team.ning}
    _job, back = finished(start_taking_back, job)
    assert back["kept"] == 0, back["reasons"]
    assert owners() == before
    assert read("user", team.fu)["is_active"] is True


def test_a_task_that_was_done_since_stays_done_when_it_is_taken_back(
    finished, held, team, read, act
):
    _leads, open_, _done = held
    job, _result = finished(start_hand_over, team.fu, [team.yan])
    act(team.yan, "task", "complete", open_[0])
    _job, back = finished(start_taking_back, job)
    assert back["kept"] == 1
    assert (read("task", open_[0])["assignee"], read("task", open_[0])["status"]) == (
        team.yan,
        "done",
    )
    assert read("task", open_[1])["assignee"] == team.fu
