"""One act on many records: at once or as a job, with the reasons of what stays, and the way back."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from urllib.parse import urlencode

import pytest

from core.entities import query, service
from core.entities.query import ListQuery

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pages = pytest.mark.databases("sqlite", later=("postgresql",))


def text_of(answer):
    return answer.get_data(as_text=True)


@pytest.fixture
def orders_now(unit_of_work):
    """``orders_now(*names, archived=False) -> {id: values}``"""

    def read(*names, archived=False):
        with unit_of_work(write=False) as uow:
            wanted = ListQuery(fields=("id", *names), sort="id", limit=500, archived=archived)
            items = query.page(uow, "order", wanted).items
            return {each["id"]: tuple(each[name] for name in names) for each in items}

    return read


@pytest.fixture
def edit(browser):
    """``edit(field, ids=(), person=browser, found=None, **data) -> answer``"""

    def send(field, ids=(), person=browser, found=None, **data):
        sent = {"field": field, "ids": list(ids), "confirmed": "1", "csrf_token": person.csrf}
        sent |= {"back": "/r/order", **data}
        sent |= {} if found is None else {"all": "1", "found": urlencode(found)}
        return person.post("/r/order/bulk-edit", data=sent)

    return send


def undo_of(person, address):
    """Follow to the page and take back what its message, or its job, tells of."""
    html = text_of(person.get(address))
    action = unescape(re.search(r'action="([^"]+/bulk/\d+/undo[^"]*)"', html)[1])
    return person.post(action, data={"csrf_token": person.csrf})


@pages
def test_a_few_are_changed_at_once_and_put_back(browser, edit, make_orders, orders_now):
    first, second, third = make_orders(3, status="open")
    answer = edit("status", [first, second], status="done")
    assert answer.location == "/r/order"
    assert orders_now("status") == {first: ("done",), second: ("done",), third: ("open",)}
    undo_of(browser, answer.location)
    assert set(orders_now("status").values()) == {("open",)}


@pages
def test_what_was_changed_since_stays_when_the_rest_is_put_back(
    browser, edit, make_orders, orders_now, unit_of_work
):
    first, second = make_orders(2, status="open")
    answer = edit("status", [first, second], status="done")
    with unit_of_work() as uow:
        service.update(uow, "order", {second: {"status": "working"}})
    html = text_of(browser.get(undo_of(browser, answer.location).location))
    assert "toast-warn" in html
    assert orders_now("status") == {first: ("open",), second: ("working",)}


@pages
def test_it_is_put_back_once(browser, edit, make_orders, orders_now):
    keys = make_orders(2, status="open")
    html = text_of(browser.get(edit("status", keys, status="done").location))
    action = unescape(re.search(r'action="([^"]+/undo[^"]*)"', html)[1])
    data = {"csrf_token": browser.csrf}
    assert browser.post(action, data=data).status_code == 303
    assert browser.post(action, data=data).status_code == 409
    assert set(orders_now("status").values()) == {("open",)}


@pages
def test_what_is_taken_back_is_not_done_any_further(
    browser, edit, make_orders, orders_now, run_jobs, unit_of_work
):
    """Neither by a job that has not begun, nor by one that is tried again."""
    from core.entities.bulk import bulk_table

    make_orders(3, status="open")
    edit("status", found=[("search", "Order")], status="done")
    with unit_of_work(write=False) as uow:
        key = uow.execute(bulk_table.select()).one().id
    data = {"csrf_token": browser.csrf}
    assert browser.post(f"/r/order/bulk/{key}/undo", data=data).status_code == 303
    run_jobs()
    assert set(orders_now("status").values()) == {("open",)}


@pages
def test_tags_are_added_and_taken_away(edit, make_orders, unit_of_work, orders_now, browser):
    (first,) = make_orders(1, tags=["old"])
    (second,) = make_orders(1, tags=["new", "other"])
    answer = edit("tags", [first, second], how="add", tags="new, big")
    assert orders_now("tags") == {
        first: (["old", "new", "big"],),
        second: (["new", "other", "big"],),
    }
    undo_of(browser, answer.location)
    assert orders_now("tags") == {first: (["old"],), second: (["new", "other"],)}
    edit("tags", [first, second], how="remove", tags="old,other")
    assert orders_now("tags") == {first: (None,), second: (["new"],)}
    edit("tags", [first, second], how="set", tags="only")
    assert set(map(str, orders_now("tags").values())) == {"(['only'],)"}


@pages
def test_what_is_wrong_with_the_value_is_told_beside_it(edit, make_orders, orders_now):
    keys = make_orders(2, amount="5")
    answer = edit("amount", keys, amount="a lot")
    assert answer.status_code == 422
    assert 'value="a lot"' in text_of(answer)
    assert {str(value) for (value,) in orders_now("amount").values()} == {"5.00"}


@pages
def test_an_owner_and_the_department_are_put_back(browser, edit, make_orders, people, orders_now):
    keys = make_orders(2, owner=people["worker"])
    before = orders_now("owner", "department")
    answer = edit("owner", keys, owner=str(people["foreman"]))
    assert {owner for owner, _dep in orders_now("owner", "department").values()} == {
        people["foreman"]
    }
    undo_of(browser, answer.location)
    assert orders_now("owner", "department") == before


@pages
def test_only_what_one_may_change_is_changed(sign_in_as, edit, make_orders, people, orders_now):
    (own,) = make_orders(1, owner=people["worker"], status="open", amount="1")
    (theirs,) = make_orders(1, owner=people["foreman"], status="open", amount="1")
    worker = sign_in_as("worker")
    edit("status", [own, theirs], worker, status="working")
    assert orders_now("status") == {own: ("working",), theirs: ("open",)}
    for field in ("amount", "secret", "nonsense"):
        edit(field, [own], worker, **{field: "9"})
    assert str(orders_now("amount")[own][0]) == "1.00"
    edit("status", [], worker, found=[("search", "Order")], status="done")
    with_job = worker.get("/r/order")
    assert with_job.status_code == 200


@pages
def test_what_another_changes_while_it_is_put_back_stays(make_orders, orders_now, unit_of_work):
    """On PostgreSQL both may have begun before either has written."""
    from threading import Thread

    from core.entities.bulk import begin_bulk, do_bulk
    from core.entities.bulk_undo import undo_bulk

    (key,) = make_orders(1, status="open")
    with unit_of_work() as uow:
        act = {"kind": "update", "values": {"status": "done"}}
        bulk = begin_bulk(uow, uow.entity("order"), act)
        do_bulk(uow, bulk, [key])
    outcomes = []

    def put_back():
        with unit_of_work() as uow:
            outcomes.append(undo_bulk(uow, bulk)[0])

    putting = Thread(target=put_back)
    with unit_of_work() as uow:
        service.update(uow, "order", {key: {"status": "working"}})
        putting.start()
        putting.join(0.5)
    putting.join()
    assert [(each.done, each.kept) for each in outcomes] == [(0, 1)]
    assert orders_now("status") == {key: ("working",)}


@pages
def test_a_job_tells_what_one_may_see_but_not_change(
    sign_in_as, edit, make_orders, people, orders_now, run_jobs, unit_of_work
):
    from core.security.sharing import share

    (own,) = make_orders(1, owner=people["worker"], status="open")
    (shown,) = make_orders(1, owner=people["foreman"], status="open")
    with unit_of_work(people["foreman"]) as uow:
        share(uow, "order", shown, user=people["worker"])
    worker = sign_in_as("worker")
    page = edit("status", [], worker, found=[("search", "Order")], status="working").location
    run_jobs()
    assert orders_now("status") == {own: ("working",), shown: ("open",)}
    html = text_of(worker.get(page))
    assert re.findall(r"<dd>(\d+)</dd>", html) == ["1", "1"]
    assert f'href="/r/order/{shown}"' in html


@pages
def test_a_tag_that_another_adds_at_the_same_time_is_kept(
    runtime, make_orders, orders_now, unit_of_work
):
    """On PostgreSQL both may have begun before either has written."""
    from threading import Thread

    from core.entities.bulk import begin_bulk, do_bulk

    (key,) = make_orders(1, tags=["old"])

    def add_big():
        with unit_of_work() as uow:
            act = {"kind": "tags", "field": "tags", "add": ["big"], "remove": []}
            do_bulk(uow, begin_bulk(uow, uow.entity("order"), act), [key])

    adding = Thread(target=add_big)
    with unit_of_work() as uow:
        service.update(uow, "order", {key: {"tags": ["old", "late"]}})
        adding.start()
        adding.join(0.5)
    adding.join()
    assert orders_now("tags") == {key: (["old", "late", "big"],)}


@pages
def test_nobody_takes_back_what_another_did(
    browser, sign_in_as, edit, make_orders, people, orders_now
):
    keys = make_orders(2, owner=people["foreman"], status="open")
    html = text_of(browser.get(edit("status", keys, status="done").location))
    action = unescape(re.search(r'action="([^"]+/undo[^"]*)"', html)[1])
    foreman = sign_in_as("foreman")
    assert foreman.post(action, data={"csrf_token": foreman.csrf}).status_code == 404
    assert set(orders_now("status").values()) == {("done",)}


def test_all_that_a_list_finds_is_the_work_of_a_job(
    browser, edit, make_orders, orders_now, run_jobs, unit_of_work
):
    make_orders(230, status="open")
    make_orders(3, status="working")
    found = [("filter_field", "status"), ("filter_op", "in"), ("filter_value", "open")]
    answer = edit("status", found=found, status="done")
    page = answer.location
    assert re.fullmatch(r"/r/order/bulk/\d+", page)
    assert "hx-get" in text_of(browser.get(page))
    run_jobs()
    html = text_of(browser.get(page))
    assert "230" in html
    states = [state for (state,) in orders_now("status").values()]
    assert (states.count("done"), states.count("working")) == (230, 3)
    after = undo_of(browser, page)
    assert re.fullmatch(r"/r/order/bulk/\d+", after.location)
    run_jobs()
    states = [state for (state,) in orders_now("status").values()]
    assert (states.count("open"), states.count("working")) == (230, 3)
    assert "/undo" not in text_of(browser.get(page))


@pages
def test_all_is_asked_about_before_it_goes_and_comes_back(
    browser, make_orders, orders_now, run_jobs
):
    make_orders(60)
    data = {"all": "1", "found": "", "csrf_token": browser.csrf, "back": "/r/order"}
    html = text_of(browser.post("/r/order/delete", data=data))
    assert "60" in re.search(r'class="chosen">(.*?)</p>', html, re.S)[1]
    assert len(orders_now()) == 60
    page = browser.post("/r/order/delete", data=data | {"confirmed": "1"}).location
    run_jobs()
    assert orders_now() == {}
    undo_of(browser, page)
    run_jobs()
    assert len(orders_now()) == 60


@pages
def test_a_verb_is_used_on_all_and_told_why_some_stay(browser, make_orders, orders_now, run_jobs):
    make_orders(55, status="open")
    make_orders(2, status="done")
    data = {"all": "1", "found": "", "csrf_token": browser.csrf, "back": "/r/order"}
    asked = text_of(browser.post("/r/order/actions/finish", data=data))
    assert 'name="all" value="1"' in asked
    page = browser.post("/r/order/actions/finish", data=data | {"confirmed": "1"}).location
    run_jobs()
    html = text_of(browser.get(page))
    figures = re.findall(r"<dd>(\d+)</dd>", html)
    assert figures == ["55", "2"]
    assert html.count("<small>") == 2
    assert "/undo" not in html
    assert set(orders_now("status").values()) == {("done",)}


@pages
def test_a_verb_that_only_writes_fields_is_taken_back_from_all(
    browser, make_orders, orders_now, run_jobs, people
):
    make_orders(3, note="before")
    data = {"all": "1", "found": "", "csrf_token": browser.csrf, "back": "/r/order"}
    given = {"confirmed": "1", "param.to": str(people["worker"]), "param.to__label": "王工"}
    page = browser.post("/r/order/actions/hand_over", data=data | given).location
    run_jobs()
    assert set(orders_now("owner", "note").values()) == {(people["worker"], None)}
    undo_of(browser, page)
    run_jobs()
    assert set(orders_now("owner", "note").values()) == {(None, "before")}


@pages
def test_the_job_of_another_person_is_a_missing_one(
    browser, sign_in_as, edit, make_orders, run_jobs
):
    make_orders(3)
    page = edit("status", found=[("search", "Order")], status="done").location
    assert sign_in_as("foreman").get(page).status_code == 404
    assert browser.get(page.replace("/order/", "/site/")).status_code == 404


@pages
def test_a_page_that_is_not_all_offers_all(browser, make_orders):
    make_orders(3)
    assert "data-bulk-all" not in text_of(browser.get("/r/order"))
    make_orders(60)
    assert 'data-all="63"' in text_of(browser.get("/r/order"))


@pages
def test_what_can_no_longer_be_taken_back_is_forgotten(
    browser, edit, make_orders, unit_of_work, run_jobs
):
    from core.entities.bulk import bulk_change_table, bulk_table
    from core.entities.bulk_job import CLEAN_BULK

    edit("status", make_orders(2), status="done")
    with unit_of_work() as uow:
        uow.enqueue(CLEAN_BULK.name, {})
    run_jobs()
    with unit_of_work() as uow:
        uow.execute(bulk_table.update().values(at=uow.now() - timedelta(days=8)))
        assert len(uow.execute(bulk_change_table.select()).all()) == 2
        uow.enqueue(CLEAN_BULK.name, {})
    run_jobs()
    with unit_of_work(write=False) as uow:
        assert uow.execute(bulk_table.select()).all() == []
        assert uow.execute(bulk_change_table.select()).all() == []


@pages
@pytest.mark.parametrize(
    "back", ["https://evil.example", "//evil.example", "/r/orders", "/r/order?a\r\nX-Evil: b"]
)
def test_it_leads_back_to_the_list_and_nowhere_else(edit, make_orders, orders_now, back):
    keys = make_orders(1, status="open")
    assert edit("status", keys, status="done", back=back).location == "/r/order"
    assert orders_now("status") == {keys[0]: ("done",)}


@pages
def test_one_record_is_no_more_than_one(browser, edit, make_orders, unit_of_work, admin_id):
    with unit_of_work(admin_id) as uow:
        service.update(uow, "user", {admin_id: {"locale": "en"}})
    (key,) = make_orders(1, status="open")
    assert "1 record changed." in text_of(
        browser.get(edit("status", [key], status="done").location)
    )


@pages
@pytest.mark.parametrize("length", [9_000, 21_000])
def test_no_condition_is_cut_off_what_a_list_finds(
    browser, edit, make_orders, orders_now, run_jobs, length
):
    (opened,), (done,) = make_orders(1, status="open"), make_orders(1, status="done")
    found = [("day", "x" * length), ("filter_field", "status"), ("filter_op", "in")]
    edit("tags", [], found=[*found, ("filter_value", "open")], how="add", tags="new")
    run_jobs()
    tags = orders_now("tags")
    assert tags[done] == (None,)
    assert tags[opened] == ((["new"],) if length < 20_000 else (None,))
