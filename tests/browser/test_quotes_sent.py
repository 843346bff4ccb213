"""A quote by mail to a customer who accepts by the link in it, once; and what two versions differ in."""

from __future__ import annotations

import email
import email.policy
import re

import pytest
from journeys import both_ways, is_sound, part, pick, save, use

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "crm_sales")


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return ()


@pytest.fixture
def seller(make_person):
    return make_person("傅宇恒", roles=("sales",), department="销售部/华东组")


@pytest.fixture
def quote(act, seller, unit_of_work):
    """Submitted by the seller for a customer whose contact has an address."""
    from core.entities import service

    with unit_of_work() as uow:
        buyer = {"name": "临沂泰信物流", "source": "展会", "owner": seller}
        (customer,) = service.create(uow, "customer", [buyer])
        person = {"name": "李喆", "customer": customer, "email": "li@example.com"}
        service.create(uow, "contact", [person | {"is_primary": True}])
        goods = [
            {"name": "输送线", "code": "1-01", "list_price": "1200"},
            {"name": "安装调试", "code": "9-01", "list_price": "800"},
        ]
        line, _work = service.create(uow, "product", goods)
    with unit_of_work(seller) as uow:
        lines = [{"product": line, "quantity": "3", "discount": "5"}]
        offer = {"customer": customer, "lines": lines, "terms": "预付三成，货到付清"}
        (key,) = service.create(uow, "quote", [offer])
    act(seller, "quote", "submit", [key])
    return key


@pytest.fixture
def letters(runtime):
    """``letters()``: those that have gone out since."""
    folder = runtime.config.home / "mail"
    known = {*folder.glob("*.eml")}

    def read():
        found = sorted({*folder.glob("*.eml")} - known)
        return [
            email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            for path in found
        ]

    return read


@both_ways
def test_a_customer_accepts_by_the_link_in_the_mail_and_only_once(
    open_as, open_tab, letters, quote, seller, way, read, run_jobs
):
    """S-083: a wrong address is told at its field with the text kept; the customer has no account; the
    seller is told, and the link is used up."""
    tab = open_as(seller, way)
    tab.goto(f"/r/quote/{quote}")
    use(tab, way("邮件发送", "Send by e-mail"))
    to = tab.locator("[name=to]")
    expect(to).to_have_value("li@example.com")
    is_sound(tab, way)
    text = tab.locator("[name=message]")
    text.fill("李工：报价单请查收。")
    to.fill("li@example")  # which a browser lets pass
    send = tab.get_by_role("button", name=way("发送", "Send the mail"), exact=True)
    send.click()
    expect(tab.locator("#error-to")).to_be_visible()
    expect(text).to_have_value("李工：报价单请查收。")
    is_sound(tab, way)
    to.fill("li@example.com")
    send.click()
    expect(tab.locator("#toasts")).to_contain_text("li@example.com")
    is_sound(tab, way)
    run_jobs()
    (letter,) = letters()
    body = letter.get_body().get_content()
    assert (letter["To"], "李工：报价单请查收。" in body) == ("li@example.com", True)
    (path,) = re.findall(r"/crm_sales/offers/[\w-]{43}", body)
    customer = open_tab(way.size, locale=way("zh-CN", "en-GB"))
    customer.goto(path)
    expect(customer.locator(".offer-totals")).to_contain_text("3,420.00")
    is_sound(customer, way)
    accept = customer.get_by_role("button", name=way("接受报价", "Accept the quotation"))
    customer.get_by_label(way("您的姓名", "Your name")).fill("李喆")
    second = open_tab(way.size, locale=way("zh-CN", "en-GB"))
    second.goto(path)
    accept.click()
    accepted = way("此报价单已被接受。", "This quotation was accepted.")
    expect(customer.locator("main")).to_contain_text(accepted)
    expect(accept).to_have_count(0)
    is_sound(customer, way)
    # Who has the page open still, declines too late.
    second.get_by_label(way("您的姓名", "Your name")).fill("王建国")
    second.get_by_label(way("备注", "Remark")).fill("太贵")
    second.get_by_role("button", name=way("谢绝", "Decline")).click()
    expect(second.locator("main")).to_contain_text(accepted)
    found = read("quote", quote)
    assert (found["status"], found["answered_by"]) == ("accepted", "李喆")
    tab.goto(f"/r/quote/{quote}")
    expect(tab.locator("h1")).to_contain_text(way("已接受", "Accepted"))
    expect(tab.locator("main")).to_contain_text("李喆")
    is_sound(tab, way)
    tab.goto("/notifications")
    expect(tab.locator("main")).to_contain_text(found["number"])
    is_sound(tab, way)


@both_ways
def test_two_versions_differ_in_what_was_changed(open_as, quote, seller, way, rows):
    """S-081: a new version keeps the old one; lines that were changed and added stand side by side."""
    tab = open_as(seller, way)
    tab.goto(f"/r/quote/{quote}")
    again = way("新版本", "New version")
    use(tab, again)
    is_sound(tab, way)
    tab.locator("main").get_by_role("button", name=again, exact=True).click()
    expect(tab.locator("h1")).to_contain_text(way("草稿", "Draft"))
    tab.get_by_role("link", name=way("编辑明细", "Edit the lines"), exact=True).click()
    tab.locator("[name='lines.0.discount']").fill("10")
    tab.get_by_role("button", name=way("添加一行", "Add a line")).click()
    pick(tab, tab.locator("[id='field-lines.1.product']"), "安装")
    expect(tab.locator("#quote-totals")).to_contain_text("4,040.00")
    is_sound(tab, way)
    save(tab, way)
    expect(tab.locator("h1")).to_contain_text(way("草稿", "Draft"))
    use(tab, way("提交", "Submit"))
    expect(tab.locator("h1")).to_contain_text(way("已提交", "Submitted"))
    is_sound(tab, way)
    tab.get_by_role("link", name=way("版本", "Versions"), exact=True).click()
    versions = tab.locator("main table").first.locator("tbody tr")
    expect(versions).to_have_count(2)
    expect(versions.nth(0)).to_contain_text("3,420.00")
    expect(versions.nth(1)).to_contain_text("4,040.00")
    different = part(tab, way("差异", "What is different"))
    changed = different.locator("tbody", has_text="输送线")
    expect(changed).to_contain_text(way("已修改", "Changed"))
    row = changed.locator("tr", has_text=way("折扣", "Discount"))
    expect(row.locator("td").nth(1)).to_have_text("5")
    expect(row.locator("td").nth(2)).to_have_text("10")
    expect(different.locator("tbody", has_text="安装调试")).to_contain_text(way("新增", "Added"))
    is_sound(tab, way)
    # The same version on both sides has nothing to tell.
    for name in ("before", "after"):
        tab.locator(f"[name={name}]").select_option(index=0)
    tab.get_by_role("button", name=way("比较", "Compare"), exact=True).click()
    expect(different).to_have_count(0)
    is_sound(tab, way)
    assert len(rows("quote_version")) == 2
