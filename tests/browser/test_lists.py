"""Lists by hand: cells, looks, groups of conditions, widths, boards, comments (S-253, S-058)."""

from __future__ import annotations

import re

import pytest

from core.entities import query, service

#: What a browser shows is the same on both.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite")]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def orders(unit_of_work):
    with unit_of_work() as uow:
        items = [
            {"title": f"Order {n:02}", "status": ("open", "working", "done")[n % 3], "amount": n}
            for n in range(1, 13)
        ]
        return service.create(uow, "order", items)


@pytest.fixture
def order_of(unit_of_work):
    def read(key):
        with unit_of_work(write=False) as uow:
            return query.get(uow, "order", key, archived=None).values

    return read


def cell(tab, title, label):
    row = tab.locator("tbody tr", has=tab.get_by_role("link", name=title, exact=True))
    return row.locator(f"td[data-label='{label}']")


def test_cells_are_written_one_after_the_other_from_the_keyboard(open_page, orders, order_of):
    tab = open_page()
    tab.goto("/r/order?sort=title&columns=title,amount,pieces,due_on")
    cell(tab, "Order 02", "Amount").dblclick()
    tab.locator(".cell-form [name=amount]").fill("lots")
    tab.keyboard.press("Enter")
    tab.locator(".cell-form .error").wait_for()
    tab.locator(".cell-form [name=amount]").fill("1,200")
    tab.keyboard.press("Tab")
    tab.locator(".cell-form [name=pieces]").fill("7")
    tab.keyboard.press("Enter")
    tab.locator(".cell-form").wait_for(state="detached")
    assert "¥1,200.00" in cell(tab, "Order 02", "Amount").inner_text()
    assert tab.evaluate("document.activeElement.textContent") == "Order 02"
    tab.locator("tfoot", has_text="¥1,276.00").wait_for()
    values = order_of(orders[1])
    assert (str(values["amount"]), values["pieces"]) == ("1200.00", 7)
    tab.keyboard.press("F2")
    tab.locator(".cell-form [name=amount]").fill("5")
    tab.keyboard.press("Escape")
    tab.locator(".cell-form").wait_for(state="detached")
    assert str(order_of(orders[1])["amount"]) == "1200.00"


@pytest.mark.long
def test_what_is_typed_into_a_cell_stays_when_something_else_on_the_page_changes(
    open_page, orders, unit_of_work
):
    """People are offered while one types, here and in the search at the head of the page."""
    with unit_of_work() as uow:
        service.create(uow, "site", [{"name": "East"}, {"name": "Eaves"}])
    tab = open_page()
    tab.goto("/r/order?sort=title&columns=title,site,amount")
    cell(tab, "Order 02", "Site").dblclick()
    box = tab.locator(".cell-form [role=combobox]")
    box.press_sequentially("Ea")
    tab.locator(".cell-form [role=option]").first.wait_for()
    box.press_sequentially("st")
    assert box.input_value() == "East"
    tab.locator("[data-search]").click()
    tab.locator("[data-search]").press_sequentially("Or", delay=250)
    tab.locator("#search-offers *").first.wait_for()
    escape = "new KeyboardEvent('keydown', {key: 'Escape', bubbles: true, isComposing: true})"
    tab.locator("[data-search]").evaluate(f"box => box.dispatchEvent({escape})")
    assert tab.evaluate("document.activeElement.name") == "q", "it ends a word that is composed"


PASTE = """(input, text) => {
  const clipboardData = new DataTransfer();
  clipboardData.setData("text/plain", text);
  const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
  return input.dispatchEvent(event);
}"""


@pytest.mark.long
def test_a_block_of_a_spreadsheet_is_pasted_into_cells_and_taken_back(open_page, orders, order_of):
    tab = open_page()
    tab.goto("/r/order?sort=title&columns=title,amount,twice,pieces,tags")
    cell(tab, "Order 11", "Amount").dblclick()
    box = tab.locator(".cell-form [name=amount]")
    assert box.evaluate(PASTE, "just one") is True, "that is the browser's to paste"
    box.press_sequentially("9")
    assert box.evaluate(PASTE, '70\t1\t7\t"a, ""b"""\r\n80\tx\tfew\t\r\n90\t\t9\t\r\n') is False
    dialog = tab.locator("#paste")
    dialog.get_by_text("2 条记录的 4 个单元格").wait_for()
    expect(dialog).to_contain_text("Order 12")
    expect(dialog).to_contain_text("6 个")  # two of what is worked out, and a row too many
    tab.keyboard.press("Escape")
    assert str(order_of(orders[10])["amount"]) == "11.00"
    box.evaluate(PASTE, "70\t1\t7\n80\t2\t8")
    dialog.locator(".button-primary").click()
    tab.locator(".toast-good", has_text="4 个单元格").wait_for()
    values = [(str(order_of(key)["amount"]), order_of(key)["pieces"]) for key in orders[10:]]
    assert values == [("70.00", 7), ("80.00", 8)]
    tab.locator(".toast form button").click()
    expect(cell(tab, "Order 12", "Amount")).to_contain_text("¥12.00")
    assert order_of(orders[10])["pieces"] is None


@pytest.mark.long
def test_a_cell_that_is_left_for_another_is_kept(open_page, orders, order_of):
    tab = open_page()
    tab.goto("/r/order?sort=title&columns=title,amount,pieces")
    cell(tab, "Order 02", "Amount").dblclick()
    tab.locator(".cell-form [name=amount]").fill("55")
    cell(tab, "Order 03", "Amount").dblclick()
    tab.locator("tr", has_text="Order 03").locator(".cell-form").wait_for()
    tab.locator("tr", has_text="Order 02").locator(".cell-form").wait_for(state="detached")
    assert str(order_of(orders[1])["amount"]) == "55.00"


@pytest.mark.long
def test_what_was_typed_stays_when_it_cannot_be_kept(open_page, orders, order_of):
    """The server is busy, or the record is gone: no error stands where the row was."""
    tab = open_page(policy=False)
    tab.goto("/r/order?sort=title&columns=title,amount")
    cell(tab, "Order 02", "Amount").dblclick()
    tab.locator(".cell-form [name=amount]").fill("55")
    busy = {"status": 503, "content_type": "text/html", "body": "<div><h1>Busy</h1></div>"}
    tab.route(f"**/r/order/{orders[1]}/row", lambda route: route.fulfill(**busy))
    tab.keyboard.press("Enter")
    tab.locator(".row-error", has_text="Busy").wait_for()
    assert tab.locator(".cell-form [name=amount]").input_value() == "55"
    tab.unroute_all()
    tab.keyboard.press("Enter")
    tab.locator(".cell-form").wait_for(state="detached")
    assert tab.locator(".row-error").count() == 0
    assert str(order_of(orders[1])["amount"]) == "55.00"


@pytest.mark.long
def test_a_row_that_is_written_into_stays_ticked_and_open_to_a_look(open_page, orders):
    tab = open_page()
    tab.goto("/r/order?sort=title&columns=title,amount")
    row = tab.locator("tbody tr", has=tab.get_by_role("link", name="Order 02", exact=True))
    row.locator("[name=ids]").check()
    cell(tab, "Order 02", "Amount").dblclick()
    tab.locator(".cell-form [name=amount]").fill("8")
    for label in ("Amount", "Title"):  # a click beside what is typed does not open the record
        row.locator(f"td[data-label='{label}']").click(position={"x": 2, "y": 2})
    tab.wait_for_timeout(400)
    tab.locator(".cell-form [name=amount]").focus()
    tab.keyboard.press("Enter")
    tab.locator(".cell-form").wait_for(state="detached")
    assert row.locator("[name=ids]").is_checked()
    assert tab.locator("[data-bulk-count]").inner_text() == "1"
    assert row.locator("[data-look]").get_attribute("hidden") is None


@pytest.mark.long
def test_a_look_goes_along_with_the_list(open_page, orders):
    tab = open_page()
    tab.goto("/r/order?sort=title")
    tab.keyboard.press("j")
    tab.keyboard.press("Space")
    tab.locator("#look h2", has_text="Order 01").wait_for()
    tab.keyboard.press("j")
    tab.locator("#look h2", has_text="Order 02").wait_for()
    tab.keyboard.press("Escape")
    assert tab.locator("#look").is_hidden()
    assert tab.evaluate("document.activeElement.textContent") == "Order 02"


def test_groups_of_conditions_are_made_by_hand(open_page, orders):
    tab = open_page()
    tab.goto("/r/order?sort=title&filtering=1")
    tab.locator(".filter-row [name=filter_field]").select_option("amount")
    tab.locator("[data-filter-rows] [name=filter_op]").select_option("le")
    tab.locator(".filter-row input[name=filter_value]").fill("6")
    tab.locator("[data-filter-add-group]").click()
    group = tab.locator(".filter-group")
    group.locator("[name=filter_field]").select_option("title")
    group.locator("input[name=filter_value]").fill("02")
    group.locator("[data-filter-add]").click()
    second = group.locator(".filter-row").nth(1)
    second.locator("[name=filter_field]").select_option("title")
    second.locator("input[name=filter_value]").fill("05")
    tab.locator(".filter-builder > .actions .button-plain").click()
    tab.wait_for_url("**filter_group=any**")
    expect(tab.locator("a.record-link")).to_have_text(["Order 02", "Order 05"])


@pytest.mark.long
def test_columns_are_drawn_wider_and_put_elsewhere(open_page, orders):
    tab = open_page()
    tab.goto("/r/order?sort=title")
    handle = tab.locator("th[data-column=status] [data-resize]")
    handle.focus()
    before = tab.locator("th[data-column=status]").bounding_box()["width"]
    with tab.expect_response("**/columns/widths"):
        tab.keyboard.press("ArrowRight")
    tab.reload()
    after = tab.locator("th[data-column=status]").bounding_box()["width"]
    assert after > before
    tab.locator(".column-chooser").locator("xpath=ancestor::details").locator("summary").click()
    names = [
        box.get_attribute("value") for box in tab.locator(".column-chooser [name=columns]").all()
    ]
    tab.locator(".column-chooser li").nth(1).hover()
    tab.locator(".column-chooser [data-up]").nth(1).click()
    tab.locator(".column-chooser .button-primary").click()
    tab.wait_for_load_state()
    shown = tab.locator("th[data-column]").evaluate_all("all => all.map(e => e.dataset.column)")
    assert shown[1:3] == [names[1], names[0]]


@pytest.mark.long
def test_the_shift_key_adds_a_field_to_the_order(open_page, orders):
    tab = open_page()
    tab.goto("/r/order?sort=status")
    tab.locator("th[data-column=amount] a").click(modifiers=["Shift"])
    tab.wait_for_url(re.compile("sort=status(%2C|,)amount"))


def test_a_card_is_dragged_and_the_board_stays(open_page, orders, order_of):
    tab = open_page()
    tab.goto("/r/order?layout=board&sort=title")
    card = tab.locator(f"[data-card='{orders[0]}']")
    card.drag_to(tab.locator("[data-column=open] .board-cards"))
    tab.locator(f"[data-column=open] [data-card='{orders[0]}']").wait_for()
    assert order_of(orders[0])["status"] == "open"
    tab.locator(".toast form button").click()
    tab.locator(f"[data-column=working] [data-card='{orders[0]}']").wait_for()
    assert order_of(orders[0])["status"] == "working"


@pytest.mark.long
def test_an_entry_is_put_on_another_day_by_mouse_key_and_dialogue(
    open_page, orders, order_of, unit_of_work
):
    key = orders[0]
    with unit_of_work() as uow:
        service.update(uow, "order", {key: {"due_on": "2026-02-03"}})
    page = "/r/order?layout=calendar&by=due_on&day=2026-02-10"
    tab = open_page()
    tab.goto(page)

    def stands_on(day):
        tab.locator(f"[data-day='{day}'] [data-entry='{key}']").wait_for()
        return str(order_of(key)["due_on"]) == day

    tab.locator(f"[data-entry='{key}']").drag_to(tab.locator("[data-day='2026-02-05']"))
    assert stands_on("2026-02-05")
    assert tab.evaluate("document.activeElement.title") == "Order 01"
    tab.keyboard.press("Alt+ArrowDown")
    assert stands_on("2026-02-12")
    tab.locator(".toast form button").last.click()
    assert stands_on("2026-02-05")
    phone = open_page(PHONE)
    phone.goto(page)
    assert phone.locator(f"[data-entry='{key}']").get_attribute("draggable") == "false"
    phone.locator(f"[data-entry='{key}'] [data-move]").click()
    assert phone.locator("#move [name=to]").input_value() == "2026-02-05"
    phone.locator("#move [name=to]").fill("2026-02-20")
    phone.locator("#move .button-primary").click()
    phone.locator(f"[data-day='2026-02-20'] [data-entry='{key}']").wait_for()
    assert str(order_of(key)["due_on"]) == "2026-02-20"


@pytest.mark.long
def test_a_page_asks_before_a_cell_or_a_changed_comment_is_lost(open_page, orders):
    tab = open_page()
    asked = []
    tab.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    tab.goto("/r/order?sort=title&columns=title,amount")
    cell(tab, "Order 02", "Amount").dblclick()
    tab.locator(".cell-form [name=amount]").press_sequentially("9")
    tab.get_by_role("link", name="Order 03", exact=True).click()
    tab.wait_for_url(f"**/r/order/{orders[2]}")
    tab.locator("textarea[name=text]").first.fill("First")
    tab.keyboard.press("Control+Enter")
    entry = tab.locator(".timeline > li", has_text="First")
    entry.hover()
    entry.locator("summary").click()
    entry.locator("[data-edit-comment]").click()
    entry.locator("textarea").press_sequentially("and more")
    tab.goto("/r/order")
    assert asked == ["beforeunload", "beforeunload"]


def test_a_card_is_moved_from_the_keyboard(open_page, orders, order_of):
    tab = open_page()
    tab.goto("/r/order?layout=board&sort=title")
    tab.locator(f"[data-card='{orders[0]}'] a").focus()
    tab.keyboard.press("Alt+ArrowLeft")
    tab.locator(f"[data-column=open] [data-card='{orders[0]}']").wait_for()
    assert order_of(orders[0])["status"] == "open"
    assert tab.evaluate("document.activeElement.textContent") == "Order 01"
    tab.locator("[data-search]").click()
    tab.locator("[data-search]").press_sequentially("Or", delay=250)
    tab.locator("#search-offers *").first.wait_for()
    assert tab.evaluate("document.activeElement.name") == "q"


@pytest.mark.long
def test_on_a_phone_a_card_is_moved_by_its_dialogue_which_asks_first(open_page, orders, order_of):
    tab = open_page(PHONE)
    tab.goto("/r/order?layout=board&sort=title")
    tab.locator(f"[data-card='{orders[0]}'] [data-move]").click()
    tab.locator("[data-move-to=done] button").click()
    tab.locator("main .button-danger, main .button-primary").first.click()
    tab.wait_for_url("**layout=board**")
    assert order_of(orders[0])["status"] == "done"


@pytest.mark.long
def test_a_person_is_picked_into_a_comment(open_page, orders, make_person, unit_of_work):
    person = make_person("钱工", roles=("foreman",))
    tab = open_page()
    tab.goto(f"/r/order/{orders[0]}")
    box = tab.locator("textarea[name=text]").first
    box.click()
    box.press_sequentially("请 @钱")
    option = tab.locator(".mention-box [role=option]")
    option.wait_for()
    expect(box).to_have_attribute("role", "combobox")
    expect(box).to_have_attribute("aria-expanded", "true")
    expect(box).to_have_attribute("aria-activedescendant", option.get_attribute("id"))
    controlled = box.get_attribute("aria-controls")
    assert tab.locator(f"[id='{controlled}'][role=listbox]").count() == 1
    tab.keyboard.press("Enter")
    expect(box).to_have_attribute("aria-expanded", "false")
    assert box.get_attribute("aria-activedescendant") is None
    assert box.input_value() == "请 @钱工 "
    box.press_sequentially("看一下")
    tab.keyboard.press("Control+Enter")
    tab.locator(".timeline-body", has_text="请 @钱工 看一下").wait_for()
    with unit_of_work(write=False) as uow:
        from core.notifications.tables import notification_table

        rows = uow.execute(notification_table.select()).all()
        assert [(row.user_id, row.kind) for row in rows] == [(person, "core.mentioned")]
    entry = tab.locator(".timeline > li", has_text="看一下")
    entry.hover()
    entry.locator("summary").click()
    entry.locator("[data-edit-comment]").click()
    entry.locator("textarea").fill("还没 @钱")
    option.wait_for()
    tab.keyboard.press("Escape")
    expect(option).to_have_count(0)
    expect(entry.locator("textarea")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(entry.locator("textarea")).to_be_hidden()
    assert tab.evaluate("document.activeElement.localName") == "summary"
    tab.keyboard.press("Enter")
    entry.locator("[data-edit-comment]").click()
    assert entry.locator("textarea").input_value() == "请 @钱工 看一下"
    entry.get_by_role("link", name="取消").click()
    expect(entry.locator(".timeline-body")).to_be_visible()
    tab.reload()  # nothing is lost: no question is asked
    entry.hover()
    entry.locator("summary").click()
    entry.locator("[data-edit-comment]").click()
    entry.locator("textarea").fill("好了")
    entry.get_by_role("button", name="保存").click()
    tab.locator(".timeline-body", has_text="好了").wait_for()


@pytest.mark.long
def test_who_is_taken_out_of_a_comment_again_is_not_told(
    open_page, orders, make_person, unit_of_work
):
    make_person("钱工", roles=("foreman",))
    tab = open_page()
    tab.goto(f"/r/order/{orders[0]}")
    box = tab.locator("textarea[name=text]").first
    box.click()
    box.press_sequentially("@钱")
    tab.locator(".mention-box [role=option]").wait_for()
    enter = "new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, isComposing: true})"
    box.evaluate(f"box => box.dispatchEvent({enter})")
    assert box.input_value() == "@钱", "a word that is being composed is not picked yet"
    tab.keyboard.press("Enter")
    assert box.input_value() == "@钱工 "
    box.fill("Nobody")
    tab.keyboard.press("Control+Enter")
    tab.locator(".timeline-body", has_text="Nobody").wait_for()
    with unit_of_work(write=False) as uow:
        from core.notifications.tables import notification_table

        assert uow.execute(notification_table.select()).all() == []


def test_older_entries_of_a_timeline_are_put_below(open_page, orders, unit_of_work):
    for n in range(51):
        with unit_of_work() as uow:
            item = {"entity": "order", "record_id": orders[0], "text": f"Say {n:02}"}
            service.create(uow, "comment", [item])
    tab = open_page()
    tab.goto(f"/r/order/{orders[0]}?tab=timeline")
    expect(tab.locator(".timeline-body")).to_have_count(50)
    tab.locator(".timeline-older a").click()
    expect(tab.locator(".timeline-body")).to_have_count(51)
    expect(tab.locator(".timeline-older")).to_have_count(0)
    assert "Say 00" in tab.evaluate("document.activeElement.textContent")


def test_an_empty_list_has_no_complaint(open_page, unit_of_work):
    tab = open_page()
    for layout in ("table", "board", "calendar"):
        tab.goto(f"/r/order?search=nothing&layout={layout}")
        tab.wait_for_load_state()


def test_without_scripts_lists_boards_and_comments_work(open_page, orders):
    tab = open_page(scripts=False)
    tab.goto("/r/order?layout=board")
    assert tab.locator("[data-card]").count() == 12
    assert tab.locator("[data-move]:visible").count() == 0
    tab.goto("/r/order?layout=calendar&by=due_on")
    assert tab.locator(".calendar").is_visible()
    tab.goto(f"/r/order/{orders[0]}")
    tab.fill("textarea[name=text]", "Plain")
    tab.locator(".comment-form button").first.click()
    expect(tab.locator(".timeline-body").first).to_have_text("Plain")


@pytest.mark.long
def test_a_condition_is_added_to_the_rules_of_a_field(open_page, orders):
    tab = open_page()
    tab.goto("/admin/fields/order/note/rules")
    builder = tab.locator("[data-filter]").first
    rows = builder.locator(".filter-row")
    before = rows.count()
    builder.locator("[data-filter-add]").click()
    expect(rows).to_have_count(before + 1)


@pytest.mark.long
def test_all_that_is_found_is_changed_and_put_back(open_page, orders, unit_of_work, run_jobs):
    with unit_of_work() as uow:
        service.create(uow, "order", [{"title": f"More {n:03}", "amount": 1} for n in range(60)])
    tab = open_page()
    tab.goto("/r/order?search=More")
    tab.locator("[data-select-all]").check()
    tab.locator("[data-bulk-all]").click()
    expect(tab.locator("[data-bulk-count]")).to_have_text("60")
    tab.locator(".bulk-bar button[value=tags]").click()
    tab.locator("[name=tags]").fill("spring")
    tab.locator(".form-actions .button-primary").click()
    tab.wait_for_url("**/bulk/*")
    run_jobs()
    tab.locator("form[action*=undo] button").click()
    tab.locator(".toast-good").wait_for()
    with unit_of_work(write=False) as uow:
        wanted = query.ListQuery(filter={"field": "tags", "op": "is_set"})
        assert query.count(uow, "order", wanted) == 0


def test_what_others_write_appears_without_loading_the_page_again(open_page, orders, unit_of_work):
    """S-052: within five seconds, and not while one is at work on the list."""
    tab = open_page()
    tab.goto("/r/order?sort=-created_at")
    tab.locator("a.record-link").first.focus()
    with unit_of_work() as uow:
        service.create(uow, "order", [{"title": "From the field", "amount": 1000}])
        service.update(uow, "order", {orders[3]: {"title": "Order 04, changed"}})
    tab.get_by_role("link", name="From the field").wait_for(timeout=6_000)
    expect(tab.get_by_role("link", name="Order 04, changed")).to_have_count(1)
    expect(tab.locator("tfoot", has_text="¥1,078.00")).to_have_count(1)
    assert tab.evaluate("document.activeElement.textContent") == "Order 12"
    tab.locator("tbody [name=ids]").first.check()
    with unit_of_work() as uow:
        service.create(uow, "order", [{"title": "Not yet"}])
    tab.wait_for_timeout(4_500)
    assert tab.get_by_role("link", name="Not yet").count() == 0


@pytest.mark.long
def test_a_list_that_nobody_uses_asks_no_more(open_page, orders):
    """It would keep a session alive whose person has left."""
    tab = open_page()
    tab.clock.install()
    tab.goto("/r/order")
    asked = []
    tab.on("request", lambda sent: "/live" in sent.url and asked.append(sent.url))
    tab.clock.run_for(10_000)
    assert asked
    tab.wait_for_load_state("networkidle")  # what is on its way would be ten minutes late
    tab.clock.run_for(600_000)
    tab.wait_for_timeout(200)
    asked.clear()
    tab.clock.run_for(60_000)
    tab.wait_for_timeout(200)
    assert asked == []


@pytest.mark.long
def test_what_is_looked_for_is_seen_to_be_on_its_way(open_page, orders):
    """A skeleton below the field, for what takes longer than a moment and no longer than that."""
    tab, held = open_page(), []
    shown = "getComputedStyle(document.querySelector('.search-global'), '::after').opacity"
    tab.goto("/r/order")
    tab.route("**/suggest?q=Or", lambda route: held.append(route))
    tab.locator("[data-search]").click()
    tab.locator("#search-offers [role=option]").first.wait_for()
    tab.keyboard.press("Escape")
    tab.locator("[data-search]").fill("Or")
    tab.wait_for_timeout(600)
    assert held
    assert tab.evaluate(shown) == "1"
    assert tab.locator("#search-offers [role=option]").count() == 0
    held[-1].continue_()
    tab.locator("#search-offers [role=option]").first.wait_for()
    assert tab.evaluate(shown.replace("opacity", "content")) == "none"


@pytest.mark.long
def test_what_is_offered_is_large_enough_for_a_thumb(open_page, orders):
    tab = open_page(PHONE)
    heights = "all => all.map((each) => Math.round(each.getBoundingClientRect().height))"
    tab.goto("/r/order")
    tab.locator("[data-search]").click()
    tab.locator("#search-offers [role=option]").first.wait_for()
    assert min(tab.locator("#search-offers [role=option]").evaluate_all(heights)) >= 44


@pytest.mark.long
def test_what_opens_on_a_phone_is_large_enough_for_a_thumb(open_page, unit_of_work):
    """The order of a list, the columns that a card may go to, and more cards than are shown; a number
    is called by a tap beside it, too."""
    with unit_of_work() as uow:
        items = [{"title": f"Order {n:02}", "mobile": "13800138000"} for n in range(25)]
        service.create(uow, "order", items)
    tab = open_page(PHONE)
    heights = "all => all.map((each) => Math.round(each.getBoundingClientRect().height))"
    tab.goto("/r/order?columns=title,mobile")
    tab.locator(".menu:has(.sort-form) > summary").click()
    assert min(tab.locator(".sort-form select").evaluate_all(heights)) >= 44
    form = tab.locator(".sort-form").bounding_box()
    assert form["width"] >= 260, "it is laid out as a form, not as what stands in the menu"
    tab.keyboard.press("Escape")
    met = """each => {
        each.scrollIntoView({ block: "center" });
        const box = each.getBoundingClientRect();
        return document.elementFromPoint(box.left + 4, box.top - 7)?.closest("a")?.href;
    }"""
    assert tab.locator("[href^='tel:']").first.evaluate(met) == "tel:13800138000"
    tab.goto("/notifications")
    tab.locator("main .page-header summary").click()
    (box, text) = tab.locator(".view-form .check").first.evaluate(
        """each => {
            const words = document.createRange();
            words.selectNodeContents(each.lastChild);
            return [each.querySelector("input"), words].map((one) => one.getBoundingClientRect().top);
        }"""
    )
    assert abs(box - text) < 12, "a box stands beside what it is for"
    tab.goto("/r/order?layout=board")
    assert min(tab.locator(".board-more").evaluate_all(heights)) >= 44
    tab.locator("[data-move]").first.click()
    assert min(tab.locator("#move .menu-item:visible").evaluate_all(heights)) >= 44
