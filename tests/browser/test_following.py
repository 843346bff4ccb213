"""Forms that follow the company's rules while they are filled in, in Chromium."""

from __future__ import annotations

import pytest

from core.customize.ruling import set_rules

DONE = {"field": "status", "op": "eq", "value": "done"}


@pytest.fixture
def rules(unit_of_work, admin_id):
    """Hours and their note are asked for when an order is done."""
    with unit_of_work(admin_id) as uow:
        message = {"zh_CN": "至少一小时", "en": "One hour at least"}
        asked = {
            "visible_when": DONE,
            "required": True,
            "validation": "hours >= 1",
            "message": message,
        }
        set_rules(uow, "order", "hours", asked)
        set_rules(uow, "order", "pieces", {"required_when": DONE})


@pytest.mark.databases("sqlite")
def test_fields_appear_and_vanish_as_the_form_is_filled_in(rules, open_page):
    """S2: what was typed is kept while a field is away; screen readers are told; focus is not lost."""
    page = open_page()
    page.goto("/r/order/new")
    hours, pieces = page.locator("[name=hours]"), page.locator("[name=pieces]")
    assert hours.is_hidden()
    assert page.locator("[data-follows=pieces] .required").count() == 0
    page.fill("[name=title]", "Frame")
    page.select_option("[name=status]", "done")
    hours.wait_for(state="visible")
    assert hours.get_attribute("required") is not None
    assert pieces.get_attribute("required") is not None
    assert "Hours" in page.text_content("[data-follow-state]")
    assert "Pieces" in page.text_content("[data-follow-state]")
    hours.fill("7")
    page.select_option("[name=status]", "open")
    hours.wait_for(state="hidden")
    assert page.locator("[data-follows=pieces] .required").count() == 0
    page.select_option("[name=status]", "done")
    hours.wait_for(state="visible")
    assert hours.input_value() == "7"


@pytest.mark.databases("sqlite")
@pytest.mark.long
def test_a_field_that_vanishes_hands_its_focus_on(rules, open_page):
    page = open_page()
    page.goto("/r/order/new")
    page.select_option("[name=status]", "done")
    page.locator("[name=hours]").wait_for(state="visible")
    page.evaluate(
        """() => {
            document.querySelector("[name=hours]").focus();
            const status = document.querySelector("[name=status]");
            status.value = "open";
            status.dispatchEvent(new Event("change", { bubbles: true }));
        }"""
    )
    page.locator("[name=hours]").wait_for(state="hidden")
    assert page.evaluate("document.activeElement.name") == "pieces"


@pytest.mark.databases("sqlite")
@pytest.mark.long
def test_the_message_stands_beside_the_field(rules, open_page):
    """S2: what is refused is said in the company's words, where it is to be mended."""
    page = open_page()
    page.goto("/r/order/new")
    page.fill("[name=title]", "Frame")
    page.fill("[name=pieces]", "1")
    page.select_option("[name=status]", "done")
    page.locator("[name=hours]").wait_for(state="visible")
    page.fill("[name=hours]", "0.5")
    page.click(".form-actions .button")
    assert "至少一小时" in page.text_content("#error-hours")
    page.fill("[name=hours]", "2")
    page.click(".form-actions .button")
    page.wait_for_url("**/r/order/*")


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("scripts", [True, pytest.param(False, marks=pytest.mark.long)])
def test_rules_are_set_without_code(open_page, scripts):
    """A condition is chosen, told back as a sentence, weighed, and put into force."""
    page = open_page(scripts=scripts)
    page.goto("/admin/fields/order/hours/rules")
    box = page.locator("#field-required_when")
    box.locator("[name=filter_field]").select_option("status")
    if scripts:
        box.locator("[data-choices]").wait_for()
    else:
        page.click(".form-actions .button")
    box.locator("summary").click()
    box.locator("[name=filter_value][value=done]").check()
    page.click(".form-actions .button")
    assert "Done" in page.text_content("#told")
    page.click("#told .button-primary")
    page.goto("/r/order/new?status=done")
    assert page.locator("[data-follows=hours] .required").count() == 1
