"""Saved views: a list's state under a name, for oneself or for everybody."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import select

from core.audit.models import AuditEntry
from core.entities import service

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

OPEN = "filter_field=status&filter_op=in&filter_value=open&sort=-amount&columns=title%2Camount"


@pytest.fixture
def orders(unit_of_work):
    with unit_of_work() as uow:
        items = [
            {"title": "A", "status": "open", "amount": "10"},
            {"title": "B", "status": "done", "amount": "20"},
            {"title": "C", "status": "open", "amount": "30"},
        ]
        return service.create(uow, "order", items)


def text_of(answer):
    return unescape(answer.get_data(as_text=True))


def titles(answer):
    return re.findall(r'class="record-link"[^>]*>([^<]+)<', text_of(answer))


def heads(answer):
    return re.findall(r'<th scope="col"[^>]*>(?:<a[^>]*>)?([^<]+)', text_of(answer))


def tabs(answer):
    found = re.search(r'<div class="views">.*?</nav>', text_of(answer), re.S)
    return re.findall(r"<a [^>]*>([^<]+)", found[0]) if found else []


def opened(answer):
    found = re.search(r'<div class="views">.*?</nav>', text_of(answer), re.S)
    return re.findall(r'aria-current="page">([^<]+)', found[0]) if found else []


def post(browser, where, data=None):
    return browser.post(where, data={"csrf_token": browser.csrf, **(data or {})})


def save(browser, title="Open ones", query=OPEN, **more):
    answer = post(browser, "/r/order/views", {"title": title, "query": query, **more})
    assert answer.status_code == 303, text_of(answer)
    return answer.headers["Location"]


def number(address):
    return int(dict(parse_qsl(urlsplit(address).query))["view"])


def test_a_view_brings_back_filter_sort_and_columns(browser, orders):
    page = browser.get(save(browser))
    assert titles(page) == ["C", "A"]
    assert heads(page)[:2] == ["Title", "Amount"]
    assert len(heads(page)) == 2
    assert opened(page) == ["Open ones"]
    assert tabs(browser.get("/r/order")) == ["全部", "Open ones"]


def test_what_was_changed_since_is_saved_on_demand(browser, orders):
    address = save(browser)
    changed = address.replace("open", "done")
    page = browser.get(changed)
    assert "保存更改" in text_of(page)
    assert "保存更改" not in text_of(browser.get(address))
    query = urlsplit(changed).query
    done = post(browser, f"/r/order/views/{number(address)}", {"what": "save", "query": query})
    assert titles(browser.get(done.headers["Location"])) == ["B"]


def test_the_list_begins_with_the_view_that_was_chosen(browser, orders):
    address = save(browser)
    where = f"/r/order/views/{number(address)}"
    post(browser, where, {"what": "first"})
    assert browser.get("/r/order").headers["Location"] == address
    assert titles(browser.get("/r/order?view=all")) == ["C", "B", "A"]
    post(browser, where, {"what": "first"})
    assert browser.get("/r/order").status_code == 200


def test_ones_own_are_nobody_elses(browser, sign_in_as, orders):
    key = number(save(browser))
    other = sign_in_as("foreman")
    assert tabs(other.get("/r/order")) == []
    for where, data in ((f"{key}", {"what": "rename", "name": "x"}), (f"{key}/delete", {})):
        missing = post(other, f"/r/order/views/{10**6}{where.removeprefix(str(key))}", data)
        refused = post(other, f"/r/order/views/{where}", data)
        assert refused.status_code == missing.status_code == 404
    assert tabs(browser.get("/r/order")) == ["全部", "Open ones"]


def test_for_everybody_by_those_who_may(browser, sign_in_as, orders, unit_of_work):
    other = sign_in_as("foreman")
    refused = post(other, "/r/order/views", {"title": "Mine", "query": OPEN, "shared": "1"})
    assert refused.status_code == 403
    address = save(browser, shared="1")
    page = other.get(address)
    assert titles(page) == ["C", "A"]
    assert "保存更改" not in text_of(other.get(address.replace("open", "done")))
    for where in ("", "/delete"):
        data = {"what": "rename", "name": "x"}
        answer = post(other, f"/r/order/views/{number(address)}{where}", data)
        assert answer.status_code == 403
    post(browser, f"/r/order/views/{number(address)}", {"what": "first_for_all"})
    assert other.get("/r/order").headers["Location"] == address
    with unit_of_work(write=False) as uow:
        table = AuditEntry.__table__
        acts = select(table.c.action).where(table.c.action.like("%view%")).order_by(table.c.id)
        assert uow.execute(acts).scalars().all() == ["save_view", "save_view"]


def test_a_view_gives_no_right(browser, sign_in_as, orders, people, unit_of_work):
    """Z6: whoever may not use a field is refused by the view too, and sees no column of it."""
    shared = save(browser, "Secret", "filter_field=secret&filter_op=is_set", shared="1")
    column = save(browser, "Column", "columns=title%2Csecret", shared="1")
    with unit_of_work() as uow:
        service.create(uow, "order", [{"title": "Own", "owner": people["worker"], "secret": "s"}])
    worker = sign_in_as("worker")
    answer = worker.get(shared)
    assert answer.status_code == 422
    assert titles(answer) == []
    assert heads(worker.get(column)) == ["Title"]


def test_what_is_deleted_can_be_taken_back(browser, orders):
    address = save(browser)
    post(browser, f"/r/order/views/{number(address)}/delete")
    page = browser.get("/r/order?view=all")
    assert tabs(page) == []
    (undo,) = re.findall(r'data-toast>.*?action="([^"]+)"', text_of(page), re.S)
    back = post(browser, undo)
    assert titles(browser.get(back.headers["Location"])) == ["C", "A"]


def test_what_everybody_begins_with_is_so_again(browser, sign_in_as, orders):
    """Under its number, for a person who has chosen it, too; and only by who has deleted it."""
    other, address = sign_in_as("foreman"), save(browser, shared="1")
    where = f"/r/order/views/{number(address)}"
    post(browser, where, {"what": "first_for_all"})
    post(browser, f"{where}/delete")
    assert other.get("/r/order").status_code == 200
    assert post(other, f"{where}/restore").status_code == 404
    assert post(browser, f"/r/order/views/{10**6}/restore").status_code == 404
    assert post(browser, f"{where}/restore").headers["Location"] == address
    assert other.get("/r/order").headers["Location"] == address
    assert post(browser, f"{where}/restore").status_code == 404, "once"
    # Where another took its place meanwhile, that one stays.
    post(browser, f"{where}/delete")
    second = save(
        browser, "Done ones", "filter_field=status&filter_op=in&filter_value=done", shared="1"
    )
    post(browser, f"/r/order/views/{number(second)}", {"what": "first_for_all"})
    post(browser, f"{where}/restore")
    assert other.get("/r/order").headers["Location"] == second


@pytest.mark.parametrize(
    ("title", "said"),
    [(" ", "请给视图起个名字"), ("open ONES", "已有同名的视图"), ("字" * 41, "最多")],
)
def test_what_is_wrong_with_a_name_is_told(browser, orders, title, said):
    save(browser)
    back = {"back": f"/r/order?{OPEN}", "title": title, "query": OPEN}
    answer = post(browser, "/r/order/views", back)
    assert said in text_of(browser.get(answer.headers["Location"]))
    assert tabs(browser.get("/r/order?view=all")) == ["全部", "Open ones"]


def test_the_columns_of_a_view_are_changed_in_the_view(browser, orders):
    address = save(browser)
    data = {"back": address, "columns": ["title", "status", "amount"]}
    answer = post(browser, "/r/order/columns", data)
    assert len(heads(browser.get(answer.headers["Location"]))) == 3
    assert len(heads(browser.get("/r/order?view=all"))) > 3


def test_an_export_has_the_columns_of_the_view(browser, orders):
    save(browser)
    page = text_of(browser.get(f"/r/order/export?{OPEN}"))
    form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    form["filter"] = re.search(r'name="filter" value="(.*?)">', page)[1]
    answer = post(browser, "/r/order/export", form | {"format": "csv", "columns": "shown"})
    lines = answer.get_data().decode("utf-8-sig").splitlines()
    assert lines[0].split(",")[1:] == ["Title", "Amount"]
    assert len(lines) == 3


def test_a_view_is_renamed(browser, orders):
    address = save(browser)
    post(browser, f"/r/order/views/{number(address)}", {"what": "rename", "name": "Still open"})
    page = browser.get(address)
    assert tabs(page) == ["全部", "Still open"]
    ids = re.findall(r' id="([^"]+)"', text_of(page))
    assert len(ids) == len(set(ids))


def test_who_may_not_read_the_records_has_no_views_of_them(
    browser, make_person, sign_in, unit_of_work
):
    from core.entities.list_views import save_view
    from core.errors import Forbidden

    stranger = make_person("Stranger", roles=())
    with unit_of_work(stranger) as uow, pytest.raises(Forbidden):
        save_view(uow, uow.snapshot.entities["order"], "Mine", "")
