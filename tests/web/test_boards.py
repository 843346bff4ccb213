"""Records as cards of a board and in the days of a calendar (04, S-058)."""

from __future__ import annotations

import re
from datetime import date, timedelta
from html import unescape

import pytest

from core.entities import service

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def text_of(answer):
    return answer.get_data(as_text=True)


def columns(html):
    """``{label: (count, [titles], total)}`` of a board."""
    found = {}
    for part in re.findall(r'<section class="board-column.*?</section>', html, re.S):
        label = re.search(r'aria-label="([^"]*)"', part)[1]
        count = re.search(r'class="board-count"[^>]*>([\d /]+)<', part)[1].strip()
        total = re.search(r'class="board-total">([^<]*)<', part)
        cards = re.findall(r'class="record-link"[^>]*>([^<]+)<', part)
        found[unescape(label)] = (count, cards, total and total[1])
    return found


@pytest.fixture
def move(browser):
    """``move(id, to, by="status", person=browser) -> the page after it``"""

    def send(key, to, by="status", person=browser, **data):
        sent = {"ids": key, "by": by, "to": to, "csrf_token": person.csrf}
        sent |= {"back": "/r/order?layout=board", **data}
        return person.post("/r/order/move", data=sent)

    return send


def test_a_board_has_a_column_for_each_state_with_counts_and_sums(browser, make_orders):
    make_orders(2, status="open", amount="10.10")
    make_orders(1, status="done", amount="5")
    found = columns(text_of(browser.get("/r/order?layout=board&sort=title")))
    assert found["Open"] == ("2", ["Order 001", "Order 002"], "¥20.20")
    assert found["Done"] == ("1", ["Order 001"], "¥5.00")
    assert found["Working"] == ("0", [], None)


def test_a_board_shows_what_the_filter_leaves(browser, make_orders):
    make_orders(3, status="open")
    html = text_of(browser.get("/r/order?layout=board&search=002"))
    assert columns(html)["Open"][:2] == ("1", ["Order 002"])


def test_long_columns_lead_to_the_table_of_their_records(browser, make_orders):
    make_orders(25, status="open")
    html = text_of(browser.get("/r/order?layout=board"))
    (more,) = re.findall(r'class="board-more" href="([^"]+)"', html)
    listed = text_of(browser.get(unescape(more)))
    assert "25" in re.search(r'class="pager".*?<p>(.*?)</p>', listed, re.S)[1]


def test_where_any_group_is_enough_no_link_widens_the_column(browser, make_orders):
    """One more condition beside the groups would be one more way in."""
    make_orders(25, status="open", due_on="2026-02-03")
    groups = (
        "filter_mode=any&filter_group=all&filter_field=title&filter_op=contains&filter_value=00"
    )
    for layout in ("board", "calendar&by=due_on&day=2026-02-03"):
        html = text_of(browser.get(f"/r/order?{groups}&layout={layout}"))
        links = re.findall(r'class="(?:board|calendar)-more" href="([^"]+)"', html)
        assert links == [], layout


def test_the_columns_may_be_the_records_of_a_reference(browser, make_orders, unit_of_work):
    with unit_of_work() as uow:
        east, _west = service.create(uow, "site", [{"name": "East"}, {"name": "West"}])
    make_orders(2, site=east)
    make_orders(1)
    found = columns(text_of(browser.get("/r/order?layout=board&by=site")))
    assert [count for count, *_rest in found.values()] == ["1", "2", "0"]
    assert list(found)[1:] == ["East", "West"]


def test_what_refers_to_a_deleted_record_stays_on_the_board(
    browser, make_orders, unit_of_work, order_of, move
):
    with unit_of_work() as uow:
        east, west, north = service.create(
            uow, "site", [{"name": "East"}, {"name": "West"}, {"name": "North"}]
        )
    (key,) = make_orders(1, site=east)
    make_orders(1, site=west)
    with unit_of_work() as uow:
        service.delete(uow, "site", [east, north])
    html = text_of(browser.get("/r/order?layout=board&by=site"))
    assert [(label, count) for label, (count, *_) in columns(html).items()] == [
        ("West", "1"),
        ("East", "1"),
    ]
    targets = set(re.findall(r'data-move-to="([^"]*)"', html))
    assert targets == {str(west)}
    assert f'data-column="{east}"' not in html
    (other,) = make_orders(1, site=west)
    assert "toast-bad" in text_of(browser.get(move(other, str(east), by="site").location))
    assert order_of(other)["site"] == west
    move(key, str(west), by="site")
    assert list(columns(text_of(browser.get("/r/order?layout=board&by=site")))) == ["West"]


def test_people_see_their_own_cards_alone_and_no_hidden_amount(sign_in_as, make_orders, people):
    make_orders(1, title="Mine", status="open", owner=people["worker"], secret="deep")
    make_orders(4, title="Theirs", status="open", owner=people["foreman"])
    html = text_of(sign_in_as("worker").get("/r/order?layout=board"))
    assert columns(html)["Open"][:2] == ("1", ["Mine"])
    assert "deep" not in html
    assert "Theirs" not in html


def test_a_field_that_is_no_column_gives_the_first_that_is(browser, make_orders):
    make_orders(1, status="open")
    for by in ("secret", "amount", "nonsense"):
        html = text_of(browser.get(f"/r/order?layout=board&by={by}"))
        assert "Open" in columns(html)


def test_a_card_is_moved_and_moved_back(browser, make_orders, order_of, move):
    (key,) = make_orders(1, status="open")
    answer = move(key, "working", version=str(order_of(key)["version"]))
    assert answer.location == "/r/order?layout=board"
    assert order_of(key)["status"] == "working"
    undo = unescape(
        re.search(r'action="([^"]+/move[^"]+)"', text_of(browser.get(answer.location)))[1]
    )
    browser.post(undo, data={"csrf_token": browser.csrf})
    assert order_of(key)["status"] == "open"


def test_a_card_that_somebody_has_changed_stays(browser, make_orders, order_of, move):
    (key,) = make_orders(1, status="open")
    before = str(order_of(key)["version"])
    move(key, "working", version=before)
    html = text_of(browser.get(move(key, "open", version=before).location))
    assert "toast-bad" in html
    assert order_of(key)["status"] == "working"


def test_a_move_is_not_taken_back_over_what_somebody_did_since(
    browser, make_orders, order_of, move, unit_of_work
):
    (key,) = make_orders(1, status="open")
    html = text_of(browser.get(move(key, "working").location))
    undo = unescape(re.search(r'action="([^"]+/move[^"]+)"', html)[1])
    with unit_of_work() as uow:
        service.update(uow, "order", {key: {"status": "done"}})
    answer = browser.post(undo, data={"csrf_token": browser.csrf})
    assert "toast-bad" in text_of(browser.get(answer.location))
    assert order_of(key)["status"] == "done"


def test_a_column_that_a_verb_leads_to_uses_the_verb(browser, make_orders):
    make_orders(1, status="open")
    html = text_of(browser.get("/r/order?layout=board"))
    assert '<form method="post" action="/r/order/actions/finish" data-move-to="done">' in html
    assert '<form method="post" action="/r/order/move" data-move-to="working" hx-post' in html


def test_a_verb_that_is_told_the_column_serves_them_all(
    browser, make_orders, unit_of_work, order_of, move
):
    """It is used in place of a change by hand, and asks only for what it refuses to do without."""
    with unit_of_work() as uow:
        east, west = service.create(uow, "site", [{"name": "East"}, {"name": "West"}])
    cheap, dear = (make_orders(1, site=east, amount=amount)[0] for amount in ("10", "1000"))
    html = text_of(browser.get("/r/order?layout=board&by=site"))
    assert f'<form method="post" action="/r/order/move" data-move-to="{west}">' in html
    assert move(cheap, west, by="site").status_code == 303
    assert order_of(cheap)["site"] == west
    asked = move(dear, west, by="site")
    assert asked.status_code == 422
    html = text_of(asked)
    assert "Say why so dear an order moves." in html
    assert re.search(rf'name="param.site"[^>]* value="{west}"', html)
    assert order_of(dear)["site"] == east
    move(cheap, east, by="site", version="99")  # changed meanwhile
    assert order_of(cheap)["site"] == west


def test_who_may_not_write_moves_nothing(sign_in_as, make_orders, people, order_of, move):
    (theirs,) = make_orders(1, status="open", owner=people["foreman"])
    (own,) = make_orders(1, status="open", owner=people["worker"], amount="7")
    worker = sign_in_as("worker")
    for key, by, to in (
        (theirs, "status", "working"),
        (own, "amount", "9"),
        (own, "secret", "x"),
        (own, "nonsense", "x"),
        (own, "status", "nonsense"),
    ):
        answer = move(key, to, by=by, person=worker)
        assert answer.status_code in (303, 404)
    assert order_of(theirs)["status"] == "open"
    assert order_of(own)["status"] == "open"
    assert str(order_of(own)["amount"]) == "7.00"


def test_a_limit_marks_a_column_that_is_too_full(browser, make_orders):
    make_orders(3, status="open")
    html = text_of(browser.get("/r/order?layout=board&limit_of=open&limit=2&limits=done:5"))
    assert columns(html)["Open"][0] == "3 / 2"
    assert "board-full" in html
    assert "limits=open%3A2" in html.replace("done%3A5%2C", "")
    again = text_of(browser.get("/r/order?layout=board&limits=open:2&limit_of=open&limit="))
    assert columns(again)["Open"][0] == "3"


def test_limits_are_remembered_for_each_person_and_board(browser, sign_in_as, make_orders):
    make_orders(3, status="open")
    board = "/r/order?layout=board"

    def limit(value, most, back=board, by="status"):
        sent = {"back": back, "by": by, "limit_of": value, "limit": most}
        return browser.post("/r/order/board-limits", data=sent | {"csrf_token": browser.csrf})

    assert limit("open", "2").location == board
    limit("done", "5")
    html = text_of(browser.get(board))
    assert columns(html)["Open"][0] == "3 / 2"
    assert columns(html)["Done"][0] == "0 / 5"
    assert "limits=done%3A5%2Copen%3A2" in html, "a view kept of it has them"
    assert columns(text_of(sign_in_as("foreman").get(board)))["Open"][0] == "3"
    assert "board-full" not in text_of(browser.get(f"{board}&by=site"))
    assert columns(text_of(browser.get(f"{board}&limits=open:9")))["Open"][0] == "3 / 9"
    changed = limit("open", "4", back=f"{board}&limits=open:9").location
    assert columns(text_of(browser.get(changed)))["Open"][0] == "3 / 4"
    limit("open", "")
    assert columns(text_of(browser.get(board)))["Open"][0] == "3"
    assert limit("open", "1", by="secret").status_code == 404


def test_a_view_brings_the_board_back(browser, make_orders):
    make_orders(1, status="open")
    query = "layout=board&by=status&limits=open:2"
    data = {"title": "Board", "query": query, "csrf_token": browser.csrf}
    address = browser.post("/r/order/views", data=data).location
    assert columns(text_of(browser.get(address)))["Open"][0] == "1 / 2"


def test_the_number_of_statements_does_not_grow_with_the_cards(
    browser, make_orders, people, statements
):
    pages = ("/r/order?layout=board", "/r/order?layout=calendar&by=due_on&day=2026-02-10")
    make_orders(2, status="open", due_on="2026-02-03", owner=people["worker"])
    few = [statements(browser, page) for page in pages]
    make_orders(15, status="open", due_on="2026-02-04", owner=people["worker"])
    assert [statements(browser, page) for page in pages] == few


# Calendar


def days(html):
    """``{day: [titles]}`` of a calendar."""
    found = {}
    for cell in re.findall(r"<td class.*?</td>", html, re.S):
        day = re.search(r'datetime="([\d-]+)"', cell)[1]
        found[day] = [
            unescape(t) for t in re.findall(r'class="calendar-entry[^>]*title="([^"]*)"', cell)
        ]
    return found


def test_a_month_has_its_records_on_their_days(browser, make_orders):
    make_orders(2, due_on="2026-02-03")
    make_orders(1, due_on="2026-03-01")
    make_orders(1, due_on="2026-03-02", title="Later")
    found = days(text_of(browser.get("/r/order?layout=calendar&by=due_on&day=2026-02-10")))
    assert len(found) == 35
    assert found["2026-02-03"] == ["Order 001", "Order 002"]
    assert found["2026-03-01"] == ["Order 001"]
    assert "Later" not in str(found)


def test_moments_stand_on_the_day_of_the_company(browser, make_orders):
    make_orders(1, starts_at="2026-02-03T20:30:00Z")  # half past four in the morning in Shanghai
    html = text_of(browser.get("/r/order?layout=calendar&by=starts_at&day=2026-02-01"))
    assert days(html)["2026-02-04"] == ["Order 001"]
    assert "<time>04:30</time>" in html


def test_a_full_day_leads_to_its_list(browser, make_orders):
    make_orders(7, due_on="2026-02-03")
    html = text_of(browser.get("/r/order?layout=calendar&by=due_on&day=2026-02-10"))
    more = unescape(re.search(r'class="calendar-more" href="([^"]+)"', html)[1])
    assert "7" in re.search(r'class="pager".*?<p>(.*?)</p>', text_of(browser.get(more)), re.S)[1]


def test_the_calendar_begins_with_today_whatever_the_address_says(browser, make_orders):
    make_orders(1, due_on=str(date.today()))
    for day in ("", "nonsense", "9999-12-31", "0001-01-01"):
        html = text_of(browser.get(f"/r/order?layout=calendar&by=due_on&day={day}"))
        assert "Order 001" in str(days(html))
    ahead = re.search(r'href="([^"]+)" rel="next"', html)[1]
    assert text_of(browser.get(unescape(ahead))).count("calendar-entry") <= 1


def test_a_new_record_begins_on_its_day(browser, make_orders):
    html = text_of(browser.get("/r/order?layout=calendar&by=due_on&day=2026-02-10"))
    url = unescape(re.search(r'href="([^"]+due_on=2026-02-10)"', html)[1])
    assert 'value="2026-02-10"' in text_of(browser.get(url))


def test_an_entry_is_put_on_another_day_and_back(browser, make_orders, order_of, move):
    (key,) = make_orders(1, due_on="2026-02-03")
    back = "/r/order?layout=calendar&by=due_on&day=2026-02-10"
    html = text_of(browser.get(back))
    assert f'data-entry="{key}" data-version="1"' in html
    answer = move(key, "2026-02-05", by="due_on", version="1", back=back)
    assert answer.location == back
    html = text_of(browser.get(answer.location))
    assert days(html)["2026-02-05"] == ["Order 001"]
    undo = unescape(re.search(r'action="([^"]+/move[^"]+)"', html)[1])
    browser.post(undo, data={"csrf_token": browser.csrf})
    assert order_of(key)["due_on"] == date(2026, 2, 3)


def test_a_moment_keeps_its_hour_on_another_day(browser, make_orders, order_of, move):
    (key,) = make_orders(1, starts_at="2026-02-03T20:30:12Z")  # the 4th in Shanghai
    html = text_of(browser.get(move(key, "2026-03-01", by="starts_at").location))
    assert order_of(key)["starts_at"].isoformat() == "2026-02-28T20:30:12+00:00"
    undo = unescape(re.search(r'action="([^"]+/move[^"]+)"', html)[1])
    browser.post(undo, data={"csrf_token": browser.csrf})
    assert order_of(key)["starts_at"].isoformat() == "2026-02-03T20:30:12+00:00"


def test_an_entry_that_was_changed_meanwhile_or_is_put_on_no_day_stays(
    browser, make_orders, order_of, move
):
    (key,) = make_orders(1, due_on="2026-02-03")
    move(key, "2026-02-05", by="due_on", version="1")
    wrong = [("2026-02-06", "1"), ("2026-02-30", "2"), ("tomorrow", "2"), ("2026-02-06", "9")]
    for day, version in wrong:
        answer = move(key, day, by="due_on", version=version)
        assert "toast-bad" in text_of(browser.get(answer.location)), day
        assert order_of(key)["due_on"] == date(2026, 2, 5)


def test_only_who_may_write_a_date_moves_by_it(sign_in_as, make_orders, people, order_of, move):
    (own,) = make_orders(1, due_on="2026-02-03", owner=people["worker"])
    (theirs,) = make_orders(1, due_on="2026-02-03", owner=people["foreman"])
    worker = sign_in_as("worker")
    page = "/r/order?layout=calendar&by=due_on&day=2026-02-10"
    assert ("data-entry" in text_of(worker.get(page))) is True
    for key, by in ((theirs, "due_on"), (own, "created_at"), (own, "secret")):
        assert move(key, "2026-02-05", by=by, person=worker).status_code in (303, 404)
    assert order_of(theirs)["due_on"] == order_of(own)["due_on"] == date(2026, 2, 3)


def test_people_see_their_own_days_alone(sign_in_as, make_orders, people):
    make_orders(1, title="Theirs", due_on="2026-02-03", owner=people["foreman"])
    html = text_of(sign_in_as("worker").get("/r/order?layout=calendar&by=due_on&day=2026-02-10"))
    assert "Theirs" not in html


def test_weeks_hold_their_month():
    from core.entities.periods import month_weeks

    for months in range(48):
        first = date(2024 + months // 12, months % 12 + 1, 1)
        weeks = month_weeks(first + timedelta(days=20))
        every = [day for week in weeks for day in week]
        assert weeks[0][0].weekday() == 0
        assert first in weeks[0]
        assert every == sorted(every)
        assert {day for day in every if day.month == first.month} >= {first}
        assert (first + timedelta(days=31)).replace(day=1) - timedelta(days=1) in weeks[-1]
