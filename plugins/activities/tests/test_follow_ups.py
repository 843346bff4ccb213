"""Follow-ups: what they must say, what they plan, and what they do to the lead that they are about."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.entities import service
from core.entities.timeline import timeline
from core.errors import Invalid
from plugins.activities.policies import substance

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def lead(make_lead, team):
    return make_lead(team.fu, status="new")


def refused(error):
    return {(problem.field, problem.code) for problem in error.value.problems}


def test_a_call_is_written_with_what_follows_from_it(write, read, lead, team, runtime):
    """S-048: the moment is now where none is given, and the text names the record."""
    key = write(team.fu, lead, content="  第一行\n第二行  ")
    values = read("follow_up", key)
    assert values["owner"] == team.fu
    assert values["subject"] == "第一行 第二行"
    assert abs(values["happened_at"] - runtime.clock.now()) < timedelta(minutes=1)


def test_the_next_date_makes_a_task(write, find, lead, team, runtime):
    """S-050: for the author, about the same record."""
    following = runtime.clock.now() + timedelta(days=3)
    key = write(team.fu, lead, next_follow_at=following, next_step="送样测试")
    (task,) = find("task")
    assert (task["title"], task["due_at"], task["assignee"]) == ("送样测试", following, team.fu)
    assert (task["related_entity"], task["related_id"], task["follow_up"]) == ("lead", lead, key)
    assert task["status"] == "open"


def test_the_task_moves_and_ends_with_the_date(write, change, find, lead, team, runtime):
    following = runtime.clock.now() + timedelta(days=3)
    key = write(team.fu, lead, next_follow_at=following)
    change(team.fu, "follow_up", key, next_follow_at=following + timedelta(days=1))
    (task,) = find("task")
    assert task["due_at"] == following + timedelta(days=1)
    change(team.fu, "follow_up", key, next_follow_at=None, no_next=True)
    (task,) = find("task")
    assert task["status"] == "cancelled"
    change(team.fu, "follow_up", key, next_follow_at=following, no_next=False)
    assert [task["status"] for task in find("task")] == ["cancelled", "open"]


def test_the_next_follow_up_closes_the_plan(write, find, lead, team, runtime):
    now = runtime.clock.now()
    write(team.fu, lead, next_follow_at=now + timedelta(hours=1))
    runtime.clock.offset += timedelta(days=2)
    write(team.fu, lead, next_follow_at=now + timedelta(days=9))
    write(team.fu, lead, no_next=True)
    assert [task["status"] for task in find("task")] == ["done", "cancelled"]


def test_without_a_new_plan_what_lies_ahead_stays(write, find, lead, team, runtime):
    write(team.fu, lead, next_follow_at=runtime.clock.now() + timedelta(days=5))
    write(team.fu, lead)
    assert [task["status"] for task in find("task")] == ["open"]


def test_the_plan_of_somebody_else_stays(write, find, lead, team, runtime):
    write(team.manager, lead, next_follow_at=runtime.clock.now() + timedelta(days=1))
    write(team.fu, lead, no_next=True)
    assert [task["status"] for task in find("task")] == ["open"]


def test_of_an_old_list_only_the_latest_plans(unit_of_work, find, lead, team, runtime):
    """An import of three years makes one task a record."""
    now = runtime.clock.now()
    about = {"related_entity": "lead", "related_id": lead, "kind": "call"}
    rows = [
        {
            **about,
            "content": f"第 {number} 次沟通，谈了方案。",
            "happened_at": now - timedelta(days=100 - number),
            "next_follow_at": now - timedelta(days=100 - number - 3),
        }
        for number in range(5)
    ]
    with unit_of_work(team.fu) as uow:
        service.create(uow, "follow_up", rows)
    (task,) = find("task")
    assert task["due_at"] == rows[-1]["next_follow_at"]


def test_a_deleted_follow_up_takes_its_plan_away_and_brings_it_back(
    write, find, lead, team, unit_of_work, runtime
):
    key = write(team.fu, lead, next_follow_at=runtime.clock.now() + timedelta(days=1))
    with unit_of_work(team.fu) as uow:
        service.delete(uow, "follow_up", [key])
    assert [task["status"] for task in find("task")] == ["cancelled"]
    with unit_of_work(team.fu) as uow:
        service.restore(uow, "follow_up", [key])
    assert [task["status"] for task in find("task")] == ["cancelled", "open"]


def test_a_next_step_must_be_given_where_the_company_asks(write, lead, team, ask_for, runtime):
    """S-050: a date, or the word that none is needed."""
    ask_for(require_next=True)
    with pytest.raises(Invalid) as error:
        write(team.fu, lead)
    assert refused(error) == {("next_follow_at", "required")}
    write(team.fu, lead, no_next=True)
    write(team.fu, lead, next_follow_at=runtime.clock.now() + timedelta(days=1))
    with pytest.raises(Invalid) as error:
        write(team.fu, lead, no_next=True, next_follow_at=runtime.clock.now() + timedelta(days=1))
    assert refused(error) == {("next_follow_at", "both")}


@pytest.mark.parametrize("text", ["无", " 同上。", "略！！", "哈哈哈哈", "。。。", "1 1 1"])
def test_words_that_say_nothing_are_refused(write, lead, team, text):
    """S-057"""
    with pytest.raises(Invalid) as error:
        write(team.fu, lead, content=text)
    assert refused(error) == {("content", "filler")}


def test_a_text_has_a_least_length_where_the_company_asks(write, lead, team, ask_for):
    """S-057: spaces and marks do not make it longer."""
    ask_for(min_length=6)
    with pytest.raises(Invalid) as error:
        write(team.fu, lead, content="聊 了 价 格 ！！！！")
    assert refused(error) == {("content", "too_short")}
    write(team.fu, lead, content="聊了价格和交期")


def test_what_counts_of_a_text():
    assert substance(" Ａb，c 1。") == "abc1"


def test_what_is_to_come_is_no_follow_up(write, lead, team, runtime):
    with pytest.raises(Invalid) as error:
        write(team.fu, lead, happened_at=runtime.clock.now() + timedelta(days=1))
    assert refused(error) == {("happened_at", "future")}
    with pytest.raises(Invalid) as error:
        write(team.fu, lead, next_follow_at=runtime.clock.now() - timedelta(days=1))
    assert refused(error) == {("next_follow_at", "range")}


# What leads make of it


def test_a_lead_keeps_when_it_was_followed_up_and_when_next(write, read, lead, team, runtime):
    following = runtime.clock.now() + timedelta(days=3)
    key = write(team.fu, lead, next_follow_at=following)
    values = read("lead", lead)
    assert values["last_followed_at"] == read("follow_up", key)["happened_at"]
    assert (values["next_follow_at"], values["status"]) == (following, "following")
    write(team.fu, lead, no_next=True)
    assert read("lead", lead)["next_follow_at"] is None


def test_an_earlier_one_written_late_changes_no_date(write, read, lead, team, runtime):
    following = runtime.clock.now() + timedelta(days=3)
    write(team.fu, lead, next_follow_at=following)
    before = read("lead", lead)
    write(team.fu, lead, happened_at=runtime.clock.now() - timedelta(days=9), no_next=True)
    after = read("lead", lead)
    assert after["last_followed_at"] == before["last_followed_at"]
    assert after["next_follow_at"] == following


def test_a_deleted_one_takes_its_dates_away(write, read, lead, team, unit_of_work, runtime):
    first = write(team.fu, lead, happened_at=runtime.clock.now() - timedelta(days=9))
    second = write(team.fu, lead, next_follow_at=runtime.clock.now() + timedelta(days=3))
    with unit_of_work(team.fu) as uow:
        service.delete(uow, "follow_up", [second])
    values = read("lead", lead)
    assert values["last_followed_at"] == read("follow_up", first)["happened_at"]
    assert values["next_follow_at"] is None


def test_a_converted_lead_asks_for_nothing_more(write, read, act, lead, team, runtime):
    write(team.fu, lead, next_follow_at=runtime.clock.now() + timedelta(days=1))
    act(team.fu, "lead", "convert", lead)
    assert read("lead", lead)["next_follow_at"] is None
    write(team.fu, lead, content="回访：设备运行正常。")
    values = read("lead", lead)
    assert (values["status"], values["next_follow_at"]) == ("converted", None)


def test_the_timeline_tells_a_follow_up_once(write, change, lead, team, unit_of_work, runtime):
    """Not also that the lead's dates have changed by it; what somebody changes by hand is told."""

    def told():
        with unit_of_work(team.fu, write=False) as uow:
            entries = timeline(uow, "lead", lead)
        return [
            (entry.kind, {each.field.name for each in entry.changes})
            for entry in entries
            if entry.kind != "create"
        ]

    write(team.fu, lead)  # the first makes a new lead one that is followed up, which is news
    assert [kind for kind, _names in told()] == ["update", "call"]
    runtime.clock.offset += timedelta(hours=1)
    write(team.fu, lead, kind="visit", next_follow_at=runtime.clock.now() + timedelta(days=1))
    assert [kind for kind, _names in told()] == ["visit", "update", "call"]
    runtime.clock.offset += timedelta(hours=1)
    change(team.fu, "lead", lead, next_follow_at=runtime.clock.now() + timedelta(days=9))
    assert told()[0] == ("update", {"next_follow_at"})


# Templates


@pytest.fixture
def template(unit_of_work, admin_id):
    """The visit that an administrator defines: four prompts, three of them required."""
    prompts = [
        {"label": "见到了谁", "kind": "text", "is_required": True},
        {"label": "购买意向", "kind": "choice", "options": ["高", "低"], "is_required": True},
        {"label": "预计台数", "kind": "number", "is_required": True},
        {"label": "决定日期", "kind": "date", "is_required": False},
    ]
    item = {"name": "拜访", "kind": "visit", "is_obligatory": True, "prompts": prompts}
    with unit_of_work(admin_id) as uow:
        (key,) = service.create(uow, "follow_up_template", [item])
    return key


@pytest.fixture
def answers(template, find):
    rows = {row["label"]: row["id"] for row in find("follow_up_prompt")}
    given = {"见到了谁": "王经理", "购买意向": "高", "预计台数": "2.5", "决定日期": "2026-12-31"}
    return [{"prompt": rows[label], "answer": text} for label, text in given.items()]


def test_a_template_is_answered_and_reports_read_it(
    write, find, lead, team, template, answers, unit_of_work
):
    """S-049: as text, and as numbers and days that add up."""
    from core.entities.aggregate import aggregate
    from core.entities.query import ListQuery

    key = write(team.fu, lead, kind="visit", template=template, answers=answers)
    rows = find("follow_up_answer", team.fu, follow_up=key)
    assert [row["answer"] for row in rows] == ["王经理", "高", "2.5", "2026-12-31"]
    assert str(rows[2]["number"]) == "2.5000"
    assert rows[3]["day"].isoformat() == "2026-12-31"
    with unit_of_work(team.manager, write=False) as uow:
        told = aggregate(uow, "follow_up_answer", ["prompt"], ["sum:number"], ListQuery())
    assert {row["prompt"]["label"]: row["sum:number"] for row in told}["预计台数"] == "2.5000"


def test_required_prompts_must_be_answered(write, lead, team, template, answers):
    """S-049"""
    with pytest.raises(Invalid) as error:
        write(team.fu, lead, kind="visit", template=template, answers=answers[:1])
    assert [problem.data["prompt"] for problem in error.value.problems] == [
        answer["prompt"] for answer in answers[1:3]
    ]
    with pytest.raises(Invalid) as error:
        write(team.fu, lead, kind="visit")
    assert refused(error) == {("template", "required")}
    write(team.fu, lead, kind="call")


@pytest.mark.parametrize(("place", "text"), [(1, "中"), (2, "两台"), (3, "年底")])
def test_answers_are_of_their_kind(write, lead, team, template, answers, place, text):
    answers[place]["answer"] = text
    with pytest.raises(Invalid) as error:
        write(team.fu, lead, kind="visit", template=template, answers=answers)
    assert {problem.field for problem in error.value.problems} == {f"answers.{place}.answer"}


def test_a_required_answer_is_not_taken_away_afterwards(
    write, find, lead, team, template, answers, unit_of_work, change
):
    key = write(team.fu, lead, kind="visit", template=template, answers=answers)
    first = find("follow_up_answer", follow_up=key)[0]["id"]
    with pytest.raises(Invalid), unit_of_work(team.fu) as uow:
        service.delete(uow, "follow_up_answer", [first])
    with pytest.raises(Invalid):
        change(team.fu, "follow_up", key, template=None)


def test_a_choice_needs_answers_to_choose_from(unit_of_work, admin_id):
    prompts = [{"label": "意向", "kind": "choice"}]
    item = {"name": "空", "kind": "call", "prompts": prompts}
    with pytest.raises(Invalid), unit_of_work(admin_id) as uow:
        service.create(uow, "follow_up_template", [item])


def test_samples_are_passed_or_failed(write, act, read, lead, team):
    """S-056: by who leads others."""
    from core.errors import Forbidden

    key = write(team.fu, lead)
    with pytest.raises(Forbidden):
        act(team.fu, "follow_up", "review", key, result="passed")
    act(team.manager, "follow_up", "review", key, result="failed", note="与通话记录不符")
    values = read("follow_up", key)
    assert (values["review"], values["reviewed_by"]) == ("failed", team.manager)


# Several at the same instant


def test_of_two_at_the_same_instant_the_later_one_closes_the_plan_of_the_earlier(
    browser_of, team, make_lead, find, runtime
):
    """Typed one behind the other, with the same minute in both forms."""
    lead, browser = make_lead(team.fu), browser_of(team.fu)
    minute = runtime.clock.now().astimezone(runtime.clock.timezone) - timedelta(hours=1)
    for following in ("7", "3"):
        sent = {
            "about": f"lead:{lead}", "kind": "call", "content": "约好了再谈。", "next": following,
            "happened_at": f"{minute:%Y-%m-%dT%H:%M}", "csrf_token": browser.csrf,
        }  # fmt: skip
        assert browser.post("/activities/follow-up", data=sent).status_code == 303
    first, second = find("task", related_id=lead)
    assert (first["status"], second["status"]) == ("cancelled", "open")
    assert second["due_at"] < first["due_at"]


def test_of_several_that_come_in_one_batch_one_plan_stays(
    unit_of_work, team, make_lead, find, runtime
):
    """As an import or REST brings them: neither by the instant nor by the order does a second stay open."""
    lead, now = make_lead(team.fu), runtime.clock.now()
    common = {"kind": "call", "content": "约好了再谈。", "happened_at": now - timedelta(hours=1)}
    about = {"related_entity": "lead", "related_id": lead}
    rows = [{**common, **about, "next_follow_at": now + timedelta(days=days)} for days in (5, 2)]
    rows.append({**common, **about})
    with unit_of_work(team.fu) as uow:
        ids = service.create(uow, "follow_up", rows)
    (task,) = find("task", related_id=lead)
    assert (task["status"], task["follow_up"]) == ("open", ids[1])


def test_each_of_two_people_keeps_a_plan_of_their_own(unit_of_work, team, make_lead, find, runtime):
    lead, now = make_lead(team.fu), runtime.clock.now()
    about = {
        "related_entity": "lead",
        "related_id": lead,
        "kind": "call",
        "content": "约好了再谈。",
    }
    rows = [
        {**about, "owner": owner, "happened_at": now, "next_follow_at": now + timedelta(days=2)}
        for owner in (team.fu, team.manager)
    ]
    with unit_of_work(team.manager) as uow:
        service.create(uow, "follow_up", rows)
    assert {row["assignee"] for row in find("task", status="open")} == {team.fu, team.manager}
