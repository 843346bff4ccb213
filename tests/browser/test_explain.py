"""Asking why somebody sees a record: the record is found by typing (S-222)."""

from __future__ import annotations

import pytest

from core.entities import service

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_record_is_offered_once_its_kind_is_chosen(open_page, unit_of_work, make_person, size):
    person = make_person("李雷", roles=("worker",))
    with unit_of_work() as uow:
        service.create(uow, "order", [{"title": "北方订单"}, {"title": "南方订单"}])
    tab = open_page(size)
    tab.goto(f"/admin/explain?person={person}")
    tab.select_option("[name=entity]", "order")
    tab.locator("#field-id[role=combobox]").fill("北")
    tab.locator("[role=option]", has_text="北方订单").click()
    tab.locator("main .button-primary").click()
    tab.locator(".reason-no").first.wait_for()
    assert tab.locator("[name=id__label]").input_value() == "北方订单"
    assert tab.evaluate("document.documentElement.scrollWidth") <= size["width"]
