"""S-237: administrators see which fields nobody fills in, and how long forms take; nobody is watched."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import event, select

from core.customize.service import add_field
from core.entities.form_times import MOST, form_time_table, stamp

#: The long tier asks PostgreSQL as well: what is counted does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def page(browser, path, status=200):
    answer = browser.get(path)
    assert answer.status_code == status
    return unescape(answer.get_data(as_text=True))


def shares(html):
    """{field: (how often it was filled in, where something can be done)} of all tables of the page."""
    rows = re.findall(r"<tr[^>]*>.*?</tr>", html, re.S)
    found = {}
    for row in rows:
        cells = [
            re.sub(r"<[^>]+>", "", cell).strip()
            for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)
        ]
        if cells:
            link = re.search(r'href="(/admin/fields/[^"]+)"', row)
            found[cells[0]] = (cells[1], link and link[1])
    return found


@pytest.fixture
def times(unit_of_work):
    """All that is kept of how long forms took: (entity, seconds, count)."""

    def read():
        with unit_of_work(write=False) as uow:
            return [tuple(row) for row in uow.execute(select(form_time_table))]

    return read


@pytest.fixture
def fill_in(runtime):
    """``fill_in(browser, seconds, **more)``: open the form of an order, think, and save it."""

    def run(browser, seconds, path="/r/order/new", **more):
        form = page(browser, path)
        (opened,) = re.findall(r'name="opened" value="([^"]+)"', form)
        (key,) = re.findall(r'name="form_key" value="([^"]+)"', form)
        sent = {"csrf_token": browser.csrf, "opened": opened, "form_key": key, "title": "Pump"}
        runtime.clock.move(timedelta(seconds=seconds))
        answer = browser.post("/r/order/new", data=sent | more)
        runtime.clock.move(timedelta(seconds=-seconds))
        return answer

    return run


def test_fields_that_nobody_fills_in_are_named_with_what_can_be_done(
    browser, make_orders, unit_of_work, admin_id
):
    with unit_of_work(admin_id) as uow:
        body = {"name": "x_shelf", "kind": "text", "label": {"zh_CN": "货架", "en": "Shelf"}}
        add_field(uow, "order", body)
    make_orders(24, amount="5.00", pieces=3)
    make_orders(1, note="Seldom")
    found = shares(page(browser, "/admin/usage/forms"))
    assert found["货架"] == ("从未", "/admin/fields/order/x_shelf")
    assert found["Note"] == ("4.0%", "/admin/fields/order/note/rules")
    assert not {"Amount", "Pieces", "Title", "Status", "Urgent", "Owner"} & set(found)
    for address in (found["货架"][1], found["Note"][1]):
        page(browser, address)
    assert "/admin/usage/forms" in page(browser, "/admin/usage")


def test_a_handful_of_records_says_nothing(browser, make_orders):
    make_orders(5)
    assert shares(page(browser, "/admin/usage/forms")) == {}


def test_it_is_for_administrators(sign_in_as):
    page(sign_in_as("foreman"), "/admin/usage/forms", 403)


def test_one_statement_an_entity_whatever_the_number_of_records(browser, make_orders, runtime):
    def statements():
        said = []
        engine = runtime.database.engine
        event.listen(engine, "before_cursor_execute", lambda *args: said.append(args[2]))
        page(browser, "/admin/usage/forms")
        return [text for text in said if "FROM workshop_order" in text]

    make_orders(25)
    page(browser, "/admin/usage/forms")
    assert len(statements()) == 1


def test_how_long_a_form_takes_is_told_as_a_median(browser, sign_in_as, fill_in):
    worker = sign_in_as("worker")
    for seconds in (20, 90, 3_000):
        assert fill_in(worker, seconds).status_code == 303
    assert "3 次填写中有一半用时不超过 1 分 30 秒" in page(browser, "/admin/usage/forms")


def test_the_time_is_that_from_the_first_opening_also_after_an_error(browser, fill_in, times):
    answer = fill_in(browser, 40, title="")
    assert answer.status_code == 422
    assert times() == []
    again = unescape(answer.get_data(as_text=True))
    (opened,) = re.findall(r'name="opened" value="([^"]+)"', again)
    assert fill_in(browser, 60, opened=opened).status_code == 303
    ((_entity, _month, seconds, count),) = times()
    assert (60 <= seconds <= 65, count) == (True, 1)


def test_what_lies_open_for_hours_counts_as_one(browser, fill_in, times):
    fill_in(browser, 60 * 60 * 8)
    ((entity, month, seconds, count),) = times()
    assert (entity, month.day, seconds, count) == ("order", 1, MOST, 1)


@pytest.mark.parametrize(
    "opened",
    ["", "1", "1.0", "9" * 40 + ".x", "１７.x", "1767225600.0123456789abcdef0123456789abcdef"],
)
def test_a_time_that_we_did_not_write_is_not_counted(browser, fill_in, times, opened):
    assert fill_in(browser, 30, opened=opened).status_code == 303
    assert times() == []


def test_the_stamp_of_another_form_is_not_counted(browser, runtime, fill_in, times):
    other = stamp(runtime.config.secret_key, "site", runtime.clock.now())
    assert fill_in(browser, 30, opened=other).status_code == 303
    assert times() == []


def test_nothing_is_kept_of_who_filled_a_form_in():
    assert set(form_time_table.c.keys()) == {"entity", "month", "seconds", "count"}
