"""S-249: whoever takes records over sees them with the last contact and the next step, silent ones first."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import event

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def handover(browser_of):
    """``handover(person, query="")``: the rows of the page as lists of words, in order."""

    def read(person, query=""):
        answer = browser_of(person).get(f"/activities/handover{query}")
        assert answer.status_code == 200
        html = unescape(answer.get_data(as_text=True))
        rows = re.findall(r"<tr[^>]*>(?:(?!</tr>).)*<td.*?</tr>", html, re.S)
        return [
            [
                " ".join(re.sub(r"<[^>]+>", " ", cell).split())
                for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)
            ]
            for row in rows
        ]

    return read


def test_the_longest_silence_stands_first_with_what_was_said_and_comes_next(
    handover, team, make_lead, write, change, runtime
):
    now = runtime.clock.now()
    quiet = make_lead(team.yan, company="久未联系")
    fresh = make_lead(team.fu, company="刚刚联系")
    make_lead(team.fu, company="从未联系")
    make_lead(team.ning, company="别人的")
    write(
        team.yan,
        quiet,
        kind="visit",
        content="看了车间，等预算。",
        happened_at=now - timedelta(days=40),
    )
    write(team.yan, quiet, kind="call", content="预算已批。", happened_at=now - timedelta(days=30))
    following = {"next_follow_at": now + timedelta(days=3), "next_step": "带样件去"}
    write(team.fu, fresh, content="约好周四。", happened_at=now - timedelta(hours=1), **following)
    change(None, "lead", quiet, owner=team.fu)
    rows = handover(team.fu)
    assert [row[0] for row in rows] == ["从未联系", "久未联系", "刚刚联系"]
    assert [row[2] for row in rows] == ["", "30", "0"]
    assert rows[0][3] == "从未"
    assert rows[1][3].endswith("电话 · 闫晓璐")
    assert rows[1][4] == "预算已批。"
    assert rows[2][5].startswith("带样件去")


def test_what_is_done_with_is_left_out_until_it_is_asked_for(handover, team, make_lead, act):
    make_lead(team.fu, company="在跟进")
    lost = make_lead(team.fu, company="已流失")
    act(team.fu, "lead", "mark_lost", lost, reason="预算取消")
    assert [row[0] for row in handover(team.fu)] == ["在跟进"]
    assert {row[0] for row in handover(team.fu, "?all=1")} == {"在跟进", "已流失"}


def test_it_is_reached_from_my_day_and_leads_to_a_follow_up_and_back(
    browser_of, team, make_lead, find
):
    lead = make_lead(team.fu)
    browser = browser_of(team.fu)
    assert 'href="/activities/handover"' in browser.get("/").get_data(as_text=True)
    page = unescape(browser.get("/activities/handover").get_data(as_text=True))
    (address,) = set(re.findall(r'href="(/activities/follow-up\?about=[^"]+)"', page))
    assert f"lead:{lead}" in address.replace("%3A", ":")
    assert browser.get(address).status_code == 200
    sent = {
        "about": f"lead:{lead}",
        "kind": "call",
        "content": "打过招呼，下周见面。",
        "back": "handover",
    }
    answer = browser.post("/activities/follow-up", data={"csrf_token": browser.csrf, **sent})
    assert answer.headers["Location"] == "/activities/handover"
    assert len(find("follow_up")) == 1


def test_it_takes_as_many_statements_for_many(browser_of, team, make_lead, write, runtime):
    counted = []
    engine = runtime.database.engine
    browser = browser_of(team.fu)

    def more(number):
        for _n in range(number):
            write(team.fu, make_lead(team.fu))

    def statements():
        browser.get("/activities/handover")
        counted.clear()
        assert browser.get("/activities/handover").status_code == 200
        return len(counted)

    more(2)
    event.listen(engine, "before_cursor_execute", lambda *args: counted.append(args[2]))
    few = statements()
    more(9)
    assert 5 < few == statements() < 40


def test_long_lists_have_pages(handover, team, make_lead):
    for _n in range(52):
        make_lead(team.fu)
    first, second = handover(team.fu), handover(team.fu, "?page=2")
    assert (len(first), len(second)) == (50, 2)
    assert not {row[0] for row in first} & {row[0] for row in second}
    for nonsense in ("?page=0", "?page=x", "?page=99999", "?entity=user", "?entity=task"):
        handover(team.fu, nonsense)


def test_who_reads_no_follow_ups_has_no_such_page(browser_of, make_person):
    nobody = make_person("无权限", roles=())
    assert browser_of(nobody).get("/activities/handover").status_code == 403
