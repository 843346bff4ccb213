"""Lists: filter, search, sort, pages, columns; all of the state in the address."""

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
    return re.findall(r'class="record-link"[^>]*>([^<]+)<', html)


@pytest.fixture
def varied(unit_of_work):
    with unit_of_work() as uow:
        (east, west) = service.create(uow, "site", [{"name": "East"}, {"name": "West"}])
        items = [
            {"title": "A", "status": "open", "site": east, "amount": "10", "region": "500103"},
            {"title": "B", "status": "done", "site": west, "amount": "20", "is_urgent": True},
            {"title": "C", "status": "working", "site": east, "amount": "30", "tags": ["x"]},
        ]
        service.create(uow, "order", items)
    return {"east": east, "west": west}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("filter_field=status&filter_op=in&filter_value=open&filter_value=done", "AB"),
        ("filter_field=status&filter_op=not_in&filter_value=open", "BC"),
        ("filter_field=amount&filter_op=between&filter_value=15&filter_value=", "BC"),
        ("filter_field=amount&filter_op=le&filter_value=20", "AB"),
        ("filter_field=is_urgent&filter_op=eq&filter_value=true", "B"),
        ("filter_field=tags&filter_op=contains&filter_value=x", "C"),
        ("filter_field=region&filter_op=under&filter_value=500000", "A"),
        ("filter_field=region&filter_op=under&filter_value=&filter_value__label=重庆", "A"),
        ("filter_field=site&filter_op=eq&filter_value={east}", "AC"),
        ("filter_field=site&filter_op=eq&filter_value=&filter_value__label=west", "B"),
        ("filter_field=created_at&filter_op=within&filter_value=today", "ABC"),
        ("filter_field=due_on&filter_op=is_set", ""),
        ("filter_field=owner&filter_op=is_me", ""),
        (
            "filter_field=status&filter_op=in&filter_value=open"
            "&filter_field=amount&filter_op=ge&filter_value=30&filter_mode=any",
            "AC",
        ),
        (
            "filter_field=status&filter_op=in&filter_value=open"
            "&filter_field=amount&filter_op=ge&filter_value=30",
            "",
        ),
        ("search=b", "B"),
        ('filter={{"field": "title", "op": "eq", "value": "C"}}', "C"),
    ],
)
def test_filters(browser, varied, query, expected):
    answer = browser.get("/r/order?sort=title&" + query.format(**varied))
    assert answer.status_code == 200
    assert "".join(titles(text_of(answer))) == expected


def test_a_row_without_a_value_opens_the_builder_and_filters_nothing(browser, varied):
    html = text_of(browser.get("/r/order?sort=title&filter_field=status&filter_op="))
    assert titles(html) == ["A", "B", "C"]
    assert 'value="working"' in html


def test_chips_name_the_filter_and_take_it_away(browser, varied):
    url = "/r/order?filter_field=amount&filter_op=ge&filter_value=30&search=C"
    html = text_of(browser.get(url))
    chips = re.search(r'<ul class="chips".*?</ul>', html, re.S)[0]
    assert "¥30.00" in chips
    removals = re.findall(r'<a href="([^"]+)"', chips)
    assert len(removals) == 2
    assert titles(text_of(browser.get(removals[0].replace("&amp;", "&")))) == ["C"]


def test_pages_go_forth_and_back(browser, make_orders):
    make_orders(120)
    seen, url, urls = [], "/r/order?sort=title", []
    while url:
        urls.append(url)
        html = text_of(browser.get(url))
        seen += titles(html)
        found = re.search(r'href="([^"]+)" rel="next"', html)
        url = found and found[1].replace("&amp;", "&")
    assert seen == [f"Order {n:03}" for n in range(1, 121)]
    counted = re.search(r'class="pager".*?<p>(.*?)</p>', html, re.S)[1]
    assert "101–120" in counted
    assert counted.count("120") == 2
    back = re.search(r'href="([^"]+)" rel="prev"', html)[1].replace("&amp;", "&")
    assert titles(text_of(browser.get(back)))[0] == "Order 051"
    first = re.search(r'href="([^"]+)" rel="prev"', text_of(browser.get(back)))[1]
    assert titles(text_of(browser.get(first.replace("&amp;", "&"))))[0] == "Order 001"


def test_a_place_in_the_pages_that_is_gone_leads_to_the_first(browser, make_orders):
    make_orders(3)
    answer = browser.get("/r/order?after=rubbish&sort=title")
    assert answer.status_code == 302
    assert "after" not in answer.location
    assert "sort=title" in answer.location


def test_columns_are_remembered_for_the_person_alone(browser, sign_in_as, make_orders):
    make_orders(1)
    data = {"columns": ["title", "pieces"], "csrf_token": browser.csrf, "back": "/r/order?search=O"}
    answer = browser.post("/r/order/columns", data=data)
    assert answer.location == "/r/order?search=O"
    assert "<thead>" in text_of(browser.get("/r/order"))
    head = re.search(r"<thead>.*?</thead>", text_of(browser.get("/r/order")), re.S)[0]
    assert "Pieces" in head
    assert "Status" not in head
    other = text_of(sign_in_as("foreman").get("/r/order"))
    assert "Status" in re.search(r"<thead>.*?</thead>", other, re.S)[0]


def test_the_way_back_stays_within_the_entity(browser, make_orders):
    data = {"columns": ["title"], "csrf_token": browser.csrf, "back": "//evil.example/"}
    assert browser.post("/r/order/columns", data=data).location == "/r/order"


def test_plugins_adjust_the_list_as_first_shown(browser, make_orders):
    make_orders(1, pieces=7)
    head = re.search(r"<thead>.*?</thead>", text_of(browser.get("/r/order")), re.S)[0]
    assert head.index("Pieces") > head.index("Amount")


def test_empty_lists_say_what_to_do_next(browser, sign_in_as):
    html = text_of(browser.get("/r/order"))
    assert 'class="empty"' in html
    assert "/r/order/new" in re.search(r'class="empty".*?</div>', html, re.S)[0]
    html = text_of(browser.get("/r/order?search=zzz"))
    assert 'href="/r/order"' in re.search(r'class="empty".*?</div>', html, re.S)[0]


@pytest.mark.parametrize(
    "query",
    ["sort=nix", "filter_field=nix&filter_op=eq&filter_value=1", "filter=rubbish", "search=%00"],
)
def test_what_cannot_be_understood_is_told_and_shows_no_rows(browser, make_orders, query):
    make_orders(2)
    answer = browser.get(f"/r/order?{query}")
    assert answer.status_code == 422
    assert titles(text_of(answer)) == []
    assert "notice-bad" in text_of(answer)


def test_the_search_looks_at_all_entities(browser, varied, run_jobs):
    run_jobs()
    assert "A" in titles(text_of(browser.get("/search?q=A")))
    assert "East" in titles(text_of(browser.get("/search?q=eas")))
    assert titles(text_of(browser.get("/search?q=zzz"))) == []


def test_money_and_dates_follow_the_readers_language(browser, make_orders):
    (key,) = make_orders(1, amount="1234567.5", due_on="2026-03-09", starts_at="2026-03-09T20:30Z")
    page = text_of(browser.get(f"/r/order/{key}"))
    assert "¥1,234,567.50" in page
    assert "2026-03-10 04:30" in page
    browser.post("/language", data={"locale": "en", "csrf_token": browser.csrf})
    page = text_of(browser.get(f"/r/order/{key}"))
    assert "9 Mar 2026" in page
    assert "10 Mar 2026, 04:30" in page


def test_what_is_exported_is_what_the_list_shows(browser, varied):
    query = "filter_field=status&filter_op=in&filter_value=open&filter_value=working"
    query += "&filter_field=amount&filter_op=ge&filter_value=20"
    assert titles(text_of(browser.get(f"/r/order?{query}"))) == ["C"]
    page = unescape(text_of(browser.get(f"/r/order/export?{query}")))
    assert '"value": ["open", "working"]' in page
    assert '"op": "ge", "value": "20"' in page
