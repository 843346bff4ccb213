#!/usr/bin/env python3
"""Take the pictures of docs/screenshots from a fresh demo installation, in Chinese.

    tools/screenshots.py [FOLDER]         those of the documentation
    tools/screenshots.py --all FOLDER     every main page: each theme, light, dark and on a phone,
                                          or those that are named, as in 'default-*-light'

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
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "screenshots"
DESK, PHONE = (1120, 700), (390, 844)
MAX_BYTES = 240_000
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
#: The one without a window does the same in half the time.
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser")
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


def _first_person(page: Page) -> None:
    page.locator("a.record-link").first.click()
    page.locator(".account").wait_for()


def _about(address: str) -> Callable[[Page], None]:
    """Opens an address in which ``{}`` stands for the first record of the list."""

    def go(page: Page) -> None:
        first = page.locator("a.record-link").first.get_attribute("href") or ""
        page.goto(address.format(first.rpartition("/")[2]))
        page.wait_for_load_state("networkidle")

    return go


def _offer(page: Page) -> None:
    """What a customer sees behind the link of a quote that was sent."""
    _about("/crm_sales/quotes/{}/link")(page)
    page.locator(".quote-link .button-primary").click()
    page.goto(urlsplit(page.locator("[name=address]").input_value()).path)


def _check_in(page: Page) -> None:
    """A visit at which somebody is: what the form shows once the device has told where."""
    page.locator("[data-check-in-start]").click()
    page.locator("[data-check-in-noted]").wait_for()


def _palette(page: Page) -> None:
    page.keyboard.press("Control+k")
    page.keyboard.type("xj")
    page.locator("#search-offers [role=option]").first.wait_for()


def _look(page: Page) -> None:
    page.locator("a.record-link").first.focus()
    page.keyboard.press("Space")
    page.locator("#look .timeline, #look .none").first.wait_for()


def _month_before(page: Page) -> None:
    """At the beginning of a month there is little to be seen of it."""
    page.locator(".periods a").first.click()
    page.wait_for_load_state("networkidle")


def _bin(page: Page) -> None:
    """With something in it."""
    page.locator("tbody [name=ids]").first.check()
    page.locator(".bulk-bar button[formaction$='/delete']").click()
    page.goto("/r/lead/bin")


def _merge(page: Page) -> None:
    links = page.locator("a.record-link")
    ids = [(links.nth(n).get_attribute("href") or "").rpartition("/")[2] for n in range(2)]
    page.goto("/r/customer/merge?" + "&".join(f"ids={key}" for key in ids))


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
    """One picture: what to open, as whom (nobody: signed out), how large, in which scheme and theme,
    and what to do first."""

    name: str
    path: str
    who: str = ADMIN
    size: tuple[int, int] = DESK
    scheme: str = "light"
    prepare: Callable[[Page], None] | None = None
    theme: str = "default"


#: Quotes that can still be changed, and those that a customer may answer.
_DRAFT = "/r/quote?filter_field=status&filter_op=in&filter_value=draft"
_SENT = "/r/quote?filter_field=status&filter_op=in&filter_value=submitted"
#: Where the pictures are taken: the gate of a fair ground.
_HERE = {"latitude": 36.7069, "longitude": 119.1618, "accuracy": 12}

SHOTS = (
    Shot("home", "/", SELLER),
    Shot("list", "/r/lead"),
    Shot("filter", "/r/lead?filtering=1", prepare=_filter_open),
    Shot("board", "/r/lead?layout=board"),
    Shot("calendar", "/activities/calendar", SELLER),
    Shot("numbers", "/activities/statistics"),
    Shot("follow-up-phone", "/activities/follow-up", SELLER, PHONE),
    Shot("record", "/r/lead", SELLER, prepare=_first),
    Shot("form", "/r/lead/new", SELLER),
    Shot("import", "/r/lead/import", prepare=_preview),
    Shot("role", "/admin/roles", prepare=_matrix),
    Shot("list-dark", "/r/lead", scheme="dark"),
    Shot("record-dark", "/r/lead", SELLER, scheme="dark", prepare=_first),
    Shot("home-phone", "/", SELLER, PHONE),
    Shot("list-phone", "/r/lead", SELLER, PHONE),
    Shot("record-phone-dark", "/r/lead", SELLER, PHONE, "dark", prepare=_first),
    Shot("home-dark", "/", SELLER, scheme="dark"),
    Shot("board-dark", "/r/lead?layout=board", scheme="dark"),
    Shot("board-phone", "/r/lead?layout=board", SELLER, PHONE),
    Shot("calendar-dark", "/activities/calendar", SELLER, scheme="dark"),
    Shot("calendar-phone", "/activities/calendar", SELLER, PHONE),
    Shot("form-dark", "/r/lead/new", SELLER, scheme="dark"),
    Shot("form-phone", "/r/lead/new", SELLER, PHONE),
    Shot("import-phone-dark", "/r/lead/import", size=PHONE, scheme="dark", prepare=_preview),
    Shot("search", "/search?q=潍坊", SELLER),
    Shot("notifications", "/notifications", SELLER),
    Shot("profile", "/profile", SELLER),
    Shot("customer", "/r/customer", SELLER, prepare=_first),
    Shot("customer-phone", "/r/customer", SELLER, PHONE, prepare=_first),
    Shot("contract", "/r/contract", prepare=_first),
    Shot("outcomes", "/crm_sales/outcomes"),
    Shot("people", "/admin/people"),
    Shot("modules", "/admin/apps"),
    Shot("appearance", "/admin/settings/appearance"),
    Shot("deals", "/r/opportunity?layout=board"),
    Shot("quote-lines", _DRAFT, prepare=_about("/crm_sales/quotes/{}/lines")),
    Shot("offer-phone", _SENT, size=PHONE, prepare=_offer),
    Shot("forecast", "/crm_sales/forecast"),
    Shot("targets", "/crm_sales/targets"),
    Shot("channels", "/crm_leads/channels"),
    Shot("merge", "/r/customer", prepare=_merge),
    Shot("workspaces", "/admin/workspaces"),
    Shot("cockpit", "/crm_sales/cockpit", prepare=_month_before),
    Shot("cockpit-dark", "/crm_sales/cockpit", scheme="dark", prepare=_month_before),
    Shot("cockpit-phone", "/crm_sales/cockpit", size=PHONE, prepare=_month_before),
    Shot("goals", "/crm_sales/goals"),
    Shot("goals-phone-dark", "/crm_sales/goals", size=PHONE, scheme="dark"),
    Shot("funnel", "/crm_sales/funnel"),
    Shot("league", "/crm_sales/league", prepare=_month_before),
    Shot("check-in-phone", "/activities/follow-up?kind=visit", SELLER, PHONE, prepare=_check_in),
    Shot("look", "/r/lead", SELLER, prepare=_look),
    Shot("palette", "/", SELLER, prepare=_palette),
    Shot("planner", "/r/task?layout=calendar", SELLER),
    Shot("bin", "/r/lead", prepare=_bin),
    Shot("settings", "/admin/settings"),
    Shot("audit", "/admin/audit"),
    Shot("jobs", "/admin/jobs"),
    Shot("help", "/help"),
    Shot("sign-in", "/sign-in", ""),
    Shot("sign-in-phone-dark", "/sign-in", "", PHONE, "dark"),
    Shot("qinglu-list", "/r/lead", theme="qinglu"),
    Shot("qinglu-record-dark", "/r/lead", SELLER, scheme="dark", prepare=_first, theme="qinglu"),
    Shot("qinglu-list-phone", "/r/lead", SELLER, PHONE, theme="qinglu"),
    Shot("qinglu-sign-in", "/sign-in", "", theme="qinglu"),
)

#: Main pages, and what to do first on them.
PAGES: tuple[tuple[str, str, Callable[[Page], None] | None], ...] = (
    ("home", "/", None),
    ("list", "/r/lead", None),
    ("filter", "/r/lead?filtering=1", None),
    ("record", "/r/lead", _first),
    ("form", "/r/lead/new", None),
    ("import", "/r/lead/import", None),
    ("search", "/search?q=%E6%9C%BA%E6%A2%B0", None),
    ("notifications", "/notifications", None),
    ("profile", "/profile", None),
    ("absences", "/profile/absences", None),
    ("own-jobs", "/jobs", None),
    ("bin", "/r/lead", _bin),
    ("look", "/r/lead", _look),
    ("palette", "/", _palette),
    ("export", "/r/lead/export", None),
    ("past-imports", "/r/lead/imports", None),
    ("import-plans", "/import-plans", None),
    ("apps", "/admin/apps", None),
    ("people", "/admin/people", None),
    ("person", "/admin/people", _first_person),
    ("departments", "/admin/departments", None),
    ("usage", "/admin/usage", None),
    ("roles", "/admin/roles", None),
    ("role", "/admin/roles", _matrix),
    ("settings", "/admin/settings", None),
    ("appearance", "/admin/settings/appearance", None),
    ("audit", "/admin/audit", None),
    ("jobs", "/admin/jobs", None),
    ("background", "/admin/jobs/background", None),
    ("backups", "/admin/backups", None),
    ("workspaces", "/admin/workspaces", None),
    ("pilot", "/admin/apps/crm_sales/open", None),
    ("hand-over", "/r/user", _about("/admin/people/{}/hand-over")),
    ("privacy", "/admin/privacy", None),
    ("fields", "/admin/fields/customer", None),
    ("help", "/help", None),
    ("help-topic", "/help/lists", None),
    ("board", "/r/opportunity?layout=board", None),
    ("customers", "/r/customer", None),
    ("customer", "/r/customer", _first),
    ("new-customer", "/crm_sales/customers/new", None),
    ("merge", "/r/customer", _merge),
    ("opportunity", "/r/opportunity", _first),
    ("funnel", "/crm_sales/funnel", None),
    ("cockpit", "/crm_sales/cockpit", _month_before),
    ("goals", "/crm_sales/goals", None),
    ("goal", "/r/goal", _first),
    ("outcomes", "/crm_sales/outcomes", None),
    ("quotes", "/r/quote", None),
    ("quote", "/r/quote", _first),
    ("new-quote", "/crm_sales/quotes/new", None),
    ("quote-lines", _DRAFT, _about("/crm_sales/quotes/{}/lines")),
    ("quote-prices", "/r/quote", _about("/crm_sales/quotes/{}/prices")),
    ("quote-versions", _SENT, _about("/crm_sales/quotes/{}/versions")),
    ("offer", _SENT, _offer),
    ("price", "/crm_sales/price", None),
    ("contracts", "/r/contract", None),
    ("contract", "/r/contract", _first),
    ("price-lists", "/r/price_list", None),
    ("targets", "/crm_sales/targets", None),
    ("forecast", "/crm_sales/forecast", None),
    ("league", "/crm_sales/league", None),
    ("campaigns", "/r/campaign", None),
    ("campaign", "/r/campaign", _first),
    ("new-campaign", "/r/campaign/new", None),
    ("channels", "/crm_leads/channels", None),
    ("returns", "/crm_leads/returns", None),
    ("agenda", "/activities/calendar", None),
    ("planner", "/r/task?layout=calendar", None),
    ("tasks", "/r/task", None),
    ("new-task", "/activities/task", None),
    ("follow-ups", "/r/follow_up", None),
    ("follow-up", "/activities/follow-up", None),
    ("check-in", "/activities/follow-up?kind=visit", _check_in),
    ("answers", "/activities/answers", None),
    ("statistics", "/activities/statistics", None),
    ("handover", "/activities/handover", None),
    ("spot-check", "/activities/spot-check", None),
)


def every_page(themes: list[str]) -> Iterator[Shot]:
    """Each main page and the signed-out ones, in each theme, scheme and size."""
    for theme in themes:
        for look, scheme, size in (
            ("light", "light", (1440, 900)),
            ("dark", "dark", (1440, 900)),
            ("phone", "light", PHONE),
            ("phone-dark", "dark", PHONE),
        ):
            for name, path, prepare in PAGES:
                yield Shot(f"{theme}-{name}-{look}", path, ADMIN, size, scheme, prepare, theme)
            for name in ("sign-in", "offline"):
                yield Shot(f"{theme}-{name}-{look}", f"/{name}", "", size, scheme, None, theme)


@contextmanager
def demo() -> Iterator[tuple[str, Callable[[str], None], list[str]]]:
    """The address of a served demo installation, a switch for its theme, and the names of themes."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DOUGONG_HOME"] = folder
        command = [sys.executable, "-c", "from core.cli import main; main()", "init", "--demo"]
        command += ["--admin", ADMIN, "--password", PASSWORD]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        sys.path.insert(0, str(ROOT))
        from werkzeug.serving import make_server

        from core.app import create_app
        from core.security.actor import SYSTEM
        from core.settings.service import put_settings
        from core.work.rq import open_doorbell, porter
        from core.work.uow import Origin, UnitOfWork

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        app = create_app()

        def switch(theme: str) -> None:
            with UnitOfWork(app.extensions["dougong"], SYSTEM, origin=Origin("cli")) as uow:
                put_settings(uow, "core", {"theme": theme})

        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        worker = porter(app.extensions["dougong"], open_doorbell(None))  # makes the search's index
        worker.start()
        names = [theme.name for theme in app.extensions["dougong.themes"]]
        try:
            yield f"http://127.0.0.1:{server.server_port}", switch, names
        finally:
            worker.stop(timeout=10)
            server.shutdown()
            thread.join()


class Camera:
    """Takes pictures; who has signed in at a size and in a scheme stays so."""

    def __init__(self, browser: Browser, base: str, switch: Callable[[str], None]) -> None:
        self._browser, self._base, self._switch = browser, base, switch
        self._theme = ""
        self._tabs: dict[tuple[object, ...], Page] = {}

    def take(self, shot: Shot, folder: Path) -> Path:
        """Open the page, and write its picture."""
        if shot.theme != self._theme:
            self._switch(shot.theme)
            self._theme = shot.theme
        page = self._tab(shot)
        page.goto(shot.path)
        page.wait_for_load_state("networkidle")
        if shot.prepare:
            shot.prepare(page)
        target = folder / f"{shot.name}.png"
        page.screenshot(path=target, animations="disabled")
        return target

    def _tab(self, shot: Shot) -> Page:
        key = (shot.who, shot.size, shot.scheme)
        if key not in self._tabs:
            self._tabs[key] = self._signed_in(shot)
        return self._tabs[key]

    def _signed_in(self, shot: Shot) -> Page:
        from plugins.crm_leads.demo import DEMO_PASSWORD

        width, height = shot.size
        context = self._browser.new_context(
            base_url=self._base,
            locale="zh-CN",
            viewport={"width": width, "height": height},
            color_scheme="dark" if shot.scheme == "dark" else "light",
            geolocation=_HERE,
            permissions=["geolocation"],
        )
        page = context.new_page()
        if shot.who:
            page.goto("/sign-in")
            page.fill("[name=email]", shot.who)
            page.fill("[name=password]", PASSWORD if shot.who == ADMIN else DEMO_PASSWORD)
            page.click("main button")
            page.wait_for_url(f"{self._base}/")
        return page


def _pack(picture: Path) -> None:
    """A palette of 256 colours shows our pages as well, in half the bytes: the farthest apart, for the
    accent is rare on many a page."""
    from PIL import Image

    with Image.open(picture) as opened:
        packed = opened.convert("RGB").quantize(
            256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
    packed.save(picture, optimize=True)


def _is_named(name: str, patterns: list[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def main() -> None:
    from playwright.sync_api import sync_playwright

    arguments = sys.argv[1:]
    everything = arguments[:1] == ["--all"]
    rest = arguments[1:] if everything else arguments
    folder = Path(rest[0]) if rest else TARGET
    if everything and not rest:
        raise SystemExit("say where to: tools/screenshots.py --all FOLDER")
    folder.mkdir(parents=True, exist_ok=True)
    chromium = next(filter(None, map(shutil.which, PROGRAMS)), None)
    with demo() as (base, switch, themes), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        camera = Camera(browser, base, switch)
        wanted = every_page(themes) if everything else SHOTS
        for shot in (each for each in wanted if _is_named(each.name, rest[1:])):
            target = camera.take(shot, folder)
            if not everything:
                _pack(target)
            size = target.stat().st_size
            print(f"{target.name:32}{size / 1000:6.0f} KB")
            if size > MAX_BYTES and not everything:
                raise SystemExit(f"{target.name} is larger than {MAX_BYTES} bytes")
        browser.close()


if __name__ == "__main__":
    main()
