"""Groups of conditions, order by several fields, order and width of columns, totals (03, S-253)."""

from __future__ import annotations

import re
from html import unescape

import pytest

from core.entities import service

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def text_of(answer):
    return answer.get_data(as_text=True)


def titles(html):
    return "".join(re.findall(r'class="record-link"[^>]*>([^<]+)<', html))


def heads(html):
    head = re.search(r"<thead>.*?</thead>", html, re.S)[0]
    return re.findall(r'data-column="([^"]+)"', head)


@pytest.fixture
def varied(unit_of_work):
    items = [
        {"title": "A", "status": "open", "amount": "10", "pieces": 1},
        {"title": "B", "status": "done", "amount": "20", "pieces": 2},
        {"title": "C", "status": "working", "amount": "30", "pieces": 2},
        {"title": "D", "status": "open", "amount": "30", "pieces": 1},
    ]
    with unit_of_work() as uow:
        return service.create(uow, "order", items)


STATUS = "filter_field=status&filter_op=in&filter_value={}"
AMOUNT = "filter_field=amount&filter_op={}&filter_value={}"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"{STATUS.format('open')}&filter_group=any&{AMOUNT.format('ge', 30)}", "D"),
        (f"filter_group=any&{STATUS.format('done')}&{AMOUNT.format('ge', 30)}", "BCD"),
        (
            f"filter_mode=any&filter_group=all&{STATUS.format('open')}&{AMOUNT.format('le', 10)}"
            f"&filter_group=all&{STATUS.format('working')}&{AMOUNT.format('ge', 30)}",
            "AC",
        ),
        (f"filter_group=any&filter_field=&{STATUS.format('done')}", "B"),
        ("filter_group=any&filter_group=all", "ABCD"),
        (f"filter_group=nonsense&{STATUS.format('open')}&{AMOUNT.format('ge', 30)}", "D"),
    ],
)
def test_groups_of_conditions(browser, varied, query, expected):
    answer = browser.get(f"/r/order?sort=title&{query}")
    assert answer.status_code == 200
    assert titles(text_of(answer)) == expected


def test_a_group_is_one_chip_and_goes_as_a_whole(browser, varied):
    query = f"{STATUS.format('open')}&filter_group=any&{STATUS.format('done')}&{AMOUNT.format('ge', 30)}"
    html = text_of(browser.get(f"/r/order?sort=title&{query}"))
    chips = re.search(r'<ul class="chips".*?</ul>', html, re.S)[0]
    removals = [unescape(url) for url in re.findall(r'<a href="([^"]+)"', chips)]
    assert len(removals) == 2
    assert titles(text_of(browser.get(removals[1]))) == "AD"


def test_the_builder_draws_groups_again_and_keeps_them_apart(browser, varied):
    query = f"{STATUS.format('open')}&filter_group=any&{STATUS.format('done')}&filtering=1"
    html = text_of(browser.get(f"/r/order?{query}"))
    form = re.search(r'<form class="filter-builder".*?</form>', html, re.S)[0]
    names = re.findall(
        r'name="(filter_mode|filter_field|filter_group)"', form.split("<template")[0]
    )
    assert names == ["filter_mode", "filter_field", "filter_group", "filter_field"]


def test_a_view_and_an_export_keep_the_groups(browser, varied):
    query = f"filter_group=any&{STATUS.format('done')}&{AMOUNT.format('ge', 30)}&sort=title"
    data = {"title": "Two ways", "query": query, "csrf_token": browser.csrf}
    address = browser.post("/r/order/views", data=data).location
    assert titles(text_of(browser.get(address))) == "BCD"
    answer = browser.get(f"/r/order/export?{query}&format=csv")
    assert answer.status_code == 200


def test_the_list_is_ordered_by_several_fields(browser, varied):
    html = text_of(browser.get("/r/order?sort=pieces&sort=-amount&sort=title"))
    assert titles(html) == "DACB"
    assert titles(text_of(browser.get("/r/order?sort=pieces,-amount"))) == "DACB"
    assert len(re.findall(r'aria-sort="', html)) == 3


def test_the_heads_say_how_to_add_a_field_to_the_order(browser, varied):
    html = text_of(browser.get("/r/order?sort=-amount"))
    head = re.search(r'<th[^>]*data-column="pieces".*?</th>', html, re.S)[0]
    also = unescape(re.search(r'data-also="([^"]+)"', head)[1])
    assert titles(text_of(browser.get(also))) == "DCBA"
    own = re.search(r'<th[^>]*data-column="amount".*?</th>', html, re.S)[0]
    assert "sort=amount" in unescape(re.search(r'data-also="([^"]+)"', own)[1])


def test_one_field_stands_in_the_order_once_and_three_at_most(browser, varied):
    html = text_of(
        browser.get("/r/order?sort=-pieces&sort=pieces&sort=amount&sort=title&sort=status")
    )
    assert len(re.findall(r'aria-sort="', html)) == 3
    assert titles(html) == "BCAD"


def test_columns_keep_the_order_that_was_chosen(browser, varied):
    data = {"columns": ["amount", "pieces", "status"], "csrf_token": browser.csrf}
    browser.post("/r/order/columns", data=data)
    assert heads(text_of(browser.get("/r/order"))) == ["title", "amount", "pieces", "status"]
    browser.post("/r/order/columns", data=data | {"reset": "1"})
    assert heads(text_of(browser.get("/r/order")))[:2] == ["title", "status"]


def test_widths_are_kept_for_the_person_and_bounded(browser, sign_in_as, varied):
    sizes = {"title": "300", "amount": "5", "secret": "99999", "nonsense": "100"}
    answer = browser.post("/r/order/columns/widths", data=sizes | {"csrf_token": browser.csrf})
    assert answer.status_code == 204
    html = text_of(browser.get("/r/order"))
    assert 'class="table table-selectable table-sized"' in html
    assert '<col width="300">' in html
    assert '<col width="48">' in html
    assert '<col width="800">' in html
    assert "table-sized" not in text_of(sign_in_as("foreman").get("/r/order"))
    browser.post("/r/order/columns", data={"reset": "1", "csrf_token": browser.csrf})
    assert "table-sized" not in text_of(browser.get("/r/order"))


def test_a_row_of_the_filter_keeps_what_was_changed_in_it(browser):
    """htmx sends the part that was changed before the others."""
    html = text_of(
        browser.get("/r/order/filter-row?filter_op=le&filter_field=amount&filter_value=6")
    )
    assert re.search(r'<option value="le"[^>]* selected', html)
    assert 'value="6"' in html


# Totals


def totals(answer):
    cells = re.findall(r"<td[^>]*>(.*?)</td>", text_of(answer), re.S)
    return [re.sub(r"<[^>]+>", "", text).strip() for text in cells]


def test_number_columns_are_added_up_over_all_that_is_found(browser, make_orders):
    make_orders(60, amount="1.10", pieces=2)
    html = text_of(browser.get("/r/order?search=Order"))
    url = unescape(re.search(r'<tfoot hx-get="([^"]+)"', html)[1])
    found = totals(browser.get(url))
    assert "¥66.00" in found
    assert "120" in found
    narrowed = totals(
        browser.get("/r/order/totals?filter_field=title&filter_op=eq&filter_value=Order 001")
    )
    assert "¥1.10" in narrowed


def test_totals_have_no_column_that_the_reader_may_not_see(sign_in_as, make_orders, people):
    make_orders(2, amount="10", pieces=3, owner=people["worker"])
    make_orders(5, amount="10", pieces=3, owner=people["foreman"])
    worker = sign_in_as("worker")
    found = totals(worker.get("/r/order/totals"))
    assert "¥20.00" in found
    assert "6" in found
    html = text_of(worker.get("/r/order/totals?columns=title,secret,amount"))
    assert "secret" not in html.lower()


def test_an_entity_without_numbers_has_no_foot(browser, unit_of_work):
    with unit_of_work() as uow:
        service.create(uow, "site", [{"name": "East"}])
    assert "<tfoot" not in text_of(browser.get("/r/site"))


# What others write meanwhile (S-052)


def test_newer_rows_are_answered_only_when_there_are_any(browser, make_orders, unit_of_work):
    (key,) = make_orders(1)
    html = text_of(browser.get("/r/order"))
    url = unescape(re.search(r'data-live="([^"]+)"', html)[1])
    mark = re.search(r'data-mark="([^"]+)"', html)[1]
    assert browser.get(url, query_string={"mark": mark}).status_code == 204
    with unit_of_work() as uow:
        service.update(uow, "order", {key: {"title": "Changed"}})
    answer = browser.get(url, query_string={"mark": mark})
    assert answer.status_code == 200
    assert titles(text_of(answer)) == "Changed"


def test_newer_rows_keep_to_the_filter_and_to_the_readers_rights(
    browser, sign_in_as, make_orders, people
):
    make_orders(2, status="open", owner=people["worker"], secret="deep")
    make_orders(3, status="done", owner=people["foreman"])
    worker = sign_in_as("worker")
    for address, count in (
        ("/r/order/live", 2),
        ("/r/order/live?filter_field=status&filter_op=in&filter_value=done", 0),
        ("/r/order/live?columns=title,secret", 2),
    ):
        html = text_of(worker.get(address))
        assert html.count("record-link") == count
        assert "deep" not in html


@pytest.mark.parametrize("condition", ["[" * 9_000, '{"all":[' * 2_000])
@pytest.mark.parametrize("layout", ["table", "board", "calendar"])
def test_a_condition_without_end_is_refused(browser, varied, layout, condition):
    asked = {"filter": condition, "layout": layout}
    assert browser.get("/r/order", query_string=asked).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/files/{}"),
        ("GET", "/theme/logo/{}"),
        ("POST", "/files/{}/delete"),
        ("POST", "/comments/{}"),
        ("POST", "/r/order/bulk/{}/undo"),
    ],
)
def test_a_number_that_no_database_holds_is_no_page(browser, method, path):
    data = {"text": "x", "csrf_token": browser.csrf} if method == "POST" else None
    for number in (10**25, 2**63):
        assert browser.open(path.format(number), method=method, data=data).status_code == 404
