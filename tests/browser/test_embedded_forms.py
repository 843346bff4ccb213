"""A public form within somebody else's page: only where it may be, and filled in as on a page of its own."""

from __future__ import annotations

import re

import pytest
from axe import violations
from journeys import both_ways, is_sound, pick, save

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
def marketing(make_person):
    return make_person("尚若兰", roles=("marketing",), department="市场部")


@pytest.fixture
def pool(unit_of_work):
    from core.entities import service

    with unit_of_work() as uow:
        return service.create(uow, "lead_pool", [{"name": "华东公海"}])[0]


@pytest.fixture
def made(open_as, marketing, pool, elsewhere, served, way):
    """What marketing is given to put into the page of another site, for a form that names that site."""
    tab = open_as(marketing, way)
    tab.goto("/r/lead_form/new")
    tab.locator("[name=name]").fill("官网留言")
    tab.locator("[name=title]").fill("联系我们")
    pick(tab, tab.locator("#field-pool"), "华东")
    sites = tab.locator("[name=sites]")
    sites.fill("鸢衡.example")
    is_sound(tab, way)
    save(tab, way)
    expect(tab.locator("#error-sites")).to_contain_text("鸢衡.example")
    expect(tab.locator("[name=title]")).to_have_value("联系我们")
    is_sound(tab, way)
    sites.fill(f"http://localhost:{elsewhere.port}")
    save(tab, way)
    expect(tab.locator("h1")).to_contain_text("官网留言")
    is_sound(tab, way)
    code = tab.locator(".form-address code").inner_text()
    return re.sub(r"https?://[^/]+", served, code)


def within(tab):
    """What the frame shows now."""
    return tab.locator("iframe").element_handle().content_frame()


def fits(frame):
    return frame.evaluate("document.documentElement.scrollWidth <= innerWidth")


@both_ways
def test_a_visitor_of_another_site_fills_it_in_there(
    open_tab, open_as, marketing, made, elsewhere, pool, way, rows
):
    """S-003: what is wrong is told at its field within the frame, with nothing lost; the lead says from
    which site it came; a machine is thanked, and nothing comes of it."""
    elsewhere.body = f"<main><h1>鸢衡机械</h1>{made}</main>"
    visitor = open_tab(way.size)
    visitor.goto(f"http://localhost:{elsewhere.port}/products")
    form = visitor.frame_locator("iframe")
    expect(form.get_by_role("heading", name="联系我们")).to_be_visible()
    assert fits(within(visitor))
    form.get_by_label("公司名称").fill("潍坊鼎源农机有限公司")
    form.get_by_label("手机").fill("12")
    form.get_by_role("button", name="提交").click()
    expect(form.locator("#error-mobile")).to_be_visible()
    expect(form.get_by_label("公司名称")).to_have_value("潍坊鼎源农机有限公司")
    assert (violations(within(visitor)), fits(within(visitor))) == ([], True)
    # What only machines see: no key leads there, and nobody is told of it.
    trap = form.locator("[name=website]")
    assert trap.get_attribute("tabindex") == "-1"
    assert trap.evaluate("(e) => e.closest('[aria-hidden=true]') !== null")
    trap.evaluate("(e) => { e.value = 'http://spam.example'; }")
    form.get_by_label("手机").fill("138 0536 1234")
    form.get_by_role("button", name="提交").click()
    expect(form.locator(".notice-good")).to_contain_text("谢谢")
    assert rows("lead") == []
    visitor.reload()
    form.get_by_label("公司名称").fill("潍坊鼎源农机有限公司")
    form.get_by_label("手机").fill("138 0536 1234")
    form.get_by_role("button", name="提交").click()
    expect(form.locator(".notice-good")).to_contain_text("谢谢")
    assert (violations(within(visitor)), fits(within(visitor))) == ([], True)
    expect(visitor.locator("iframe")).to_have_attribute("title", "联系我们")
    (lead,) = rows("lead")
    site = f"http://localhost:{elsewhere.port}"
    assert (lead["pool"], lead["mobile"]) == (pool, "13805361234")
    assert lead["origin"].startswith(site)
    tab = open_as(marketing, way)
    tab.goto(f"/r/lead/{lead['id']}")
    expect(tab.locator("main")).to_contain_text(site)
    is_sound(tab, way)


@both_ways
def test_no_other_site_shows_it(chromium, made, elsewhere, way):
    """S-003: not even the same machine by another name than the form knows it by."""
    elsewhere.body = f"<main><h1>别人的网站</h1>{made}</main>"
    context = chromium.new_context(viewport=way.size)
    tab = context.new_page()
    shown = tab.frame_locator("iframe").get_by_role("heading", name="联系我们")
    with tab.expect_console_message(lambda message: "frame-ancestors" in message.text):
        tab.goto(f"http://127.0.0.1:{elsewhere.port}/")
    expect(tab.get_by_role("heading", name="别人的网站")).to_be_visible()
    expect(shown).to_have_count(0)
    tab.goto(f"http://localhost:{elsewhere.port}/")
    expect(shown).to_be_visible()
    context.close()
