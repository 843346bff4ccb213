"""A lead is converted: what was typed outlives a reload, the end of the session and an impatient finger."""

from __future__ import annotations

import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.security.models import session_table
from core.testing.installation import ADMIN, PASSWORD

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "crm_sales")


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return ()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_that_was_typed_is_lost(open_page, size, unit_of_work, admin_id):
    with unit_of_work() as uow:
        values = {"company": "潍坊鼎源农机有限公司", "source": "展会", "owner": admin_id}
        (lead,) = service.create(uow, "lead", [values])
    tab = open_page(size)
    tab.goto(f"/r/lead/{lead}")
    tab.get_by_role("button", name="转化", exact=True).click()
    tab.wait_for_url(f"**/crm_sales/leads/{lead}/convert")
    tab.locator("[name=opportunity]").fill("码垛机两台")
    tab.locator("[name=source]").select_option("电话营销")
    expect(tab.locator("[data-draft-state]")).to_be_visible()
    tab.once("dialog", lambda dialog: dialog.accept())
    tab.goto(f"/crm_sales/leads/{lead}/convert")
    assert tab.locator("[name=opportunity]").input_value() == ""
    tab.locator(".drafts a").first.click()
    expect(tab.locator("[name=opportunity]")).to_have_value("码垛机两台")
    expect(tab.locator("[name=source]")).to_have_value("电话营销")
    tab.locator("[name=opportunity]").fill("码垛机三台")
    with unit_of_work() as uow:
        uow.execute(session_table.delete())
    tab.locator(".form-actions .button-primary").click()
    tab.wait_for_url("**/sign-in**")
    tab.fill("[name=email]", ADMIN)
    tab.fill("[name=password]", PASSWORD)
    tab.click("main button")
    tab.wait_for_url(f"**/crm_sales/leads/{lead}/convert?draft=*")
    expect(tab.locator("[name=opportunity]")).to_have_value("码垛机三台")
    tab.locator(".form-actions .button-primary").dblclick()
    tab.wait_for_url(f"**/r/lead/{lead}")
    with unit_of_work(write=False) as uow:
        (deal,) = query.page(uow, "opportunity", ListQuery()).items
        assert deal["name"] == "码垛机三台"
        assert query.count(uow, "customer", ListQuery()) == 1
