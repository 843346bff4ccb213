"""The bell: who is told of what, what they see of it, and what they do with it."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import func, select

from core.entities import service
from core.notifications.tables import notification_table

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def text_of(answer):
    return unescape(answer.get_data(as_text=True))


def post(browser, where, **data):
    return browser.post(where, data={"csrf_token": browser.csrf, **data})


def told(browser):
    """[(id, text, is unread)] of the page."""
    page = text_of(browser.get("/notifications"))
    found = re.findall(
        r'<li( class="unread")?>\s*<form method="post" action="/notifications/(\d+)">'
        r".*?</svg><span>([^<]*)",
        page,
        re.S,
    )
    return [(int(key), text.strip(), bool(unread)) for unread, key, text in found]


def bell(browser):
    """What the bell shows of how many wait."""
    found = re.search(r'class="bell-count"[^>]*>([^<]*)', text_of(browser.get("/profile")))
    return found[1] if found else ""


@pytest.fixture
def give(unit_of_work, people, admin_id):
    """``give(n=1)``: the administrator makes orders of the worker's; their ids."""

    def make(count=1, owner="worker", by=admin_id, title="Pump"):
        items = [{"title": f"{title} {n}", "owner": people[owner]} for n in range(count)]
        with unit_of_work(by) as uow:
            return service.create(uow, "order", items)

    return make


def test_who_is_given_a_record_is_told_and_led_to_it(give, sign_in_as):
    (key,) = give()
    worker = sign_in_as("worker")
    assert bell(worker) == "1"
    ((number, text, unread),) = told(worker)
    assert (text, unread) == ("管理员 把Order“Pump 0”交给您负责。", True)
    assert post(worker, f"/notifications/{number}").headers["Location"] == f"/r/order/{key}"
    assert bell(worker) == ""
    assert told(worker) == [(number, text, False)]


def test_many_at_once_are_one_with_their_number(give, sign_in_as):
    give(20)
    worker = sign_in_as("worker")
    ((number, text, _unread),) = told(worker)
    assert text == "管理员 把20 条Orders交给您负责。"
    assert "filter_field=owner" in post(worker, f"/notifications/{number}").headers["Location"]


def test_what_comes_in_batches_is_one_too(give, sign_in_as, runtime):
    for _batch in range(3):
        give(20)
    worker = sign_in_as("worker")
    ((number, text, _unread),) = told(worker)
    assert "60 条Orders" in text
    post(worker, f"/notifications/{number}")
    give(20)
    runtime.clock.move(timedelta(hours=2))
    give(20)
    assert [unread for _n, _t, unread in told(sign_in_as("worker"))] == [True, True, False]


def test_nobody_is_told_of_what_they_did_themselves_or_the_system(
    give, people, unit_of_work, sign_in_as
):
    give(by=people["worker"], owner="worker")
    with unit_of_work() as uow:
        (key,) = service.create(uow, "order", [{"title": "x", "owner": people["worker"]}])
        service.update(uow, "order", {key: {"owner": people["foreman"]}})
    assert told(sign_in_as("worker")) == told(sign_in_as("foreman")) == []


def test_a_change_of_something_else_is_no_news(give, sign_in_as, unit_of_work, admin_id):
    (key,) = give()
    with unit_of_work(admin_id) as uow:
        service.update(uow, "order", {key: {"title": "Other"}})
    ((_number, text, _unread),) = told(sign_in_as("worker"))
    assert "Other" in text, "called as it is now"


def test_what_one_may_no_longer_see_is_not_named(give, sign_in_as, unit_of_work, people, admin_id):
    """Z11: the name is read with the rights of the moment."""
    (key,) = give(title="Secret pump")
    with unit_of_work(admin_id) as uow:
        service.update(uow, "order", {key: {"owner": people["foreman"]}})
    worker = sign_in_as("worker")
    ((number, text, _unread),) = told(worker)
    assert "Secret pump" not in text
    assert (
        worker.get(post(worker, f"/notifications/{number}").headers["Location"]).status_code == 404
    )


def test_others_notifications_are_out_of_reach(give, sign_in_as):
    give()
    ((number, _text, _unread),) = told(sign_in_as("worker"))
    foreman = sign_in_as("foreman")
    for where in (f"/notifications/{number}", f"/notifications/{number}/later"):
        answer = post(foreman, where, until="hour")
        assert answer.status_code == 404
        missing = post(foreman, where.replace(str(number), "999999"), until="hour")
        assert missing.status_code == 404
    assert bell(sign_in_as("worker")) == "1"


def test_a_share_is_told_to_whom_it_is_for(give, sign_in_as, people, browser):
    (key,) = give(owner="foreman")
    data = {"user": people["worker"], "user__label": "王工", "level": "read"}
    answer = post(browser, f"/r/order/{key}/shares", **data)
    assert answer.status_code == 303, text_of(answer)
    assert [text for _n, text, _u in told(sign_in_as("worker"))] == [
        "管理员 与您共享了Order“Pump 0”。"
    ]


@pytest.mark.parametrize(
    ("choice", "hours"), [("hour", 1), ("tomorrow", 33), ("monday", 24 * 7 + 9)]
)
def test_what_is_put_off_comes_back_unread(give, sign_in_as, runtime, choice, hours):
    give()
    worker = sign_in_as("worker")
    ((number, _text, _unread),) = told(worker)
    post(worker, f"/notifications/{number}")
    assert post(worker, f"/notifications/{number}/later", until=choice).status_code == 303
    assert (bell(worker), told(worker)) == ("", [])
    runtime.clock.move(timedelta(hours=hours))
    worker = sign_in_as("worker")
    assert bell(worker) == "1"
    assert [unread for _n, _t, unread in told(worker)] == [True]


def test_all_are_read_at_once(give, sign_in_as):
    give(3)
    worker = sign_in_as("worker")
    assert bell(worker) == "3"
    first = told(worker)[0][0]
    post(worker, f"/notifications/{first}")
    post(worker, "/notifications/read")
    page = text_of(worker.get("/notifications"))
    assert bell(worker) == ""
    (undo,) = re.findall(r'data-toast>.*?action="([^"]+)"', page, re.S)
    other = sign_in_as("foreman")
    post(other, undo)
    assert bell(worker) == ""
    assert post(worker, undo).status_code == 303
    assert bell(worker) == "2", "what was read before stays read"
    assert post(worker, "/notifications/unread?at=x").status_code == 422


def test_large_numbers_are_written_as_the_reader_does(unit_of_work, people, admin_id, sign_in_as):
    items = [{"title": f"Pump {n}", "owner": people["worker"]} for n in range(1_050)]
    with unit_of_work(admin_id) as uow:
        service.create(uow, "order", items)
    assert "1,050" in told(sign_in_as("worker"))[0][1]


def test_who_does_not_want_a_kind_is_not_told(give, sign_in_as):
    worker = sign_in_as("worker")
    post(worker, "/notifications/kinds", kinds="core.shared")
    give()
    assert told(worker) == []
    post(worker, "/notifications/kinds", kinds=["core.shared", "core.assigned"])
    give()
    assert len(told(worker)) == 1


def test_the_page_goes_on(give, sign_in_as):
    for _turn in range(18):
        give(3)
    worker = sign_in_as("worker")
    first = told(worker)
    (following,) = re.findall(
        r'href="(/notifications\?before=[^"]+)"', text_of(worker.get("/notifications"))
    )
    rest = re.findall(r'action="/notifications/(\d+)"', text_of(worker.get(following)))
    assert len(first) == 50
    assert len({*rest, *(str(n) for n, _t, _u in first)}) == 54
    assert worker.get("/notifications?before=nonsense").status_code == 422


def test_a_bell_counts_to_a_hundred(give, sign_in_as):
    for _turn in range(34):
        give(3)
    assert bell(sign_in_as("worker")) == "99+"


def test_what_was_read_long_ago_is_dropped(give, sign_in_as, runtime, run_jobs, unit_of_work):
    give(2)
    worker = sign_in_as("worker")
    post(worker, f"/notifications/{told(worker)[0][0]}")
    runtime.clock.move(timedelta(days=91))
    run_jobs()
    runtime.clock.move(timedelta(days=1))
    run_jobs()
    with unit_of_work(write=False) as uow:
        count = select(func.count()).select_from(notification_table)
        assert uow.execute(count).scalar_one() == 1


@pytest.mark.parametrize("user", ["abc", "99999999999999999999", "-1", "0"])
def test_a_share_with_nobody_is_told_beside_its_field(give, browser, user):
    (key,) = give(owner="foreman")
    answer = post(browser, f"/r/order/{key}/shares", user=user, user__label="", level="read")
    assert answer.status_code == 422
    assert 'id="error-user"' in text_of(answer)
