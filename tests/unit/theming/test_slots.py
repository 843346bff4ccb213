"""Slots must be declared, respect what is enabled, and survive a failing plugin."""

from __future__ import annotations

import pytest

from core.theming import Slots, UnknownSlot


def fail() -> str:
    raise RuntimeError("broken")


def test_filling_an_undeclared_slot_is_an_error():
    with pytest.raises(UnknownSlot, match="page"):
        Slots().fill("page.aside", str, owner="crm")


def test_declaring_twice_keeps_the_fillings():
    slots = Slots(["page.aside"])
    slots.fill("page.aside", lambda: "here", owner="crm")
    slots.declare("page.aside")
    assert slots("page.aside") == "here"


def test_filling_of_a_disabled_plugin_stays_out_until_it_is_enabled():
    enabled: set[str] = set()
    slots = Slots(["page.aside"], is_enabled=lambda owner: owner in enabled)
    slots.fill("page.aside", lambda: "here", owner="crm")
    assert slots("page.aside") == ""
    enabled.add("crm")
    assert slots("page.aside") == "here"


def test_failing_filling_is_logged_and_the_others_remain(caplog):
    slots = Slots(["page.aside"])
    slots.fill("page.aside", fail, owner="bad", order=1)
    slots.fill("page.aside", lambda: "good", owner="crm")
    assert slots("page.aside") == "good"
    assert "bad failed" in caplog.text
    assert "broken" in caplog.text


def test_failing_filling_raises_when_strict():
    slots = Slots(["page.aside"], strict=True)
    slots.fill("page.aside", fail, owner="bad")
    with pytest.raises(RuntimeError, match="broken"):
        slots("page.aside")
