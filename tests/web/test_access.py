"""What somebody may not see or do stays out of every page, whatever the address says."""

from __future__ import annotations

import re

import pytest

from core.entities import query, service

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

SECRET, MOBILE = "TOP-SECRET-42", "13800138000"


def text_of(answer):
    return answer.get_data(as_text=True)


@pytest.fixture
def own(make_orders, people):
    return make_orders(1, title="Mine", owner=people["worker"], secret=SECRET, mobile=MOBILE)[0]


@pytest.fixture
def foreign(make_orders, people):
    return make_orders(1, title="Theirs", owner=people["foreman"], secret=SECRET, mobile=MOBILE)[0]


@pytest.fixture
def worker(sign_in_as, own, foreign, run_jobs):
    run_jobs()  # what is searched for is in the index
    return sign_in_as("worker")


def pages(own):
    return (
        "/",
        "/r/order",
        "/r/order?filtering=1",
        "/r/order?sort=title&search=Mine",
        f"/r/order/{own}",
        f"/r/order/{own}/edit",
        "/r/order/new",
        "/r/order/bin",
        "/search?q=Mine",
        "/suggest/order?q=Mine",
        "/r/order/filter-row?filter_field=title",
        "/r/site",
    )


def test_hidden_and_masked_values_are_in_no_page(worker, own):
    for path in pages(own):
        page = text_of(worker.get(path))
        assert SECRET not in page, path
        assert "Margin secret" not in page, path
        assert MOBILE not in page, path
        assert "0013" not in page, path
    assert "138****8000" in text_of(worker.get("/r/order"))
    assert "138****8000" in text_of(worker.get(f"/r/order/{own}"))
    assert 'name="mobile"' not in text_of(worker.get(f"/r/order/{own}/edit"))


def test_columns_cannot_be_chosen_into_sight(worker, own):
    data = {"columns": ["title", "secret"], "csrf_token": worker.csrf}
    worker.post("/r/order/columns", data=data)
    page = text_of(worker.get("/r/order"))
    assert SECRET not in page
    assert "Margin" not in page


def test_a_hidden_field_is_answered_like_one_that_does_not_exist(worker):
    for asked in (
        "filter_field={}&filter_op=contains&filter_value=TOP",
        "sort={}",
        'filter={{"field": "{}", "op": "eq", "value": "TOP-SECRET-42"}}',
    ):
        hidden = worker.get("/r/order?" + asked.format("secret"))
        missing = worker.get("/r/order?" + asked.format("absent"))
        assert hidden.status_code == missing.status_code == 422
        marks = r"(?s)notice-bad.*?</div>"
        shown = [re.search(marks, text_of(answer))[0] for answer in (hidden, missing)]
        assert shown[0].replace("secret", "absent") == shown[1]


@pytest.mark.parametrize("query", ["search=138001", "search=TOP"])
def test_the_search_does_not_give_away_what_is_masked_or_hidden(worker, query):
    page = text_of(worker.get(f"/r/order?{query}"))
    assert "record-link" not in page
    found = text_of(worker.get(f"/search?q={query[7:]}"))
    assert "record-link" not in found


def test_a_masked_field_cannot_be_filtered_or_sorted_on(worker):
    assert worker.get("/r/order?sort=mobile").status_code == 422
    query = "filter_field=mobile&filter_op=starts_with&filter_value=138"
    assert worker.get(f"/r/order?{query}").status_code == 422
    builder = text_of(worker.get("/r/order?filtering=1"))
    assert '<option value="mobile"' not in builder
    assert '<option value="title"' in builder


def test_foreign_records_are_answered_like_missing_ones(worker, foreign):
    def shape(answer):
        page = re.sub(r"\b[0-9a-f]{16}\b", "", text_of(answer))  # the reference
        page = re.sub(r'(csrf-token" content|csrf_token" value)="[^"]+"', "", page)
        return answer.status_code, re.sub(r"\d+", "N", page)

    for path in ("/r/order/{}", "/r/order/{}/edit"):
        assert shape(worker.get(path.format(foreign))) == shape(worker.get(path.format(987654)))
        assert worker.get(path.format(foreign)).status_code == 404
    assert "Theirs" not in text_of(worker.get("/r/order"))
    assert "Theirs" not in text_of(worker.get("/suggest/order?q=Theirs"))
    assert "record-link" not in text_of(worker.get("/search?q=Theirs"))


def test_refused_writes_change_nothing(worker, foreign, own, order_of):
    before = order_of(foreign), order_of(own)
    token = {"csrf_token": worker.csrf}
    attempts = [
        (f"/r/order/{foreign}/edit", {"title": "x", "version": "1"}, 404),
        ("/r/order/delete", {"ids": foreign}, 404),
        ("/r/order/restore", {"ids": foreign}, 404),
        ("/r/order/actions/finish", {"ids": foreign, "confirmed": "1"}, 404),
        ("/r/order/actions/hand_over", {"ids": own, "confirmed": "1"}, 403),
        ("/r/order/bulk-edit", {"ids": foreign, "field": "title", "title": "x", "confirmed": "1"}, 303),
        ("/r/site/new", {"name": "x"}, 403),
    ]  # fmt: skip
    for path, data, status in attempts:
        assert worker.post(path, data={**data, **token}).status_code == status, path
    assert (order_of(foreign), order_of(own)) == before


@pytest.fixture
def sees_all(unit_of_work):
    """Workers read all orders, and go on deleting only their own."""
    with unit_of_work() as uow:
        wanted = query.ListQuery(filter={"field": "name", "op": "eq", "value": "worker"})
        role = query.get(uow, "role", query.page(uow, "role", wanted).items[0]["id"]).values
        grants = {**role["grants"], "order": {**role["grants"]["order"], "read": "all"}}
        service.update(uow, "role", {role["id"]: {"grants": grants}})


def test_what_may_not_be_deleted_stays_and_the_list_says_so(
    sees_all, worker, own, foreign, order_of, make_orders, people
):
    """O3: several at once, of which some may be seen but not deleted, and one is gone."""
    gone = make_orders(1, owner=people["worker"])[0]
    data = {"csrf_token": worker.csrf, "back": "/r/order?sort=title"}
    worker.post("/r/order/delete", data=data | {"ids": gone})
    worker.get("/r/order")
    answer = worker.post("/r/order/delete", data=data | {"ids": [own, foreign, gone]})
    assert (answer.status_code, answer.location) == (303, "/r/order?sort=title")
    assert order_of(own)["archived_at"] is not None
    assert order_of(foreign)["archived_at"] is None
    toasts = re.findall(r"data-toast.*?<span>(.*?)</span>", text_of(worker.get("/r/order")))
    assert len(toasts) == 3
    assert all("1" in toast for toast in toasts)
    answer = worker.post("/r/order/delete", data=data | {"ids": foreign})
    assert (answer.status_code, answer.location) == (303, "/r/order?sort=title")
    assert "toast-warn" in text_of(worker.get("/r/order"))
    assert order_of(foreign)["archived_at"] is None


def test_values_that_the_form_does_not_offer_are_not_taken(worker, own, order_of):
    data = {"csrf_token": worker.csrf, "version": "1", "title": "new"}
    data |= {"secret": "x", "mobile": "13900139000", "amount": "1", "number": "W9", "id": "99"}
    assert worker.post(f"/r/order/{own}/edit", data=data).status_code == 303
    values = order_of(own)
    assert (values["title"], values["secret"], values["mobile"]) == ("new", SECRET, MOBILE)
    assert values["amount"] is None


def test_a_write_without_the_token_is_refused(browser, make_orders, order_of):
    """C1"""
    (key,) = make_orders(1)
    for path in ("/r/order/delete", "/r/order/bulk-edit", f"/r/order/{key}/edit", "/r/order/new"):
        assert browser.post(path, data={"ids": key, "title": "x"}).status_code == 403, path
    assert order_of(key)["version"] == 1


def test_buttons_are_offered_only_with_the_right(sign_in_as, own, worker, unit_of_work):
    page = text_of(worker.get("/r/site"))
    assert "/r/site/new" not in page
    page = text_of(worker.get(f"/r/order/{own}"))
    assert "actions/finish" in page
    assert "actions/hand_over" not in page
    assert "/edit" in page
    assert "actions/hand_over" in text_of(sign_in_as("foreman").get(f"/r/order/{own}"))


def test_nobody_is_sent_to_sign_in(client, own):
    for path in pages(own):
        assert client.get(path).status_code == 302, path
