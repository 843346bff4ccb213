"""On the road: a visit is checked in on a phone, with a picture, and waits for the network (S-247)."""

from __future__ import annotations

import base64
import re
import time

import pytest

from core.entities import query, service
from core.testing.installation import ADMIN, PASSWORD

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite")]

PHONE = {"width": 375, "height": 812}
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "activities")


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return ()


@pytest.fixture
def phone(chromium, served):
    """``phone(*permissions) -> tab`` of 375 × 812 points, signed in, in Weifang."""
    opened = []

    def make(*permissions):
        context = chromium.new_context(
            viewport=PHONE,
            has_touch=True,
            is_mobile=True,
            locale="zh-CN",
            base_url=served,
            permissions=list(permissions),
            geolocation={"latitude": 36.7069004, "longitude": 119.1618, "accuracy": 14.2},
        )
        context.set_default_timeout(10_000)
        opened.append(context)
        tab = context.new_page()
        tab.goto("/sign-in")
        tab.fill("[name=email]", ADMIN)
        tab.fill("[name=password]", PASSWORD)
        tab.click("main button")
        tab.wait_for_url("**/")
        return tab

    yield make
    for context in opened:
        context.close()


@pytest.fixture
def lead(unit_of_work):
    with unit_of_work() as uow:
        return service.create(uow, "lead", [{"company": "潍坊恒源食品有限公司"}])[0]


@pytest.fixture
def visits(unit_of_work):
    def read():
        with unit_of_work(write=False) as uow:
            return query.page(uow, "follow_up", query.ListQuery(sort="id")).items

    return read


def begin(tab, lead):
    tab.goto(f"/activities/follow-up?about=lead:{lead}&back=record")
    assert not tab.locator("[data-check-in-start]").is_visible(), "for visits alone"
    tab.locator(".pills label:has([value=visit])").click()
    tab.fill("[name=content]", "看了现场，量了立柱间距")


def fits(tab):
    return tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_visit_without_a_network_goes_along_whole_and_once(phone, lead, visits, unit_of_work):
    """Check-in, picture and words are sent once the network is back: with the moment of the check-in."""
    tab = phone("geolocation")
    begin(tab, lead)
    tab.context.set_offline(True)
    tab.locator("[data-check-in-start]").click()
    tab.locator("[data-check-in-noted]").wait_for()
    assert "36.706900, 119.161800 (±15 m)" in tab.locator("[data-check-in-place]").inner_text()
    checked_in = tab.input_value("[name=checked_in_at]")
    camera = tab.locator("[data-camera-for=photos]")
    assert tab.locator(".camera").is_visible()
    for n in (1, 2):  # one after the other, as a camera gives them
        camera.set_input_files({"name": f"现场{n}.png", "mimeType": "image/png", "buffer": PICTURE})
    assert tab.evaluate("document.querySelector('[name=photos]').files.length") == 2
    assert fits(tab)
    for _try in range(2):
        tab.locator(".form-actions .button-primary").click()
    assert tab.get_by_role("status").filter(has_text="尚未保存").count() == 1
    assert visits() == []
    time.sleep(1.1)
    tab.context.set_offline(False)
    tab.wait_for_url(re.compile(rf"/r/lead/{lead}"))
    (visit,) = visits()
    assert visit["checked_in_at"].isoformat(timespec="milliseconds")[:23] == checked_in[:23]
    assert (visit["created_at"] - visit["checked_in_at"]).total_seconds() > 1
    assert visit["accuracy"] == 15
    tab.locator(".timeline-pictures img").first.scroll_into_view_if_needed()
    assert tab.locator(".timeline-pictures img").count() == 2
    assert tab.locator(".timeline-place").get_attribute("href").startswith("geo:36.706900,119.16")
    assert fits(tab)


def test_who_refuses_is_told_and_saves_without(phone, lead, visits):
    """The browser is asked at a tap alone; what it had noted before can be taken away again."""
    tab = phone()
    begin(tab, lead)
    tab.locator("[data-check-in-start]").click()
    tab.locator("[data-check-in-state]", has_text="未获准").wait_for()
    tab.context.grant_permissions(["geolocation"])
    tab.locator("[data-check-in-start]").click()
    tab.locator("[data-check-in-remove]").click()
    assert tab.locator("[data-check-in-start]").is_visible()
    tab.locator(".form-actions .button-primary").click()
    tab.wait_for_url(re.compile(rf"/r/lead/{lead}"))
    assert visits()[0]["checked_in_at"] is None
