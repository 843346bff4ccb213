"""Drafts: a half-filled form is kept for the person who typed it, offered, and gone once saved."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from html import unescape

import pytest

from core.entities import service
from core.entities.drafts import draft_table
from core.work.idempotency import idempotency_table
from core.work.schedule import start_due

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def text_of(answer):
    return answer.get_data(as_text=True)


def hidden(html, name):
    return unescape(re.search(rf'name="{name}" value="([^"]*)"', html)[1])


def form_of(browser, path, **values):
    html = text_of(browser.get(path))
    names = [n for n in ("csrf_token", "form_key", "version", "seen") if f'name="{n}"' in html]
    return {**{name: hidden(html, name) for name in names}, **values}


def key_of(text):
    """A form's key without its signature."""
    return text.partition(".")[0]


def continued(browser, path):
    """The form that the page's offer leads to; None when nothing is offered."""
    found = re.search(r'<a href="([^"]*\?draft=[^"]*)"', text_of(browser.get(path)))
    return text_of(browser.get(unescape(found[1]))) if found else None


@pytest.fixture
def count(unit_of_work):
    def read():
        with unit_of_work(write=False) as uow:
            return len(uow.execute(draft_table.select()).all())

    return read


def test_a_draft_is_offered_continued_and_gone_with_the_saving(browser, count):
    data = form_of(browser, "/r/order/new", title="Half", amount="1,2", parts__shown="1")
    data |= {"parts.0.id": "", "parts.0.name": "shaft", "topics__shown": "1", "topics": "milling"}
    answer = browser.post("/r/order/draft", data=data)
    assert re.fullmatch(r"\d\d:\d\d", answer.json["at"])
    browser.post("/r/order/draft", data={**data, "title": "Half an order"})
    assert count() == 1
    html = continued(browser, "/r/order/new")
    assert 'value="Half an order"' in html
    assert 'value="1,2"' in html
    assert 'value="shaft"' in html
    assert re.search(r'value="milling" checked', html)
    assert key_of(hidden(html, "form_key")) == key_of(data["form_key"])
    assert "?draft=" not in html, "the draft itself offers none"
    assert browser.post("/r/order/new", data={**data, "amount": "12"}).status_code == 303
    assert count() == 0
    assert continued(browser, "/r/order/new") is None
    late = browser.post("/r/order/draft", data=data)
    assert late.status_code == 200
    assert count() == 0, "what comes in after the saving is not kept"


def test_a_refused_form_keeps_its_draft(browser, count):
    data = form_of(browser, "/r/order/new", title="", note="long")
    browser.post("/r/order/draft", data=data)
    assert browser.post("/r/order/new", data=data).status_code == 422
    assert count() == 1


def test_a_draft_of_a_record_meets_changes_as_its_form_would(
    browser, make_orders, order_of, unit_of_work, count
):
    """N1: somebody else's change meanwhile is not undone by going on with a draft."""
    (key,) = make_orders(1, note="old", pieces=1)
    path = f"/r/order/{key}/edit"
    data = form_of(browser, path, title="Order 001", note="drafted", pieces="1")
    browser.post("/r/order/draft", data={**data, "record": str(key)})
    assert continued(browser, "/r/order/new") is None, "it is a draft of this record"
    with unit_of_work() as uow:
        service.update(uow, "order", {key: {"pieces": 9}})
    html = continued(browser, path)
    assert "drafted" in html
    again = {**data, "version": hidden(html, "version"), "seen": hidden(html, "seen")}
    answer = browser.post(path, data=again)
    assert answer.status_code == 409
    again["version"] = hidden(text_of(answer), "version")
    assert browser.post(path, data=again).status_code == 303
    assert (order_of(key)["note"], order_of(key)["pieces"]) == ("drafted", 9)
    assert count() == 0
    browser.post("/r/order/draft", data={**data, "record": str(key), "note": "late"})
    assert continued(browser, path) is None, "typed before the person's own saving"


def test_a_draft_is_its_writer_s_alone(sign_in_as, browser, make_orders, people, count):
    """Z8: not to be seen, used or dropped by anybody else, an administrator included."""
    foreman, worker = sign_in_as("foreman"), sign_in_as("worker")
    data = form_of(foreman, "/r/order/new", title="Quiet plan")
    foreman.post("/r/order/draft", data=data)
    for other in (worker, browser):
        assert "Quiet plan" not in text_of(
            other.get(f"/r/order/new?draft={key_of(data['form_key'])}")
        )
        assert continued(other, "/r/order/new") is None
        gone = {"form_key": data["form_key"], "csrf_token": other.csrf}
        other.post("/r/order/draft/discard", data=gone)
    assert count() == 1
    assert "Quiet plan" in continued(foreman, "/r/order/new")
    own = {"form_key": data["form_key"], "csrf_token": foreman.csrf}
    assert foreman.post("/r/order/draft/discard", data=own).status_code == 303
    undo = undo_of(foreman)
    assert continued(foreman, "/r/order/new") is None
    for other in (worker, browser):
        other.post(undo, data={"csrf_token": other.csrf})
        assert continued(other, "/r/order/new") is None
    assert continued(foreman, "/r/order/new") is None


def undo_of(browser):
    """Where the message of the next page takes back what was done."""
    found = re.search(r'data-toast>.*?action="([^"]+)"', text_of(browser.get("/profile")), re.S)
    return unescape(found[1])


@pytest.mark.parametrize("is_new", [True, False])
def test_a_draft_that_was_discarded_by_mistake_comes_back(browser, make_orders, runtime, is_new):
    """For a day, of a new record as of one that is there; what is typed on in its form stays."""
    (order,) = make_orders(1)
    path = "/r/order/new" if is_new else f"/r/order/{order}/edit"
    data = form_of(browser, path, title="Long letter") | ({} if is_new else {"record": str(order)})

    def keep(**values):
        browser.post("/r/order/draft", data={**data, **values})

    def discard():
        browser.post("/r/order/draft/discard", data=data)
        undo = undo_of(browser)
        assert continued(browser, path) is None
        return undo

    keep()
    answer = browser.post(discard(), data={"csrf_token": browser.csrf})
    assert answer.status_code == 303
    assert "Long letter" in text_of(browser.get(answer.location))
    assert "Long letter" in continued(browser, path)
    undo = discard()
    keep(title="Newer")
    browser.post(undo, data={"csrf_token": browser.csrf})
    assert "Newer" in continued(browser, path)
    undo = discard()
    runtime.clock.offset += timedelta(days=1, minutes=1)
    browser.post(undo, data={"csrf_token": browser.csrf})
    assert continued(browser, path) is None


def test_a_draft_needs_the_right_to_its_form(sign_in_as, make_orders, count):
    """Z1, Z6: of records out of reach nothing is kept, nor of fields that are not filled in."""
    (foreign,) = make_orders(1)
    worker = sign_in_as("worker")
    data = {"csrf_token": worker.csrf, "form_key": "k", "title": "x"}
    answer = worker.post("/r/order/draft", data={**data, "record": str(foreign)})
    assert answer.status_code in (403, 404)
    assert worker.post("/r/site/draft", data=data).status_code == 403
    assert worker.post("/r/nothing/draft", data=data).status_code == 404
    assert worker.post("/r/order/draft", data={**data, "form_key": ""}).status_code == 422
    assert worker.post("/r/order/draft", data={"form_key": "k", "title": "x"}).status_code == 403
    assert count() == 0
    worker.post("/r/order/draft", data={**data, "secret": "s", "amount": "1", "other": "o"})
    html = continued(worker, "/r/order/new")
    assert 'value="x"' in html
    assert count() == 1


def test_what_is_kept_names_fields_only(sign_in_as, unit_of_work):
    worker = sign_in_as("worker")
    data = {"csrf_token": worker.csrf, "form_key": "k", "title": "x", "secret": "s", "amount": "1"}
    worker.post("/r/order/draft", data={**data, "csrf": "t", "parts.0.name": "p", "seen": "a=b"})
    with unit_of_work(write=False) as uow:
        (row,) = uow.execute(draft_table.select()).all()
    assert sorted(name for name, _text in row.inputs) == ["parts.0.name", "seen", "title"]


def test_the_number_and_the_length_of_drafts_are_limited(browser, count):
    """R3"""
    data = form_of(browser, "/r/order/new", title="x")
    for n in range(8):
        answer = browser.post("/r/order/draft", data={**data, "form_key": f"k{n}"})
        assert answer.status_code == 200
    assert count() == 5
    page = text_of(browser.get("/r/order/new"))
    assert re.findall(r"draft=(k\d)", page) == ["k7", "k6", "k5"]
    long = browser.post("/r/order/draft", data={**data, "note": "x" * 600_000})
    assert long.status_code == 413
    assert count() == 5


def test_drafts_end_after_thirty_days(browser, runtime, run_jobs, count, unit_of_work):
    def answers():
        with unit_of_work(write=False) as uow:
            return len(uow.execute(idempotency_table.select()).all())

    start_due(runtime)
    browser.post("/r/order/new", data=form_of(browser, "/r/order/new", title="Saved", amount="1"))
    assert answers() > 0
    data = form_of(browser, "/r/order/new", title="Old")
    browser.post("/r/order/draft", data=data)
    runtime.clock.offset += timedelta(days=30, minutes=1)
    start_due(runtime)
    assert count() == 1
    run_jobs()
    assert (count(), answers()) == (0, 0)


def test_a_file_that_went_meanwhile_is_left_out_of_the_draft(browser, make_orders, sign_in_as):
    """Z9: nor does a draft show another person's file."""
    foreman = sign_in_as("foreman")
    body = {"csrf_token": foreman.csrf, "file": (io.BytesIO(b"%PDF-1.4"), "their.pdf")}
    theirs = foreman.post("/files", data=body).json["id"]
    body = {"csrf_token": browser.csrf, "file": (io.BytesIO(b"%PDF-1.4"), "mine.pdf")}
    mine = browser.post("/files", data=body).json["id"]
    data = form_of(browser, "/r/order/new", title="x", drawing__kept=str(mine))
    browser.post("/r/order/draft", data={**data, "photo__kept": str(theirs)})
    html = continued(browser, "/r/order/new")
    assert "mine.pdf" in html
    assert "their.pdf" not in html
    assert hidden(html, "photo__kept") == ""
