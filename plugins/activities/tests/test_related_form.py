"""The generic forms pick the record that a follow-up or task is about, of whichever module it is."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def page(browser, path, status=200):
    answer = browser.get(path)
    assert answer.status_code == status
    return unescape(answer.get_data(as_text=True))


@pytest.fixture
def edit(browser_of):
    """``edit(person, id, **typed)``: open the form of a follow-up, type something, and save."""

    def save(person, key, **typed):
        browser = browser_of(person)
        form = page(browser, f"/r/follow_up/{key}/edit")
        kept = {
            name: re.search(rf'name="{name}" value="([^"]*)"', form)[1]
            for name in ("form_key", "version", "seen")
        }
        sent = {"csrf_token": browser.csrf, **kept, **typed}
        return browser.post(f"/r/follow_up/{key}/edit", data=sent)

    return save


def test_the_generic_form_offers_the_record_and_keeps_it(browser_of, team, make_lead, find):
    lead = make_lead(team.fu, company="潍坊恒源食品有限公司")
    browser = browser_of(team.fu)
    form = page(browser, "/r/follow_up/new")
    assert 'hx-get="/suggest-related"' in form
    assert 'name="related_entity"' not in form
    offered = page(browser, "/suggest-related?q=恒源")
    (about,) = re.findall(r'data-id="([^"]+)"', offered)
    assert about == f"lead:{lead}"
    sent = {
        "csrf_token": browser.csrf, "form_key": "k1", "kind": "call", "content": "谈了交货期。",
        "related_id": about, "related_id__label": "潍坊恒源食品有限公司",
    }  # fmt: skip
    assert browser.post("/r/follow_up/new", data=sent).status_code == 303
    (row,) = find("follow_up")
    assert (row["related_entity"], row["related_id"]) == ("lead", lead)


def test_it_shows_what_it_is_about_and_lets_another_be_chosen(
    edit, browser_of, team, make_lead, write, read, find, runtime
):
    first, second = (make_lead(team.fu, company=name) for name in ("潍坊甲公司", "潍坊乙公司"))
    key = write(team.fu, first, next_follow_at=runtime.clock.now() + timedelta(days=3))
    form = page(browser_of(team.fu), f"/r/follow_up/{key}/edit")
    assert f'value="lead:{first}"' in form
    assert "潍坊甲公司" in form
    shown = {"related_id": f"lead:{first}", "related_id__label": "潍坊甲公司"}
    assert edit(team.fu, key, content="改了一个字。", **shown).status_code == 303
    assert read("follow_up", key)["related_id"] == first
    # By its name alone, as it is typed without a script.
    chosen = {"related_id": "", "related_id__label": "潍坊乙公司"}
    assert edit(team.fu, key, **chosen).status_code == 303
    values = read("follow_up", key)
    assert (values["related_entity"], values["related_id"]) == ("lead", second)
    (task,) = find("task", follow_up=key)
    assert task["related_id"] == second  # the plan goes along
    assert edit(team.fu, key, related_id="", related_id__label="").status_code == 303
    values = read("follow_up", key)
    assert (values["related_entity"], values["related_id"]) == (None, None)


@pytest.mark.parametrize("typed", ["潍坊", "没有这家公司"])
def test_what_is_none_or_several_is_refused_and_kept_as_typed(
    edit, team, make_lead, write, read, typed
):
    leads = [make_lead(team.fu, company=name) for name in ("潍坊甲公司", "潍坊乙公司")]
    key = write(team.fu, leads[0])
    answer = edit(team.fu, key, related_id="", related_id__label=typed)
    assert answer.status_code == 422
    html = unescape(answer.get_data(as_text=True))
    assert f'value="{typed}"' in html
    assert 'id="error-related_id"' in html
    assert read("follow_up", key)["related_id"] == leads[0]


def test_nobody_picks_what_they_may_not_read(edit, browser_of, team, make_lead, write, read):
    own, foreign = make_lead(team.fu), make_lead(team.ning, company="华北别人的公司")
    assert "华北别人的公司" not in page(browser_of(team.fu), "/suggest-related?q=华北")
    key = write(team.fu, own)
    for typed in (f"lead:{foreign}", f"user:{team.ning}", "lead:x", "event:1", f"lead:{2**70}"):
        answer = edit(team.fu, key, related_id=typed, related_id__label=typed)
        assert answer.status_code == 422, typed
    named = {"related_id": f"lead:{foreign}", "related_id__label": "华北别人的公司"}
    assert edit(team.fu, key, **named).status_code == 422
    assert read("follow_up", key)["related_id"] == own


def test_two_who_choose_at_the_same_time_see_both_records(
    browser_of, team, make_lead, write, change
):
    leads = [make_lead(team.fu, company=f"潍坊{name}公司") for name in "甲乙丙"]
    key, browser = write(team.fu, leads[0]), browser_of(team.fu)
    form = page(browser, f"/r/follow_up/{key}/edit")
    kept = {
        name: re.search(rf'name="{name}" value="([^"]*)"', form)[1]
        for name in ("form_key", "version", "seen")
    }
    change(None, "follow_up", key, related_entity="lead", related_id=leads[1])
    typed = {"related_id": f"lead:{leads[2]}", "related_id__label": "潍坊丙公司"}
    answer = browser.post(
        f"/r/follow_up/{key}/edit", data={"csrf_token": browser.csrf, **kept, **typed}
    )
    assert answer.status_code == 409
    html = unescape(answer.get_data(as_text=True))
    assert "潍坊乙公司" in html
    assert "潍坊丙公司" in html
    assert html.count('type="radio"') == 2
