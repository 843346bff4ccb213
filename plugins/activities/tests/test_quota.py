"""S-055: who is behind with the week's quota is told, and the head of the department, once a week."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from html import unescape

import pytest

from core.entities import service
from core.work.schedule import start_due

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture(autouse=True)
def led(unit_of_work, team):
    """The manager is head of sales."""
    with unit_of_work() as uow:
        table = uow.entity("department").table
        (key,) = uow.execute(table.select().where(table.c.name == "销售部")).scalars()
        service.update(uow, "department", {key: {"head": team.manager}})


@pytest.fixture
def tick(runtime, run_jobs):
    """``tick(weekday, hour)``: that hour of the coming week, or of the same (``weeks=0``), has come."""
    week = [runtime.clock.today()]
    start_due(runtime)  # the first time it is only noted when it is due

    def pass_(weekday, hour, weeks=1):
        clock = runtime.clock
        week[0] += timedelta(weeks=weeks)
        day = week[0] + timedelta(days=weekday - week[0].weekday())
        wanted = datetime(day.year, day.month, day.day, hour, 1, tzinfo=clock.timezone)
        clock.move(wanted - clock.now())
        start_due(runtime)
        run_jobs()

    return pass_


@pytest.fixture
def bell(browser_of):
    """``bell(person)``: [(address of the notification, its text)]."""

    def read(person):
        html = unescape(browser_of(person).get("/notifications").get_data(as_text=True))
        found = re.findall(r'action="(/notifications/\d+)">.*?</svg><span>([^<]*)', html, re.S)
        return [(address, text.strip()) for address, text in found]

    return read


def texts(found):
    return [text for _address, text in found]


def test_on_friday_afternoon_who_is_behind_is_told_and_the_head_of_the_department(
    ask_for, team, write, tick, bell, browser_of, make_lead
):
    ask_for(weekly_quota=2)
    tick(4, 12)
    for _n in range(2):
        write(team.yan)
    write(team.fu)
    assert bell(team.fu) == []
    tick(4, 16, weeks=0)
    assert texts(bell(team.fu)) == ["您还没有完成本周的跟进定额。"]
    assert bell(team.yan) == []
    assert bell(team.viewer) == []
    ((address, told),) = [each for each in bell(team.manager) if "傅宇恒" in each[1]]
    assert "本周定额" in told
    # The seller of another department is none of this manager's.
    assert not any("宁书瑶" in text for text in texts(bell(team.manager)))
    manager = browser_of(team.manager)
    opened = manager.post(address, data={"csrf_token": manager.csrf})
    page = manager.get(opened.headers["Location"], follow_redirects=True)
    assert "1/2" in page.get_data(as_text=True)


def test_each_week_once(ask_for, team, tick, bell):
    ask_for(weekly_quota=1)
    tick(4, 16)
    tick(4, 17, weeks=0)
    tick(5, 10, weeks=0)
    assert len(bell(team.fu)) == 1
    tick(4, 16)
    assert len(bell(team.fu)) == 2


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"weekly_quota": 0}, 0),
        ({"weekly_quota": 1, "quota_day": "never"}, 0),
        ({"weekly_quota": 1, "quota_hour": 18}, 0),
        ({"weekly_quota": 1, "quota_day": "thursday", "quota_hour": 18}, 1),
        ({"weekly_quota": 1, "quota_day": "wednesday"}, 0),  # so long ago that nobody is told
    ],
)
def test_the_settings_say_whether_and_when(ask_for, team, tick, bell, settings, expected):
    ask_for(**settings)
    tick(4, 16)
    assert len(bell(team.fu)) == expected


def test_administrators_have_no_quota(ask_for, team, tick, sign_in, bell):
    ask_for(weekly_quota=1)
    tick(4, 16)
    assert len(bell(team.fu)) == 1
    page = unescape(sign_in().get("/notifications").get_data(as_text=True))
    assert "您还没有完成本周的跟进定额" not in page
