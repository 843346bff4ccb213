"""The pages as a browser gets them: short forms, my day, calendar, numbers, spot checks."""

from __future__ import annotations

import csv
import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import event

from core.entities import service

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def lead(make_lead, team):
    return make_lead(team.fu, company="潍坊恒源食品有限公司")


def page(browser, path, status=200):
    answer = browser.get(path)
    assert answer.status_code == status, (path, answer.status_code)
    return unescape(answer.get_data(as_text=True))


def post(browser, path, **data):
    return browser.post(path, data={"csrf_token": browser.csrf, **data})


def panels(text):
    """Names of records by the title of the list they stand in."""
    found = {}
    for part in re.findall(r'(?s)<section class="panel">.*?</section>', text):
        title = re.search(r"<h2>([^<]+)", part)[1]
        found[title] = re.findall(r'class="record-link" href="[^"]+">([^<]+)', part)
    return found


# The short forms


def test_a_follow_up_takes_three_taps_from_the_first_page(browser_of, team, lead, find):
    """Home, the record that is offered, save: what is typed comes between."""
    browser = browser_of(team.fu)
    home = page(browser, "/")
    (address,) = set(re.findall(r'href="(/activities/follow-up\?back=home)"', home))
    form = page(browser, address)
    assert 'hx-get="/activities/suggest"' in form
    offered = page(browser, "/activities/suggest?q=恒源")
    (about,) = re.findall(r'data-id="([^"]+)"', offered)
    assert about == f"lead:{lead}"
    answer = post(
        browser,
        "/activities/follow-up",
        about=about,
        kind="call",
        content="约好周四看现场",
        next="3",
        back="home",
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    (row,) = find("follow_up")
    assert (row["related_id"], row["owner"], row["kind"]) == (lead, team.fu, "call")
    (task,) = find("task")
    due = task["due_at"] - row["happened_at"]
    assert timedelta(days=2) < due < timedelta(days=4)
    recent = page(browser, address)
    assert f'name="recent" value="lead:{lead}"' in recent


def test_what_was_typed_is_kept_where_something_is_wrong(browser_of, team, lead, find):
    browser = browser_of(team.fu)
    answer = post(
        browser,
        "/activities/follow-up",
        about=f"lead:{lead}",
        kind="visit",
        content="无",
        next="date",
        next_step="送样",
    )
    text = unescape(answer.get_data(as_text=True))
    assert answer.status_code == 422
    assert "潍坊恒源食品有限公司" in text
    assert 'value="送样"' in text
    assert re.search(r'value="visit" checked', text)
    assert 'id="error-next_follow_at"' in text
    assert find("follow_up") == []


def test_a_name_typed_without_choosing_is_enough_where_it_is_one(browser_of, team, lead, find):
    """Without scripts nothing is picked from the list."""
    browser = browser_of(team.fu)
    sent = {"kind": "call", "content": "确认了交期和付款"}
    unclear = post(browser, "/activities/follow-up", about__label="恒源", **sent)
    assert unclear.status_code == 422
    answer = post(browser, "/activities/follow-up", about__label="潍坊恒源食品有限公司", **sent)
    assert answer.status_code == 303
    assert [row["related_id"] for row in find("follow_up")] == [lead]


def test_nothing_foreign_is_offered_named_or_taken(browser_of, team, make_lead, find):
    """By the picker, by the address, by the form that is sent."""
    foreign = make_lead(team.ning, company="绵阳远航印务有限公司")
    browser = browser_of(team.fu)
    assert "绵阳" not in page(browser, "/activities/suggest?q=绵阳")
    assert "绵阳" not in page(browser, f"/activities/follow-up?about=lead:{foreign}")
    answer = post(
        browser,
        "/activities/follow-up",
        about=f"lead:{foreign}",
        kind="call",
        content="谈了方案和交期",
    )
    assert answer.status_code == 422
    assert "绵阳" not in unescape(answer.get_data(as_text=True))
    answer = post(browser, "/activities/task", about=f"lead:{foreign}", title="x")
    assert answer.status_code == 422
    assert find("follow_up") == find("task") == []


def test_who_writes_none_gets_no_form(browser_of, team):
    browser = browser_of(team.viewer)
    pages = ("follow-up", "task", "prompts", "calendar", "statistics", "spot-check", "answers")
    for path in pages:
        page(browser, f"/activities/{path}", 403)
    assert post(browser, "/activities/follow-up", content="x").status_code == 403
    assert "/activities/" not in page(browser, "/")


def test_a_template_asks_in_the_form(browser_of, team, lead, unit_of_work, admin_id, find):
    """S-049: the prompts come with the kind, and a missing answer is named beside its input."""
    prompts = [
        {"label": "见到了谁", "kind": "text"},
        {"label": "意向", "kind": "choice", "options": ["高", "低"]},
    ]
    item = {"name": "拜访记录", "kind": "visit", "is_obligatory": True, "prompts": prompts}
    with unit_of_work(admin_id) as uow:
        service.create(uow, "follow_up_template", [item])
    first, second = (row["id"] for row in find("follow_up_prompt"))
    browser = browser_of(team.fu)
    assert "见到了谁" in page(browser, "/activities/prompts?kind=visit")
    assert "见到了谁" not in page(browser, "/activities/prompts?kind=call")
    sent = {"about": f"lead:{lead}", "kind": "visit", "content": "看了现场，拍了照片"}
    answer = post(browser, "/activities/follow-up", **sent, **{f"answer.{first}": "王经理"})
    text = unescape(answer.get_data(as_text=True))
    assert answer.status_code == 422
    assert f'id="error-answer.{second}"' in text
    assert "王经理" in text
    given = {f"answer.{first}": "王经理", f"answer.{second}": "高"}
    assert post(browser, "/activities/follow-up", **sent, **given).status_code == 303
    assert [row["answer"] for row in find("follow_up_answer")] == ["王经理", "高"]
    record = page(browser, f"/r/lead/{lead}")
    assert "意向：高" in record
    table = page(browser, "/activities/answers")
    assert re.findall(r'data-label="(见到了谁|意向)">([^<]*)<', table) == [
        ("见到了谁", "王经理"),
        ("意向", "高"),
    ]
    assert "data-guard" in re.search(r'<form class="quick-form"[^>]*>', record)[0]
    export = re.search(r'href="(/r/follow_up_answer/export\?[^"]+)"', table)[1]
    assert browser.get(export).status_code == 200
    assert "王经理" not in page(browser_of(team.ning), "/activities/answers")


def test_answers_are_written_as_the_reader_writes_numbers_and_days(
    browser_of, team, lead, unit_of_work, admin_id, find
):
    prompts = [{"label": "预算", "kind": "number"}, {"label": "开标日", "kind": "date"}]
    item = {"name": "拜访记录", "kind": "visit", "prompts": prompts}
    with unit_of_work(admin_id) as uow:
        (template,) = service.create(uow, "follow_up_template", [item])
    budget, day = (row["id"] for row in find("follow_up_prompt"))
    browser = browser_of(team.fu)
    sent = {"about": f"lead:{lead}", "kind": "visit", "content": "看了现场，拍了照片"}
    sent |= {
        "template": str(template),
        f"answer.{budget}": "¥1,250,000.50",
        f"answer.{day}": "2026-05-31",
    }
    assert post(browser, "/activities/follow-up", **sent).status_code == 303
    for locale, wanted in (("zh_CN", "2026-05-31"), ("en", "31 May 2026")):
        post(browser, "/language", locale=locale)
        table = page(browser, "/activities/answers")
        cells = re.findall(r'data-label="(?:预算|开标日)">([^<]*)<', table)
        assert cells[:2] == ["1,250,000.5", wanted]
        told = page(browser, f"/r/lead/{lead}")
        assert "1,250,000.5" in told
        assert wanted in told


def test_beside_a_record_one_writes_and_plans(browser_of, team, lead, give, find):
    """No module whose record it is knows of it."""
    give(team.fu, lead, title="寄样件")
    browser = browser_of(team.fu)
    text = page(browser, f"/r/lead/{lead}")
    assert "寄样件" in text
    assert 'action="/activities/follow-up"' in text
    answer = post(
        browser,
        "/activities/follow-up",
        about=f"lead:{lead}",
        kind="wechat",
        content="发了样机视频",
        next="",
        back="record",
    )
    assert answer.headers["Location"] == f"/r/lead/{lead}"
    assert "发了样机视频" in page(browser, f"/r/lead/{lead}")
    assert find("follow_up")[0]["kind"] == "wechat"


def test_what_a_colleague_is_to_do_is_seen_and_not_completed(browser_of, team, lead, give):
    """By the manager's own task about the lead, which its owner reads."""
    key = give(team.manager, lead, title="与总经理会面")
    text = page(browser_of(team.fu), f"/r/lead/{lead}")
    assert "与总经理会面" in text
    assert f"/activities/task/{key}/complete" not in text
    assert f"/activities/task/{key}/complete" in page(browser_of(team.manager), f"/r/lead/{lead}")


def test_a_task_is_made_and_done_at_one_tap(browser_of, team, lead, find):
    browser = browser_of(team.fu)
    answer = post(
        browser,
        "/activities/task",
        about=f"lead:{lead}",
        title="寄样件",
        due_at="2027-01-31T09:00",
        assignee=str(team.yan),
        priority="high",
        recurrence="monthly",
        every="1",
        back="calendar",
    )
    assert answer.status_code == 422, "闫晓璐 does not see the lead of her colleague"
    answer = post(
        browser,
        "/activities/task",
        about=f"lead:{lead}",
        title="寄样件",
        due_at="2027-01-31T09:00",
        recurrence="monthly",
        every="1",
        back="calendar",
    )
    assert answer.headers["Location"] == "/activities/calendar"
    (task,) = find("task")
    assert task["due_at"].isoformat() == "2027-01-31T01:00:00+00:00"
    done = post(browser, f"/activities/task/{task['id']}/complete", back="home")
    assert (done.status_code, done.headers["Location"]) == (303, "/")
    assert [row["status"] for row in find("task")] == ["done", "open"]
    again = post(browser, f"/activities/task/{task['id']}/complete", back="home")
    assert again.status_code == 303
    assert len(find("task")) == 2


@pytest.mark.parametrize(
    "back",
    ["//evil.example", "https://evil.example", "record://x:1", "record:lead:1/../x", "x", ""],
)
def test_the_way_back_is_one_of_our_own(browser_of, team, give, back):
    browser = browser_of(team.fu)
    answer = post(browser, f"/activities/task/{give(team.fu)}/complete", back=back)
    assert answer.headers["Location"] == "/"


def test_a_forged_form_does_nothing(browser_of, team, give, find):
    browser = browser_of(team.fu)
    key = give(team.fu)
    for path in ("follow-up", "task", f"task/{key}/complete", "spot-check/1"):
        answer = browser.post(f"/activities/{path}", data={"content": "x", "title": "x"})
        assert answer.status_code == 403, path
    assert [row["status"] for row in find("task")] == ["open"]


def test_a_task_completed_by_mistake_is_taken_back(browser_of, team, give, find):
    """By who completed it, from where that was, and once."""
    browser, other = browser_of(team.fu), browser_of(team.yan)
    key = give(team.fu)
    post(browser, f"/activities/task/{key}/complete", back="home")
    assert find("task")[0]["status"] == "done"
    undo = unescape(re.search(r'data-toast>.*?action="([^"]+)"', page(browser, "/"), re.S)[1])
    assert other.post(undo, data={"csrf_token": other.csrf}).status_code == 404
    back = browser.post(undo, data={"csrf_token": browser.csrf})
    assert (back.status_code, back.location) == (303, "/")
    assert (find("task")[0]["status"], find("task")[0]["completed_at"]) == ("open", None)
    assert browser.post(undo, data={"csrf_token": browser.csrf}).status_code == 409
    key = give(team.fu)
    post(browser, f"/activities/task/{key}/complete", back="home")
    undo = unescape(re.search(r'data-toast>.*?action="([^"]+)"', page(browser, "/"), re.S)[1])
    away = undo.replace("back=/", "back=//evil.example")
    assert away != undo
    assert browser.post(away, data={"csrf_token": browser.csrf}).location == "/"


def test_a_repeating_task_completed_by_mistake_is_to_be_done_once(
    browser_of, team, give, find, runtime
):
    browser = browser_of(team.fu)
    key = give(team.fu, due_at=runtime.clock.now() + timedelta(hours=1), recurrence="daily")
    post(browser, f"/activities/task/{key}/complete", back="home")
    assert [row["status"] for row in find("task")] == ["done", "open"]
    browser.post(undo_of(browser), data={"csrf_token": browser.csrf})
    assert [row["id"] for row in find("task")] == [key]


def undo_of(browser, path="/profile"):
    """Where the message of the next page takes back what was done."""
    return unescape(re.search(r'data-toast>.*?action="([^"]+)"', page(browser, path), re.S)[1])


@pytest.mark.parametrize(
    ("sent", "place"),
    [({}, "next"), ({"next": "date"}, "next_follow_at"), ({"next": "7"}, "next")],
)
def test_what_is_wrong_with_the_plan_stands_where_it_is_seen(
    browser_of, team, lead, ask_for, runtime, sent, place
):
    """The date is in sight only where one is given: without it the reason is at the choice of when."""
    ask_for(require_next=True)
    later = runtime.clock.now() + timedelta(days=30)
    moment = {"happened_at": f"{later:%Y-%m-%dT%H:%M}"} if sent.get("next") == "7" else {}
    about = {"about": f"lead:{lead}", "kind": "call", "content": "确认了产量和工件尺寸"}
    answer = post(browser_of(team.fu), "/activities/follow-up", **about, **sent, **moment)
    text = answer.get_data(as_text=True)
    assert answer.status_code == 422
    found = re.findall(r'class="error" id="error-(next\w*)"', text)
    assert found == [place]
    assert f'href="#field-{place}"' in text


def test_a_task_is_for_whom_the_name_says(browser_of, team, find):
    """Without scripts the number of who stood there first is sent along."""
    browser = browser_of(team.fu)
    sent = {"title": "寄样件", "assignee": str(team.fu)}
    assert post(browser, "/activities/task", **sent, assignee__label="闫晓璐").status_code == 303
    assert find("task")[0]["assignee"] == team.yan
    refused = post(browser, "/activities/task", **sent, assignee__label="没有这个人")
    assert refused.status_code == 422
    assert 'id="error-assignee"' in refused.get_data(as_text=True)


@pytest.mark.parametrize("every", ["0", "x", "-2", "1.5", "100", "1000"])
def test_how_often_a_task_repeats_is_a_number(browser_of, team, find, runtime, every):
    browser = browser_of(team.fu)
    due = runtime.clock.now() + timedelta(days=1)
    sent = {"title": "盘点", "due_at": f"{due:%Y-%m-%dT%H:%M}", "recurrence": "weekly"}
    refused = post(browser, "/activities/task", **sent, every=every)
    text = refused.get_data(as_text=True)
    assert refused.status_code == 422
    assert 'id="error-every"' in text
    assert f'value="{every}"' in text
    assert find("task") == []
    assert post(browser, "/activities/task", **sent, every="２").status_code == 303
    assert find("task")[0]["every"] == 2


# My day


def test_my_day_tells_what_is_late_due_new_and_waiting(
    browser_of, team, give, make_lead, runtime, change
):
    """The module's lists come before all else; each leads to its list."""
    now, zone = runtime.clock.now(), runtime.clock.timezone
    noon = now.astimezone(zone).replace(hour=23, minute=50)
    give(team.fu, title="前天的事", due_at=now - timedelta(days=2))
    give(team.fu, title="今天的事", due_at=noon)
    give(team.fu, title="下月的事", due_at=now + timedelta(days=30))
    give(team.yan, title="新交来的", assignee=team.fu)
    old = give(team.yan, title="早先交来的", assignee=team.fu)
    change(None, "task", old, assigned_at=now - timedelta(days=20))
    again = give(team.yan, title="改派来的")
    change(None, "task", again, assigned_at=now - timedelta(days=20))
    change(team.yan, "task", again, assignee=team.fu)
    give(team.yan, title="别人的事", due_at=now - timedelta(days=2))
    make_lead(
        team.fu, company="到期的线索", status="following", next_follow_at=now - timedelta(days=3)
    )
    make_lead(team.yan, company="别人的线索", next_follow_at=now - timedelta(days=3))
    kept = make_lead(team.fu, company="久有的线索")
    change(None, "lead", kept, held_since=now - timedelta(days=20))
    text = page(browser_of(team.fu), "/")
    found = panels(text)
    overdue, today, new, waiting = list(found.values())[:4]
    assert overdue == ["到期的线索", "前天的事"]
    assert today == ["今天的事"]
    # The latest first; records by when they came to their owner, but for those that one made oneself.
    assert new == ["到期的线索", "改派来的", "新交来的"]
    assert waiting == ["早先交来的"]
    assert "别人的" not in text
    assert text.index("前天的事") < text.index('class="figures"')
    browser = browser_of(team.fu)
    for address in re.findall(r'href="(/r/(?:task|follow_up|lead)\?[^"]+)"', text):
        assert browser.get(address).status_code == 200, address


def test_a_planned_follow_up_is_told_once(browser_of, team, write, lead, runtime):
    """By its task, which leads to the form of its record; not by the lead's own date as well."""
    write(team.fu, lead, next_follow_at=runtime.clock.now() + timedelta(hours=1))
    runtime.clock.offset += timedelta(days=2)
    text = page(browser_of(team.fu), "/")
    overdue = next(iter(panels(text).values()))
    assert overdue == ["潍坊恒源食品有限公司"]
    assert f"/activities/follow-up?about=lead:{lead}&back=home" in text.replace("%3A", ":")


def test_the_month_is_counted(browser_of, team, write, lead, ask_for, give, act):
    """S-055: so many of so many this week."""
    ask_for(weekly_quota=20)
    for kind in ("visit", "visit", "call"):
        write(team.fu, lead, kind=kind)
    act(team.fu, "task", "complete", give(team.fu))
    text = page(browser_of(team.fu), "/")
    month = re.search(r'(?s)<ul class="month">.*?</ul>', text)[0]
    numbers = re.findall(r"<b>([^<]+)</b>", month)
    assert numbers[0] == "3"
    assert "3/20" in numbers
    assert numbers[-1] == "1"


def test_the_first_page_takes_as_many_statements_for_many(
    browser_of, team, give, make_lead, runtime, unit_of_work
):
    """Q2"""
    counted = []
    engines = [value for value in vars(runtime.database).values() if hasattr(value, "dialect")]

    def note(connection, cursor, statement, *rest):
        counted.append(statement)

    now = runtime.clock.now()

    def more(number):
        lead = make_lead(team.fu, status="following", next_follow_at=now - timedelta(days=2))
        with unit_of_work(team.yan) as uow:
            rows = [{"title": f"t{n}", "assignee": team.fu} for n in range(number)]
            service.create(uow, "task", rows)
        for days in (-2, 0):
            with unit_of_work(team.fu) as uow:
                due = now + timedelta(days=days)
                about = {"related_entity": "lead", "related_id": lead, "due_at": due}
                service.create(uow, "task", [{"title": "x", **about} for _n in range(number)])
        make_lead(team.fu, status="following", next_follow_at=now - timedelta(days=2))

    def statements(browser):
        browser.get("/")
        counted.clear()
        assert browser.get("/").status_code == 200
        return len(counted)

    for _turn in range(2):  # of each list more than it shows
        more(7)
    browser = browser_of(team.fu)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    few = statements(browser)
    for _turn in range(4):
        more(10)
    many = statements(browser)
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)
    assert 10 < few == many < 70


# Calendar


def test_a_month_and_a_week_show_what_lies_in_them(
    browser_of, team, give, write, lead, runtime, make_lead
):
    now = runtime.clock.now()
    today = runtime.clock.today()
    give(team.fu, title="本日任务", due_at=now)
    give(team.fu, title="明年任务", due_at=now + timedelta(days=400))
    give(team.yan, title="别人任务", due_at=now)
    write(team.fu, lead, kind="visit", content="看了现场设备")
    make_lead(team.fu, company="有日期的线索", next_follow_at=now)
    browser = browser_of(team.fu)
    for view in ("month", "week"):
        text = page(browser, f"/activities/calendar?view={view}&day={today}")
        for name in ("本日任务", "潍坊恒源食品有限公司", "有日期的线索"):
            assert name in text, (view, name)
        assert "明年任务" not in text
        assert "别人任务" not in text
        for address in re.findall(r'href="(/activities/calendar[^"]*)"', text):
            assert browser.get(address).status_code == 200
    assert "明年任务" in page(browser, f"/activities/calendar?day={today + timedelta(days=400)}")
    assert "2026年12月" in page(browser, "/activities/calendar?day=2026-12-05")
    post(browser, "/language", locale="en")
    assert "December 2026" in page(browser, "/activities/calendar?day=2026-12-05")
    for nonsense in ("view=x&day=0000-99-99&who=abc", "day=9999-12-31", "day=0001-01-01"):
        page(browser, f"/activities/calendar?{nonsense}")


def test_a_colleagues_month_is_for_who_leads_them(browser_of, team, give, runtime):
    give(team.fu, title="傅的任务", due_at=runtime.clock.now())
    give(team.ning, title="宁的任务", due_at=runtime.clock.now())
    manager = browser_of(team.manager)
    text = page(manager, f"/activities/calendar?who={team.fu}")
    assert "傅的任务" in text
    assert "宁书瑶" not in text
    assert "宁的任务" not in page(manager, f"/activities/calendar?who={team.ning}")
    assert "傅的任务" not in page(browser_of(team.yan), f"/activities/calendar?who={team.fu}")


# Numbers


def test_numbers_by_person_lead_to_what_was_counted(browser_of, team, write, make_lead):
    """S-195: within one's department, and no further."""
    own, other = make_lead(team.fu), make_lead(team.ning)
    for kind in ("visit", "visit", "call"):
        write(team.fu, own, kind=kind)
    write(team.ning, other, kind="visit")
    browser = browser_of(team.manager)
    text = page(browser, "/activities/statistics?period=this_month")
    assert "傅宇恒" in text
    assert "宁书瑶" not in text
    links = re.findall(r'<a href="(/r/follow_up\?[^"]+)">(\d+)</a>', text)
    assert sorted(number for _address, number in links) == ["1", "2", "3"]
    for address, number in links:
        listed = page(browser, address)
        rows = re.findall(r'class="record-link" href="/r/follow_up/\d+"', listed)
        assert len(rows) == int(number)
    assert "宁书瑶" not in page(browser, "/activities/statistics?period=last_month")
    assert "/r/follow_up/export?" in text
    export = re.search(r'href="(/r/follow_up/export\?[^"]+)"', text)[1]
    assert browser.get(export).status_code == 200


def test_who_has_written_nothing_is_listed_where_a_quota_is_set(
    browser_of, team, write, make_lead, ask_for
):
    """S-055: the manager gets the list."""
    ask_for(weekly_quota=5)
    write(team.fu, make_lead(team.fu))
    text = page(browser_of(team.manager), "/activities/statistics?period=this_week")
    assert "1/5" in text
    assert "0/5" in text
    assert "闫晓璐" in text


def test_the_numbers_themselves_are_exported(browser_of, team, write, make_lead, ask_for):
    """S-055: who wrote how much, and how much of the quota; for who may export, while exports are on."""
    ask_for(weekly_quota=5)
    write(team.fu, make_lead(team.fu), kind="visit")
    manager = browser_of(team.manager)
    text = page(manager, "/activities/statistics?period=this_week")
    assert 'action="/activities/statistics/export"' in text
    sent = {"period": "this_week", "department": ""}
    answer = post(manager, "/activities/statistics/export", format="csv", **sent)
    assert answer.status_code == 200
    header, *rows = csv.reader(answer.get_data().decode("utf-8-sig").splitlines())
    found = {row[0]: dict(zip(header, row, strict=False)) for row in rows}
    assert (found["傅宇恒"]["拜访"], found["傅宇恒"]["定额"]) == ("1", "1/5")
    assert found["闫晓璐"]["定额"] == "0/5"
    assert "宁书瑶" not in found
    book = post(manager, "/activities/statistics/export", format="xlsx", **sent)
    assert book.get_data().startswith(b"PK")
    assert post(manager, "/activities/statistics/export", format="exe", **sent).status_code == 422
    viewer = browser_of(team.viewer)
    assert post(viewer, "/activities/statistics/export", format="csv").status_code == 403


def test_whose_samples_and_how_many_are_chosen_and_remembered(
    browser_of, team, write, make_lead, find
):
    """S-056"""
    for person in (team.fu, team.yan, team.manager):
        for _number in range(3):
            write(person, make_lead(person))
    manager = browser_of(team.manager)

    def drawn(path="/activities/spot-check?period=this_month"):
        keys = re.findall(r"/activities/spot-check/(\d+)", page(manager, path))
        return {int(key) for key in keys}

    group = next(row["id"] for row in find("department") if row["name"] == "华东组")
    theirs = {row["id"] for row in find("follow_up") if row["owner"] != team.manager}
    sent = {"period": "this_month", "department": str(group), "sample": "50"}
    answer = post(manager, "/activities/spot-check", **sent)
    assert answer.status_code == 303
    assert drawn(answer.headers["Location"]) == theirs
    assert drawn() == theirs, "as it was chosen last"
    post(manager, "/activities/spot-check", **(sent | {"sample": "2"}))
    assert len(drawn()) == 2
    for wrong in ("0", "51", "x", ""):
        refused = post(manager, "/activities/spot-check", **(sent | {"sample": wrong}))
        assert refused.status_code == 422
        assert 'id="error-sample"' in refused.get_data(as_text=True)
    assert len(drawn()) == 2
    assert post(browser_of(team.fu), "/activities/spot-check", **sent).status_code == 403


def test_samples_are_drawn_and_passed(browser_of, team, write, make_lead, find):
    """S-056"""
    keys = {write(team.fu, make_lead(team.fu)) for _number in range(7)}
    browser = browser_of(team.manager)
    text = page(browser, "/activities/spot-check?period=this_month")
    drawn = {int(key) for key in re.findall(r"/activities/spot-check/(\d+)", text)}
    assert len(drawn) == 5
    assert drawn < keys
    for key in drawn:
        answer = post(
            browser, f"/activities/spot-check/{key}", result="passed", period="this_month"
        )
        assert answer.status_code == 303
    undo = undo_of(browser)
    assert browser.post(undo, data={"csrf_token": browser.csrf}).status_code == 303
    assert len(find("follow_up", review="passed")) == 4
    (again,) = {row["id"] for row in find("follow_up") if row["review"] is None} & drawn
    assert find("follow_up", id=again)[0]["reviewed_by"] is None
    post(browser, f"/activities/spot-check/{again}", result="failed", period="this_month")
    left = page(browser, "/activities/spot-check?period=this_month")
    assert {int(key) for key in re.findall(r"/activities/spot-check/(\d+)", left)} == keys - drawn
    assert (
        post(browser_of(team.fu), f"/activities/spot-check/{key}", result="passed").status_code
        == 403
    )


def test_lists_offer_their_ways_and_a_late_task_says_so(
    browser_of, team, give, write, lead, runtime
):
    write(team.fu, lead)
    key = give(team.fu, title="迟了", due_at=runtime.clock.now() + timedelta(minutes=1))
    runtime.clock.offset += timedelta(days=1)
    browser = browser_of(team.fu)
    for entity in ("task", "follow_up"):
        text = page(browser, f"/r/{entity}")
        ways = re.findall(rf'class="button button-plain" href="(/r/{entity}\?[^"]+)"', text)
        assert len(ways) >= 3
        assert all(browser.get(way).status_code == 200 for way in ways)
        assert f"/r/lead/{lead}" in text or entity == "task"
    assert "notice-bad" in page(browser, f"/r/task/{key}")


# What is typed is not lost


FORMS = {
    "/activities/follow-up": ("follow_up", {"kind": "call", "content": "约好周四看现场"}),
    "/activities/task": ("task", {"title": "寄样品", "priority": "normal"}),
}


@pytest.fixture
def begun(browser_of, team, lead):
    """``begun(path) -> browser, what its form sends``, about the lead."""

    def make(path):
        browser = browser_of(team.fu)
        html = page(browser, f"{path}?about=lead:{lead}")
        hidden = {
            name: re.search(rf'name="{name}" value="([^"]*)"', html)[1]
            for name in ("csrf_token", "form_key", "about")
        }
        return browser, hidden | FORMS[path][1]

    return make


@pytest.mark.parametrize("path", FORMS)
def test_a_draft_is_offered_and_a_form_that_is_sent_twice_makes_one_record(begun, find, path):
    browser, sent = begun(path)
    address = re.search(r'data-draft="([^"]+)"', page(browser, path))[1]
    assert browser.post(address, data=sent).status_code == 200
    (offer,) = re.findall(r'href="([^"]*\?draft=[^"]+)"', page(browser, path))
    again = page(browser, offer)
    for text in FORMS[path][1].values():
        assert text in again
    assert "潍坊恒源食品" in again
    entity = FORMS[path][0]
    assert "?draft=" not in page(browser, f"/r/{entity}/new"), "a form of its own has its own"
    places = {browser.post(path, data=sent).location for _click in range(2)}
    assert len(places) == 1, "both clicks end in the same place"
    assert len(find(entity)) == 1
    assert "?draft=" not in page(browser, path)
    assert browser.post(path, data=sent | {"form_key": "another"}).status_code == 303
    assert len(find(entity)) == 2, "one may well write the same once more"


def test_a_follow_up_outlives_the_session(begun, find, unit_of_work, lead):
    from core.security.models import session_table

    """The few words that are written beside a record too: they come back in the whole form."""
    path = "/activities/follow-up"
    browser, sent = begun(path)
    beside = re.search(r'(?s)<form class="quick-form".*?</form>', page(browser, f"/r/lead/{lead}"))
    sent["form_key"] = re.search(r'name="form_key" value="([^"]+)"', beside[0])[1]
    with unit_of_work() as uow:
        uow.execute(session_table.delete())
    answer = browser.post(path, data=sent)
    assert "draft%3D" in answer.location
    assert find("follow_up") == []
