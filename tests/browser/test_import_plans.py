"""Several files in one go, as a person with a mouse, a phone or only a keyboard does it."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe import violations

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("exchange_sample",)


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (Path(__file__).resolve().parents[1] / "plugins",)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_files_are_dropped_corrected_rehearsed_and_imported(open_page, run_jobs, size, tmp_path):
    things = "name,keeper,size\nlamp,Ada Ng,小\ndesk,Ada Mg,大\n"
    (tmp_path / "things.csv").write_text(things, encoding="utf-8")
    (tmp_path / "users.csv").write_text("name,email\nAda Ng,ada@example.com\n", encoding="utf-8")

    def is_sound(tab):
        wide = tab.evaluate("document.documentElement.scrollWidth")
        assert (violations(tab), wide <= size["width"]) == ([], True), tab.url

    def press(name):
        """By keyboard alone."""
        tab.get_by_role("button", name=name, exact=True).first.focus()
        tab.keyboard.press("Enter")

    tab = open_page(size)
    tab.goto("/import-plans")
    is_sound(tab)
    tab.locator("[name=files]").set_input_files([tmp_path / "things.csv", tmp_path / "users.csv"])
    press("下一步")
    tab.wait_for_url("**/import-plans/*")
    assert tab.locator(".plan-steps tbody tr").count() == 2
    is_sound(tab)

    press("下移第 1 步")
    tab.locator(".plan-steps tbody tr").first.get_by_text("things.csv").wait_for()
    press("按引用关系排序")
    tab.locator(".plan-steps tbody tr").first.get_by_text("users.csv").wait_for()

    tab.get_by_role("link", name="things.csv").click()
    tab.wait_for_url("**/steps/2")
    tab.locator(".plan-mapping summary").nth(1).focus()
    tab.keyboard.press("Enter")
    is_sound(tab)
    tab.get_by_label("找不到时").select_option("empty")
    press("保存并返回计划")
    tab.wait_for_url("**/import-plans/*#steps")

    press("试运行")
    tab.wait_for_url("**/runs/*")
    is_sound(tab)
    run_jobs()
    tab.get_by_text("试运行完成").wait_for()  # it looks again by itself
    is_sound(tab)
    press("“Ada Mg”代表“Ada Ng”")
    tab.wait_for_url("**/import-plans/*#steps")
    press("开始导入")
    tab.wait_for_url("**/runs/*")
    run_jobs()
    tab.get_by_text("导入完成。").wait_for()
    tab.get_by_role("link", name="整体撤销").click()
    is_sound(tab)
    press("撤销导入")
    tab.wait_for_url("**/runs/*")
    run_jobs()
    tab.get_by_text("放入回收站").wait_for()
    is_sound(tab)
