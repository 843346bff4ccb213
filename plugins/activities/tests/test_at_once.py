"""Several people at the same instant: one task is done once, and a lead keeps the latest date."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

from core.entities import service
from core.errors import Refused

ROUNDS = 6


def together(attempts):
    """What each answers when all begin at once: its value, or the refusal."""
    ready = Barrier(len(attempts))

    def run(attempt):
        ready.wait()
        try:
            return attempt()
        except Refused as refused:
            return refused

    with ThreadPoolExecutor(len(attempts)) as pool:
        return list(pool.map(run, attempts))


def test_a_repeating_task_completed_twice_at_once_has_one_successor(
    give, find, team, runtime, unit_of_work
):
    def complete(key):
        with unit_of_work(team.fu) as uow:
            return service.act(uow, "task", "complete", [key])

    due = runtime.clock.now() + timedelta(hours=1)
    for _round in range(ROUNDS):
        key = give(team.fu, due_at=due, recurrence="daily")
        answers = together([lambda key=key: complete(key)] * 3)
        assert sum(isinstance(answer, Refused) for answer in answers) == 2
        assert len(find("task", previous=key)) == 1


def test_a_lead_followed_up_by_two_at_once_keeps_the_latest(
    write, read, team, make_lead, runtime, unit_of_work
):
    now = runtime.clock.now()
    for number in range(ROUNDS):
        lead = make_lead(team.fu, status="following")
        moments = [now - timedelta(hours=hours) for hours in (1, 5, 9)]
        if number % 2:
            moments.reverse()
        together(
            [
                lambda at=at, lead=lead: write(
                    team.fu, lead, happened_at=at, next_follow_at=at + timedelta(days=3)
                )
                for at in moments
            ]
        )
        values = read("lead", lead)
        assert values["last_followed_at"] == max(moments)
        assert values["next_follow_at"] == max(moments) + timedelta(days=3)


def test_of_plans_made_at_once_one_stays_open(write, find, team, make_lead, runtime):
    now = runtime.clock.now()
    for _round in range(ROUNDS):
        lead = make_lead(team.fu, status="following")
        together(
            [
                lambda days=days, lead=lead: write(
                    team.fu, lead, happened_at=now, next_follow_at=now + timedelta(days=days)
                )
                for days in (2, 3, 4)
            ]
        )
        tasks = find("task", related_id=lead)
        assert [row["status"] for row in tasks].count("open") == 1, tasks
