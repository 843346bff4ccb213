"""The ten journeys that staff make most, at a desk and on a phone, in Chinese and in English.

Seven of them are made in one of the four ways in every run, all of them in all ways in the long tier.
"""

from __future__ import annotations

import re

import pytest

from core.entities import query, service
from core.security.directory import find_user
from plugins.crm_leads.demo import DEMO_PASSWORD

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite")]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

SIZES = {"desk": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
WAYS = [(size, locale) for size in SIZES for locale in ("zh_CN", "en")]
SELLER = "fu.yuheng@yuanheng.example"


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "activities")


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return ()


def ways(first=None):
    """Marks a journey: one way in every run, or none of them, the others in the long tier."""
    params = [
        pytest.param(way, id="-".join(way), marks=() if n == first else pytest.mark.long)
        for n, way in enumerate(WAYS)
    ]
    return pytest.mark.parametrize("way", params)


@pytest.fixture(scope="session")
def dougong_demo():
    return True


@pytest.fixture
def seller(unit_of_work):
    """The id of a salesperson of the demonstration."""
    with unit_of_work(write=False) as uow:
        return find_user(uow, SELLER)


@pytest.fixture
def begin(open_page, seller, unit_of_work):
    """``begin(way) -> tab`` in which the salesperson is signed in, in that language and size."""

    def make(way):
        size, locale = way
        with unit_of_work() as uow:
            service.update(uow, "user", {seller: {"locale": locale}})
        return open_page(SIZES[size], email=SELLER, password=DEMO_PASSWORD)

    return make


@pytest.fixture
def mine(seller, unit_of_work):
    """``mine(n, **filter) -> rows`` of the salesperson's leads."""

    def read(count=1, status="following"):
        with unit_of_work(write=False) as uow:
            condition = {
                "all": [
                    {"field": "owner", "op": "eq", "value": seller},
                    {"field": "status", "op": "eq", "value": status},
                ]
            }
            wanted = query.ListQuery(filter=condition, limit=count, sort="-created_at")
            return query.page(uow, "lead", wanted).items

    return read


def fits(tab):
    return tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


@ways(0)
def test_sign_in_and_out_again(begin, way):
    tab = begin(way)
    assert fits(tab)
    tab.locator(".user-button").click()
    tab.locator("form[action$='sign-out'] button").click()
    tab.wait_for_url("**/sign-in**")
    tab.fill("[name=email]", SELLER)
    tab.fill("[name=password]", "not this one at all")
    tab.click("main button")
    tab.locator("[role=alert]").wait_for()
    assert tab.input_value("[name=email]") == SELLER
    tab.goto("/r/lead")
    assert "/sign-in" in tab.url


@ways()
def test_find_somebody_by_initials_and_by_phone(begin, mine, run_jobs, way):
    run_jobs()  # the index of the search follows in the background
    (lead,) = mine()
    tab = begin(way)
    box = tab.locator("[data-search]")
    box.fill(lead["mobile"][-4:])
    offer = tab.locator("#search-offers [role=option]", has_text=lead["company"])
    offer.first.wait_for()
    offer.first.click()
    tab.wait_for_url(f"**/r/lead/{lead['id']}")
    box.fill("wf")
    box.press("Enter")
    tab.wait_for_url("**/search?q=wf")
    tab.locator(".record-link, .hits a").first.wait_for()
    assert fits(tab)


@ways(2)
def test_make_a_lead_after_an_error(begin, way, unit_of_work, seller):
    tab = begin(way)
    tab.goto("/r/lead")
    tab.locator(".page-header a.button-primary").click()
    tab.fill("[name=mobile]", "12")
    tab.locator(".form-actions .button-primary").click()
    tab.locator("#error-company").wait_for()
    assert tab.input_value("[name=mobile]") == "12"
    assert fits(tab)
    tab.fill("[name=company]", "青岛海川重工有限公司")
    tab.fill("[name=mobile]", "139 0000 1111")
    tab.locator(".form-actions .button-primary").dblclick()
    tab.wait_for_url(re.compile(r"/r/lead/\d+$"))
    with unit_of_work(write=False) as uow:
        same = {"field": "company", "op": "eq", "value": "青岛海川重工有限公司"}
        (row,) = query.page(uow, "lead", query.ListQuery(filter=same)).items
    assert (row["owner"], row["mobile"]) == (seller, "13900001111")


@ways()
def test_change_a_lead(begin, mine, way):
    (lead,) = mine()
    tab = begin(way)
    tab.goto(f"/r/lead/{lead['id']}")
    tab.locator(".page-header a[href$='/edit']").click()
    tab.fill("[name=expected_amount]", "1,234,500.5")
    tab.locator(".form-actions .button-primary").click()
    tab.wait_for_url(f"**/r/lead/{lead['id']}")
    assert "1,234,500.50" in tab.locator(".facts-header").inner_text()


@ways()
def test_keep_a_filter_as_a_view(begin, way):
    tab = begin(way)
    tab.goto("/r/lead?filtering=1")
    tab.locator("[name=filter_field]").select_option("status")
    tab.locator("[data-choices] summary").click()
    tab.locator("[data-choices] input[value=new]").check()
    tab.locator("[data-choices] summary").click()
    tab.locator(".filter-builder > .actions .button-plain").click()
    tab.wait_for_url("**filter_field=status**")
    shown = tab.locator("a.record-link").all_inner_texts()
    tab.locator(".views details summary").first.click()
    tab.fill(".view-form [name=title]", "Fresh")
    tab.locator(".view-form .button-primary").click()
    tab.locator(".views [aria-current]", has_text="Fresh").wait_for()
    tab.goto("/r/lead?view=all")
    tab.locator(".views a", has_text="Fresh").click()
    tab.wait_for_url("**view=**filter_field**")
    expect(tab.locator("a.record-link")).to_have_text(shown)
    assert fits(tab)


@ways()
def test_claim_from_the_pool(begin, way, seller, unit_of_work):
    with unit_of_work() as uow:
        pools = query.page(uow, "lead_pool", query.ListQuery(limit=1)).items
        values = {"company": "无主机械厂", "pool": pools[0]["id"], "status": "new"}
        (key,) = service.create(uow, "lead", [values])
        service.update(uow, "lead_pool", {pools[0]["id"]: {"daily_claims": 50}})
    tab = begin(way)
    tab.goto("/r/lead?search=无主机械厂")
    tab.locator("a.record-link").click()
    tab.locator("form[action$='/actions/claim'] button").click()
    tab.locator(".toast-good").wait_for()
    with unit_of_work(write=False) as uow:
        assert query.get(uow, "lead", key).values["owner"] == seller


@ways(3)
def test_write_a_follow_up_within_three_taps(begin, mine, way, unit_of_work):
    """From the first page; writing is no tap."""
    (lead,) = mine()
    tab, taps = begin(way), []

    def tap(selector, **more):
        tab.locator(selector, **more).first.click()
        taps.append(selector)

    tap("a[href='/activities/follow-up?back=home']")
    tab.fill("#field-about", lead["company"][:6])
    tap(".picker-list [role=option]", has_text=lead["company"])
    tab.fill("[name=content]", "约好周四上午看现场，带样本册")
    assert fits(tab)
    tap(".form-actions .button-primary")
    tab.locator(".toast-good").wait_for()
    assert len(taps) == 3
    with unit_of_work(write=False) as uow:
        about = {"field": "related_id", "op": "eq", "value": lead["id"]}
        wanted = query.ListQuery(filter=about, sort="-created_at", limit=1)
        (row,) = query.page(uow, "follow_up", wanted).items
    assert row["content"] == "约好周四上午看现场，带样本册"


@ways()
def test_what_is_due_leads_to_its_form_and_to_the_agenda(begin, way, unit_of_work, seller):
    tab = begin(way)
    tab.locator(".worklist .actions a").first.click()
    tab.locator(".pills").first.wait_for()
    tab.locator(".pills label:has([value=visit])").click()
    tab.locator(".pills label:has([value=date])").click()
    tab.fill("[name=next_follow_at]", "2099-01-31T09:00")
    tab.fill("[name=content]", "看了现场，量了立柱间距")
    tab.locator(".form-actions .button-primary").click()
    tab.locator(".toast-good").wait_for()
    with unit_of_work(write=False) as uow:
        same = {"field": "content", "op": "eq", "value": "看了现场，量了立柱间距"}
        (row,) = query.page(uow, "follow_up", query.ListQuery(filter=same)).items
    assert (row["kind"], row["next_follow_at"].year) == ("visit", 2099)
    tab.goto("/activities/calendar")
    assert fits(tab)
    tab.locator("main :is(time, .agenda-day):visible").first.wait_for()


@ways(2)
def test_finish_a_task_of_the_day(begin, way, seller, unit_of_work):
    with unit_of_work() as uow:
        values = {"title": "寄样本册", "assignee": seller, "due_at": uow.now()}
        (key,) = service.create(uow, "task", [values])
    tab = begin(way)
    row = tab.locator(".worklist li", has_text="寄样本册").first
    row.locator("form button").click()
    tab.locator(".toast-good").wait_for()
    with unit_of_work(write=False) as uow:
        assert query.get(uow, "task", key).values["status"] == "done"
    assert fits(tab)


@ways(0)
def test_tag_several_and_take_it_back(begin, mine, way, unit_of_work):
    rows = mine(2)
    names = [row["company"] for row in rows]
    tab = begin(way)
    tab.goto("/r/lead?filter_field=status&filter_op=in&filter_value=following&sort=-created_at")
    for name in names:
        tab.locator("tbody tr", has_text=name).first.locator("[name=ids]").check()
    tab.locator(".bulk-bar button[value=tags]").click()
    tab.fill("[name=tags]", "spring")
    tab.locator(".form-actions .button-primary").click()
    tab.locator(".toast form button").click()
    tab.locator(".toast-good").wait_for()
    with unit_of_work(write=False) as uow:
        tagged = {"field": "tags", "op": "contains", "value": "spring"}
        assert query.count(uow, "lead", query.ListQuery(filter=tagged)) == 0


@ways(1)
def test_lose_a_lead_on_the_board(begin, mine, way, unit_of_work):
    (lead,) = mine()
    tab = begin(way)
    tab.goto("/r/lead?layout=board&filter_field=owner&filter_op=is_me&sort=-created_at")
    card = tab.locator(f"[data-card='{lead['id']}']")
    card.hover()
    card.locator("[data-move]").click()
    tab.locator("#move [data-move-to=lost] button").click()
    tab.fill("[name='param.reason']", "价格太高")
    tab.locator(".form-actions button").first.click()
    tab.wait_for_url("**layout=board**")
    with unit_of_work(write=False) as uow:
        values = query.get(uow, "lead", lead["id"]).values
    assert (values["status"], values["lost_reason"]) == ("lost", "价格太高")


@ways(2)
def test_a_session_that_ended_in_a_form_loses_nothing(begin, mine, way, unit_of_work):
    """One goes on after signing in in another tab; or saves, signs in, and is back in the form."""
    from core.security.models import session_table

    def end_session():
        with unit_of_work() as uow:
            uow.execute(session_table.delete())

    def sign_in(page):
        page.fill("[name=email]", SELLER)
        page.fill("[name=password]", DEMO_PASSWORD)
        page.click("main button")

    def note():
        with unit_of_work(write=False) as uow:
            return query.get(uow, "lead", lead["id"]).values["note"]

    (lead,) = mine()
    tab, save = begin(way), ".form-actions .button-primary"
    told = tab.locator("[data-session-ended]")
    tab.goto(f"/r/lead/{lead['id']}/edit")
    end_session()
    tab.fill("[name=note]", "写到一半")
    expect(told).to_be_visible()
    assert fits(tab)
    other = tab.context.new_page()
    other.goto("/sign-in")
    sign_in(other)
    other.wait_for_url(lambda address: "sign-in" not in address)
    tab.fill("[name=note]", "写到一半，又写了一句")
    expect(told).to_be_hidden()
    tab.click(save)
    tab.wait_for_url(f"**/r/lead/{lead['id']}")
    assert note() == "写到一半，又写了一句"

    tab.goto(f"/r/lead/{lead['id']}/edit")
    tab.fill("[name=note]", "写完了")
    end_session()
    tab.click(save)
    tab.wait_for_url("**/sign-in**")
    expect(tab.locator(".notice")).to_be_visible()
    sign_in(tab)
    tab.wait_for_url(f"**/r/lead/{lead['id']}/edit**")
    assert tab.input_value("[name=note]") == "写完了"
    tab.click(save)
    tab.wait_for_url(f"**/r/lead/{lead['id']}")
    assert note() == "写完了"
