"""What the first page asks of a salesperson, of who leads them, and of who only reads."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import event

from core.entities import query
from core.testing.installation import PASSWORD

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def home_of(sign_in, unit_of_work):
    """``home_of(person)``: (their browser, the first page as text)."""

    def open_(person):
        from core.security.credentials import set_password

        with unit_of_work() as uow:
            values = query.get(uow, "user", person).values
            set_password(uow, person, PASSWORD, email=values["email"], name=values["name"])
        browser = sign_in(values["email"], PASSWORD)
        return browser, unescape(browser.get("/").get_data(as_text=True))

    return open_


def panels(page):
    """Names of leads by the title of the list they stand in, and the address of all of it."""
    found = {}
    for part in re.findall(r'(?s)<section class="panel">.*?</section>', page):
        title = re.search(r"<h2>([^<]+)", part)[1]
        links = re.findall(r'class="record-link" href="[^"]+">([^<]+)', part)
        found[title] = links, re.findall(r'href="(/r/lead\?[^"]+)"', part)
    return found


def test_a_salesperson_sees_what_is_due_new_and_to_be_claimed(
    home_of, make_leads, team, runtime, unit_of_work
):
    """H1: one's own lists, the oldest duty first; each leads to the same records in the list."""
    now = runtime.clock.now()
    hour = timedelta(hours=1)
    mine = {"owner": team.fu, "status": "following", "last_followed_at": now - 40 * hour}
    make_leads(company="迟到的公司", next_follow_at=now - 30 * hour, **mine)
    make_leads(company="最迟的公司", next_follow_at=now - 50 * hour, **mine)
    make_leads(company="下月的公司", next_follow_at=now + 800 * hour, **mine)
    make_leads(company="新来的公司", owner=team.fu, status="new")
    make_leads(company="别人的公司", owner=team.yan, next_follow_at=now - 30 * hour)
    make_leads(company="公海的公司")
    browser, page = home_of(team.fu)
    (due, urls), (new, _n), (pool, pool_urls), (none, month) = panels(page).values()
    assert due == ["最迟的公司", "迟到的公司"]
    assert new == ["新来的公司"]
    assert pool == ["公海的公司"]
    assert none == []
    assert "别人的公司" not in page
    assert len(month) == 3
    for url, names in ((urls[0], due), (pool_urls[0], pool)):
        listed = unescape(browser.get(url).get_data(as_text=True))
        assert re.findall(r'class="record-link" href="[^"]+">([^<]+)', listed) == names
    assert all(browser.get(url).status_code == 200 for url in month)


def test_with_nothing_due_the_list_says_so(home_of, team):
    _browser, page = home_of(team.fu)
    first = next(iter(panels(page).values()))
    assert first == ([], [])
    assert "panel-none" in page


def test_who_leads_others_sees_what_they_are_late_with(home_of, make_leads, team, runtime):
    late = runtime.clock.now() - timedelta(days=2)
    make_leads(company="别人的公司", owner=team.fu, status="following", next_follow_at=late)
    make_leads(company="远方的公司", owner=team.ning, status="following", next_follow_at=late)
    _browser, page = home_of(team.manager)
    lists = [names for names, _urls in panels(page).values() if names]
    assert lists == [["别人的公司"]]  # the other department is out of reach
    assert "傅宇恒" in page


def test_who_only_reads_is_asked_for_nothing(home_of, make_leads, team):
    make_leads(3)
    _browser, page = home_of(team.viewer)
    assert panels(page) == {}


def test_hidden_fields_take_their_lists_with_them(home_of, make_leads, team, unit_of_work, runtime):
    """S-220: neither the moment nor a list that is picked by it."""
    from core.entities import service

    make_leads(owner=team.fu, next_follow_at=runtime.clock.now() - timedelta(days=1))
    with unit_of_work() as uow:
        wanted = query.ListQuery(filter={"field": "name", "op": "eq", "value": "sales"})
        (role,) = query.page(uow, "role", wanted).items
        rules = {"lead": {"next_follow_at": "hidden", "mobile": "hidden"}}
        service.update(uow, "role", {role["id"]: {"field_rules": rules}})
    _browser, page = home_of(team.fu)
    assert "worklist" in page
    assert "tel:" not in page
    assert all(
        "next_follow_at" not in url for _names, urls in panels(page).values() for url in urls
    )


def test_the_first_page_takes_as_many_statements_for_many_leads(home_of, make_leads, team, runtime):
    """Q2: lists and figures are read set by set."""
    counted = []
    engines = [value for value in vars(runtime.database).values() if hasattr(value, "dialect")]

    def note(connection, cursor, statement, *rest):
        counted.append(statement)

    def statements():
        browser.get("/")
        counted.clear()
        assert browser.get("/").status_code == 200
        return len(counted)

    late = runtime.clock.now() - timedelta(days=2)
    make_leads(6, owner=team.fu, status="following", next_follow_at=late)
    make_leads(6)
    browser, _page = home_of(team.fu)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    few = statements()
    items = {"owner": team.fu, "status": "new", "next_follow_at": late}
    for n in range(3):
        make_leads(30, **items, industry=f"{n}")
    many = statements()
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)
    assert 4 < few == many < 20
