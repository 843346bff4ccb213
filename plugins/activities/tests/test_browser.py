"""In a real browser on a phone: a follow-up in three taps, without a complaint of the browser."""

from __future__ import annotations

import shutil
import threading

import pytest

from core.entities import query
from core.testing.installation import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite")]
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser")
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def phone(app, unit_of_work, team):
    """A phone's browser in which 傅宇恒 is signed in; what it complained of is empty in the end."""
    from werkzeug.serving import make_server

    from core.security.credentials import set_password

    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("there is no chromium on this machine")
    with unit_of_work() as uow:
        values = query.get(uow, "user", team.fu).values
        set_password(uow, team.fu, PASSWORD, email=values["email"], name=values["name"])
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    complaints = []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(viewport=PHONE, has_touch=True, locale="zh-CN")
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda told: told.type in ("error", "warning") and complaints.append(told.text),
        )
        page.goto(f"http://127.0.0.1:{server.server_port}/sign-in")
        page.fill("[name=email]", values["email"])
        page.fill("[name=password]", PASSWORD)
        page.click("form button.button-primary")
        page.wait_for_selector(".page-header")
        yield page
        browser.close()
    server.shutdown()
    thread.join()
    server.server_close()
    assert complaints == []


def is_narrow(page):
    return page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_follow_up_takes_three_taps(phone, make_lead, team, find):
    """Issue 4: from the first page, at 390 px; writing is no tap."""
    lead = make_lead(team.fu, company="潍坊恒源食品有限公司")
    taps = []

    def tap(selector):
        phone.tap(selector)
        taps.append(selector)

    assert is_narrow(phone)
    tap("a[href='/activities/follow-up?back=home']")
    phone.wait_for_selector("#field-about")
    assert is_narrow(phone)
    phone.fill("#field-about", "恒源")
    phone.wait_for_selector(".picker-list [role=option]")
    tap(".picker-list [role=option]")
    phone.fill("[name=content]", "约好周四上午看现场")
    tap(".form-actions .button-primary")
    phone.wait_for_selector(".toast")
    assert len(taps) == 3
    (row,) = find("follow_up")
    assert (row["related_id"], row["content"]) == (lead, "约好周四上午看现场")


def test_what_is_due_leads_to_its_form_at_one_tap(phone, make_lead, team, runtime, find):
    from datetime import timedelta

    now = runtime.clock.now()
    lead = make_lead(team.fu, status="following", next_follow_at=now - timedelta(days=2))
    phone.reload()
    phone.tap(".worklist .actions a")
    phone.wait_for_selector(".pills")
    phone.tap(".pills label:has([value=visit])")
    phone.tap(".pills label:has([value=date])")
    phone.fill("[name=next_follow_at]", "2099-01-31T09:00")
    phone.fill("[name=content]", "看了现场，量了立柱")
    phone.tap(".form-actions .button-primary")
    phone.wait_for_selector(".toast")
    (row,) = find("follow_up")
    assert (row["related_id"], row["kind"]) == (lead, "visit")
    assert row["next_follow_at"].year == 2099


def test_the_calendar_is_a_list_of_days(phone, give, team, runtime):
    give(team.fu, title="今天的任务", due_at=runtime.clock.now())
    phone.goto(phone.url.rstrip("/") + "/activities/calendar")
    phone.wait_for_selector(".agenda")
    assert is_narrow(phone)
    assert phone.locator(".agenda-day:visible").count() == 1
    assert phone.locator("text=今天的任务").is_visible()
