"""What people do all day, in a real browser, with and without scripts; no complaint in its console."""

from __future__ import annotations

import pytest

from core.entities import query, service

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
#: What a browser shows is the same on both; the first two journeys, and editing, are made on both.
one_is_enough = pytest.mark.databases("sqlite")
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def orders(unit_of_work):
    with unit_of_work() as uow:
        (east, west) = service.create(uow, "site", [{"name": "East yard"}, {"name": "West yard"}])
        items = [
            {
                "title": f"Order {n:02}",
                "status": ("open", "working", "done")[n % 3],
                "site": east if n % 2 else west,
                "amount": n * 100,
                "parts": [{"name": "shaft"}],
            }
            for n in range(1, 31)
        ]
        return service.create(uow, "order", items)


@pytest.fixture
def order_of(unit_of_work):
    def read(key):
        with unit_of_work(write=False) as uow:
            return query.get(uow, "order", key, archived=None).values

    return read


def records(tab):
    return tab.locator("a.record-link")


@pytest.mark.long
@pytest.mark.databases("sqlite", later=("postgresql",))
def test_find_filter_sort_and_open(open_page, orders, run_jobs):
    run_jobs()  # the index of the search follows in the background
    tab = open_page()
    tab.keyboard.press("/")
    tab.keyboard.type("Order 07")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/search?q=Order+07")
    expect(records(tab)).to_have_text(["Order 07"])
    tab.goto("/r/order?sort=title")
    tab.get_by_role("link", name="Filter").or_(tab.get_by_role("link", name="筛选")).click()
    tab.locator("[name=filter_field]").select_option("status")
    tab.locator("[data-choices] summary").click()
    tab.locator("[data-choices] input[value=done]").check()
    tab.locator("[data-filter-add]").click()
    second = tab.locator(".filter-row").nth(1)
    second.locator("[name=filter_field]").select_option("site")
    picker = second.locator("[role=combobox]")
    picker.fill("east")
    second.locator("[role=option]").click()
    assert picker.input_value() == "East yard"
    tab.locator(".filter-builder > .actions .button-plain").click()
    tab.wait_for_url("**filter_field=site**")
    expect(records(tab)).to_have_text(["Order 05", "Order 11", "Order 17", "Order 23", "Order 29"])
    tab.reload()
    expect(records(tab)).to_have_count(5)
    tab.locator("tbody tr").nth(1).locator(".cell-number").first.click()
    tab.wait_for_url(f"**/r/order/{orders[10]}")
    tab.go_back()
    expect(records(tab)).to_have_count(5)
    tab.locator(".chips a").first.click()
    expect(records(tab)).to_have_count(15)


@one_is_enough
@pytest.mark.long
def test_create_with_an_error_then_right(open_page, orders, order_of):
    tab = open_page()
    tab.goto("/r/order/new")
    tab.fill("[name=amount]", "much")
    tab.fill("#field-site", "west")
    tab.locator("[role=option]").first.click()
    tab.fill("[name='parts.0.name']", "wheel")
    tab.locator("[data-line-add]").click()
    tab.fill("[name='parts.1.name']", "axle")
    tab.locator("[data-line-add]").click()
    tab.locator("[data-line-remove]").nth(2).click()
    tab.locator(".form-actions .button-primary").click()
    tab.locator("#error-amount").wait_for()
    assert tab.locator("[role=alert] li").count() == 2
    assert tab.input_value("#field-site") == "West yard"
    assert tab.input_value("[name='parts.1.name']") == "axle"
    tab.fill("[name=amount]", "1,250.5")
    tab.fill("[name=title]", "Right now")
    tab.locator(".form-actions .button-primary").click()
    tab.wait_for_url("**/r/order/31")
    values = order_of(31)
    assert str(values["amount"]) == "1250.50"
    assert [part["name"] for part in values["parts"]] == ["wheel", "axle"]


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_edit_meets_somebody_elses_edit(open_page, orders, order_of):
    first, second = open_page(), open_page()
    for tab, note in ((first, "first"), (second, "second")):
        tab.goto(f"/r/order/{orders[0]}/edit")
        tab.fill("[name=note]", note)
    second.fill("[name=title]", "Second title")
    first.locator(".form-actions .button-primary").click()
    first.wait_for_url(f"**/r/order/{orders[0]}")
    second.locator(".form-actions .button-primary").click()
    second.locator("[name='take.note'][value=theirs]").check()
    second.locator(".form-actions .button-primary").click()
    second.wait_for_url(f"**/r/order/{orders[0]}")
    values = order_of(orders[0])
    assert (values["title"], values["note"]) == ("Second title", "first")


@one_is_enough
@pytest.mark.long
def test_unsaved_changes_are_asked_about(open_page, orders):
    tab = open_page()
    asked = []
    tab.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    tab.goto(f"/r/order/{orders[0]}/edit")
    tab.locator("[name=title]").press_sequentially("x")
    tab.locator(".nav-group a").first.click()
    tab.wait_for_load_state()
    assert asked == ["beforeunload"]


@one_is_enough
def test_delete_many_and_take_it_back(open_page, orders, order_of):
    tab = open_page()
    tab.goto("/r/order?sort=title")
    boxes = tab.locator("[name=ids]")
    boxes.nth(0).click()
    boxes.nth(3).click(modifiers=["Shift"])
    assert tab.locator("[data-bulk-count]").inner_text() == "4"
    tab.locator(".bulk-bar [formaction$='/delete']").click()
    tab.locator("[data-toast] form button").wait_for()
    expect(records(tab).first).to_have_text("Order 05")
    tab.locator("[data-toast] form button").click()
    tab.wait_for_load_state()
    assert all(order_of(key)["archived_at"] is None for key in orders)


@one_is_enough
@pytest.mark.long
def test_the_list_fits_a_phone(open_page, orders):
    tab = open_page(PHONE)
    for path in ("/", "/r/order", "/r/order?filtering=1", f"/r/order/{orders[0]}", "/r/order/new"):
        tab.goto(path)
        overflow = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"{path} is {overflow} px too wide"
    tab.goto("/r/order?sort=title")
    card = tab.locator("tbody tr").first.bounding_box()
    assert card["height"] > 60
    tab.locator("a.record-link").first.click()
    tab.wait_for_url(f"**/r/order/{orders[0]}")


@one_is_enough
def test_without_scripts_search_filter_and_save_work(open_page, orders, order_of):
    tab = open_page(scripts=False)
    tab.goto("/r/order")
    tab.fill("[name=search]", "Order 03")
    tab.locator("[name=search]").press("Enter")
    expect(records(tab)).to_have_text(["Order 03"])
    tab.goto("/r/order?filtering=1&sort=title")
    tab.locator("[name=filter_field]").select_option("site")
    tab.locator(".filter-builder > .actions .button-plain").click()
    tab.fill(".filter-value [role=combobox]", "east yard")
    tab.locator(".filter-builder > .actions .button-plain").click()
    expect(records(tab)).to_have_count(15)
    tab.goto(f"/r/order/{orders[0]}/edit")
    tab.fill("#field-site", "west")
    tab.locator("[name=add_line]").click()
    tab.fill("[name='parts.1.name']", "axle")
    tab.locator(".form-actions .button-primary").click()
    tab.wait_for_url(f"**/r/order/{orders[0]}")
    values = order_of(orders[0])
    assert [part["name"] for part in values["parts"]] == ["shaft", "axle"]
    assert tab.locator(".facts-header").inner_text().count("West yard") == 1
