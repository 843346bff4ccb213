"""Who enters what somebody else has already is told who, and nothing of what they may not see."""

from __future__ import annotations

import gzip
from types import SimpleNamespace

import pytest
from flask import g, request, request_finished
from journeys import both_ways, is_sound, save

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

#: What the other has. What is typed is the same company by another name, or nearly.
NAME, PERSON, MOBILE, CODE = "潍坊鼎源农机有限公司", "王建国", "13805361234", "91110000600037341L"
SAME, ALIKE = "潍坊鼎源农机", "潍坊鼎原农机"


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "crm_sales")


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return ()


@pytest.fixture
def team(make_person):
    return SimpleNamespace(
        fu=make_person("傅宇恒", roles=("sales",), department="销售部/华东组"),
        yan=make_person("闫晓璐", roles=("sales",), department="销售部/华东组"),
    )


@pytest.fixture
def theirs(team, unit_of_work):
    """A lead and a customer of one seller, each with a person."""
    from core.entities import service

    with unit_of_work() as uow:
        lead = {"company": NAME, "contact_name": PERSON, "mobile": MOBILE, "owner": team.fu}
        (lead_id,) = service.create(uow, "lead", [lead])
        customer = {"name": NAME, "source": "展会", "uscc": CODE, "owner": team.fu}
        (customer_id,) = service.create(uow, "customer", [customer])
        contact = {"name": PERSON, "mobile": MOBILE, "customer": customer_id}
        service.create(uow, "contact", [contact])
    return SimpleNamespace(lead=lead_id, customer=customer_id)


@pytest.fixture
def answers(app):
    """``answers(person)``: each answer that they were sent, as (address, headers and text)."""
    sent = []

    def note(_app, response, **_more):
        if response.direct_passthrough or response.is_streamed:
            return
        body = response.get_data()
        if response.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        text = f"{response.headers}\n{body.decode(errors='replace')}"
        actor = g.get("actor")
        sent.append((actor and actor.user_id, request.full_path, text))

    with request_finished.connected_to(note, app):
        yield lambda person: [(address, text) for who, address, text in sent if who == person]


def leaks(answers, person, theirs, tab, but=()):
    """Where something of the other's records stands; what the person typed is no secret to them."""
    secrets = {NAME, PERSON, MOBILE, CODE, "****1234"} - {*but}
    secrets |= {f"/r/lead/{theirs.lead}", f"/r/customer/{theirs.customer}"}
    pages = [*answers(person), (tab.url, tab.content())]
    assert len(pages) > 5, "nothing was listened to"
    return {(secret, address) for address, text in pages for secret in secrets if secret in text}


def set_level(admin, way, group, name, level):
    """An administrator says what becomes of such records."""
    admin.goto(f"/admin/settings/{group}")
    admin.locator(f"[name={name}]").select_option(level)
    is_sound(admin, way)
    admin.locator("main .form-actions .button-primary").click()
    expect(admin.locator("#toasts")).to_contain_text(way("已保存", "Saved"))
    expect(admin.locator(f"[name={name}]")).to_have_value(level)


@both_ways
def test_a_lead_that_somebody_else_has_is_told_masked(
    open_as, admin_id, answers, team, theirs, way, rows
):
    """S-023: while somebody types by name, by a name that is alike and by number; then on save, which
    the company lets pass with a lasting remark, or refuses at the field with nothing lost."""
    tab = open_as(team.yan, way)
    tab.goto("/r/lead/new")
    company, mobile = tab.locator("[name=company]"), tab.locator("[name=mobile]")
    told = tab.locator("form [aria-live] .notice-warn p")
    has_it = way("傅宇恒 有该公司的线索。", "傅宇恒 has a lead of this company.")
    alike = way("傅宇恒 有名称相似的线索。", "傅宇恒 has a lead of a similar name.")
    numbered = way("傅宇恒 的线索使用此号码。", "A lead of 傅宇恒 has this number.")
    for typed, text, of_customer in (
        (
            SAME,
            has_it,
            way("同名客户由 傅宇恒 负责。", "A customer of that name is looked after by 傅宇恒."),
        ),
        (
            ALIKE,
            alike,
            way(
                "名称相似的客户由 傅宇恒 负责。",
                "A customer of a similar name is looked after by 傅宇恒.",
            ),
        ),
    ):
        company.fill("")
        expect(told).to_have_count(0)
        company.press_sequentially(typed)
        expect(told.filter(has_text=text)).to_be_visible()
        expect(told.filter(has_text=of_customer)).to_be_visible()
        expect(told.locator("a")).to_have_count(0)
        is_sound(tab, way)
    assert leaks(answers, team.yan, theirs, tab) == set()
    company.fill("")
    mobile.fill(MOBILE)
    expect(told.filter(has_text=numbered)).to_be_visible()
    expect(told.locator("a")).to_have_count(0)
    mobile.fill("")
    company.fill(SAME)
    expect(told.filter(has_text=has_it)).to_be_visible()
    save(tab, way)
    expect(tab.locator("h1")).to_contain_text(SAME)
    expect(tab.locator("main .notice-warn").first).to_contain_text(has_it)
    is_sound(tab, way)
    assert leaks(answers, team.yan, theirs, tab, but=(MOBILE,)) == set()
    admin = open_as(admin_id, way)
    set_level(admin, way, "crm_leads", "same_name", "refuse")
    set_level(admin, way, "crm_leads", "same_number", "refuse")
    tab.goto("/r/lead/new")
    company.fill(SAME)
    mobile.fill(MOBILE)
    tab.locator("[name=note]").fill("展会上聊过")
    save(tab, way)
    expect(tab.locator("#error-company")).to_contain_text(has_it)
    expect(tab.locator("#error-mobile")).to_contain_text(numbered)
    expect(tab.locator("[name=note]")).to_have_value("展会上聊过")
    is_sound(tab, way)
    assert leaks(answers, team.yan, theirs, tab, but=(MOBILE,)) == set()
    assert [row["company"] for row in rows("lead", sort="id")] == [NAME, SAME]
    # Whose it is reads its name, and opens it.
    owner = open_as(team.fu, way)
    owner.goto("/r/lead/new")
    owner.locator("[name=company]").fill(SAME)
    link = owner.locator("form [aria-live] .notice-warn a", has_text=NAME).first
    expect(link).to_have_attribute("href", f"/r/lead/{theirs.lead}")


@both_ways
def test_a_customer_that_somebody_else_has_is_told_masked(
    open_as, admin_id, answers, team, theirs, way, rows
):
    """S-023, S-029: in the short form; asked once before it is saved all the same, or refused; a credit
    code is refused as delivered."""
    tab = open_as(team.yan, way)
    tab.goto("/r/customer")
    tab.locator(".page-header a.button-primary").click()
    name, code, told = tab.locator("[name=name]"), tab.locator("[name=uscc]"), tab.locator("#same")
    has_it = way("同名客户由 傅宇恒 负责。", "A customer of that name is looked after by 傅宇恒.")
    alike = way(
        "名称相似的客户由 傅宇恒 负责。", "A customer of a similar name is looked after by 傅宇恒."
    )
    coded = way(
        "该信用代码的客户由 傅宇恒 负责。",
        "A customer of this credit code is looked after by 傅宇恒.",
    )
    for typed, text in ((SAME, has_it), (ALIKE, alike)):
        name.fill("")
        name.press_sequentially(typed)
        expect(told).to_contain_text(text)
        expect(told.locator("a")).to_have_count(0)
        is_sound(tab, way)
    assert leaks(answers, team.yan, theirs, tab) == set()
    name.fill(SAME)
    code.fill(CODE)
    tab.locator("[name=source]").select_option("展会")
    tab.locator("[name=contact_name]").fill("李海燕")
    expect(told).to_contain_text(coded)
    save(tab, way)
    expect(tab.locator("#error-uscc")).to_contain_text(coded)
    expect(tab.locator("[name=contact_name]")).to_have_value("李海燕")
    is_sound(tab, way)
    code.fill("")
    save(tab, way)
    expect(told).to_contain_text(has_it)
    is_sound(tab, way)
    again = tab.get_by_role("button", name=way("仍然保存", "Save all the same"), exact=True)
    again.click()
    expect(tab.locator("h1")).to_contain_text(SAME)
    expect(tab.locator("main .notice-warn").first).to_contain_text(has_it)
    is_sound(tab, way)
    assert leaks(answers, team.yan, theirs, tab, but=(CODE,)) == set()
    admin = open_as(admin_id, way)
    set_level(admin, way, "crm_sales", "same_name", "refuse")
    tab.goto("/crm_sales/customers/new")
    name.fill(SAME)
    tab.locator("[name=source]").select_option("展会")
    save(tab, way)
    expect(tab.locator("#error-name")).to_contain_text(has_it)
    expect(again).to_have_count(0)
    is_sound(tab, way)
    assert leaks(answers, team.yan, theirs, tab, but=(CODE,)) == set()
    assert [row["name"] for row in rows("customer", sort="id")] == [NAME, SAME]
    owner = open_as(team.fu, way)
    owner.goto("/crm_sales/customers/new")
    owner.locator("[name=name]").press_sequentially(SAME)
    expect(owner.locator("#same a", has_text=NAME).first).to_have_attribute(
        "href", f"/r/customer/{theirs.customer}"
    )
