#!/usr/bin/env python3
"""Take the pictures of docs/screenshots from a fresh demo installation, in Chinese.

    tools/screenshots.py [FOLDER]

Needs playwright and a Chromium; the installation lives in a temporary folder and answers on the
loopback interface alone.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "screenshots"
DESK, PHONE = (1120, 700), (390, 844)
MAX_BYTES = 200_000
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
ADMIN, PASSWORD = "boss@example.com", "a calm roof of brackets"
SELLER = "fu.yuheng@yuanheng.example"


def _filter_open(page: Page) -> None:
    page.locator("[name=filter_field]").select_option("status")
    page.locator("[data-choices] summary").click()


def _matrix(page: Page) -> None:
    page.goto("/admin/roles")
    page.get_by_role("link", name="销售主管").click()
    page.locator(".page-header .button-primary").click()
    page.locator(".matrix").wait_for()


def _first(page: Page) -> None:
    page.locator("a.record-link").first.click()
    page.locator(".timeline").wait_for()


def _preview(page: Page) -> None:
    rows = "公司名称,联系人,手机,预计金额,录入日期\n" + "\n".join(SAMPLE)
    file = {"name": "展会名单.csv", "mimeType": "text/csv", "buffer": rows.encode("gb18030")}
    page.set_input_files("input[type=file]", file)
    page.locator(".exchange-form .button-primary").last.click()
    page.wait_for_url("**/import/*")
    page.locator("main .exchange-form .button-primary").click()
    page.wait_for_url("**/preview?*")


#: Rows as a sales team keeps them; one cannot be imported.
SAMPLE = (
    "潍坊鼎源农机有限公司,王建国,１３８００１３８０００,￥120000.00,2026年3月5日",
    "青岛恒泰物流 有限公司,李燕,139-0013-9000,1.2万,2026/3/6",
    "济南凯沃精密部件有限公司,张经理,12345,80000,2026-03-06",
    "烟台瑞丰食品股份有限公司,赵玉兰,+86 15000150000,35万,20260307",
)


class Shot(NamedTuple):
    """One picture: what to open, as whom, how large, in which scheme, and what to do first."""

    name: str
    path: str
    who: str = ADMIN
    size: tuple[int, int] = DESK
    scheme: str = "light"
    prepare: Callable[[Page], None] | None = None


SHOTS = (
    Shot("home", "/", SELLER),
    Shot("list", "/r/lead"),
    Shot("filter", "/r/lead?filtering=1", prepare=_filter_open),
    Shot("record", "/r/lead", SELLER, prepare=_first),
    Shot("form", "/r/lead/new", SELLER),
    Shot("import", "/r/lead/import", prepare=_preview),
    Shot("role", "/admin/roles", prepare=_matrix),
    Shot("list-dark", "/r/lead", scheme="dark"),
    Shot("record-dark", "/r/lead", SELLER, scheme="dark", prepare=_first),
    Shot("home-phone", "/", SELLER, PHONE),
    Shot("list-phone", "/r/lead", SELLER, PHONE),
    Shot("record-phone-dark", "/r/lead", SELLER, PHONE, "dark", prepare=_first),
)


@contextmanager
def demo() -> Iterator[str]:
    """The address of a served demo installation."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DOUGONG_HOME"] = folder
        command = [sys.executable, "-c", "from core.cli import main; main()", "init", "--demo"]
        command += ["--admin", ADMIN, "--password", PASSWORD]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        sys.path.insert(0, str(ROOT))
        from werkzeug.serving import make_server

        from core.app import create_app

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = make_server("127.0.0.1", 0, create_app(), threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def take(browser: Browser, base: str, shot: Shot, folder: Path) -> None:
    """Sign in, open the page, and write its picture."""
    from plugins.crm_leads.demo import DEMO_PASSWORD

    width, height = shot.size
    context = browser.new_context(
        base_url=base,
        locale="zh-CN",
        viewport={"width": width, "height": height},
        color_scheme="dark" if shot.scheme == "dark" else "light",
    )
    page = context.new_page()
    page.goto("/sign-in")
    page.fill("[name=email]", shot.who)
    page.fill("[name=password]", PASSWORD if shot.who == ADMIN else DEMO_PASSWORD)
    page.click("main button")
    page.wait_for_url(f"{base}/")
    page.goto(shot.path)
    if shot.prepare:
        shot.prepare(page)
    target = folder / f"{shot.name}.png"
    page.screenshot(path=target, animations="disabled")
    context.close()
    size = target.stat().st_size
    print(f"{target.name:24}{size / 1000:6.0f} KB")
    if size > MAX_BYTES:
        raise SystemExit(f"{target.name} is larger than {MAX_BYTES} bytes")


def main() -> None:
    from playwright.sync_api import sync_playwright

    folder = Path(sys.argv[1]) if sys.argv[1:] else TARGET
    folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with demo() as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for shot in SHOTS:
            take(browser, base, shot, folder)
        browser.close()


if __name__ == "__main__":
    main()
