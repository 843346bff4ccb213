"""Draws sample pages with the design system, to look at it without a database or a server.

``python tools/preview_ui.py FOLDER`` writes the pages and their static files;
``--shots`` also takes screenshots of each page, in light, dark and at phone width.
"""

from __future__ import annotations

import argparse
import shutil
import threading
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from core.i18n import load_catalogues, use_locale
from core.theming import Renderer, Slots, StaticFiles, ThemeRegistry, build_environment

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = Path(__file__).with_name("preview_templates")
PAGES = ("components", "list", "detail", "form", "empty", "sign_in", "error")
CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"

NAVIGATION = (
    ("", (("工作台", "home"), ("待办", "checkbox"), ("日历", "calendar"))),
    ("销售", (("线索", "target-arrow"), ("客户", "building"), ("联系人", "address-book"),
             ("商机", "coin-yuan"), ("报价", "file-text"))),
    ("合同", (("合同", "signature"), ("回款", "cash"), ("发票", "receipt-yuan"))),
    ("服务", (("工单", "headset"), ("知识库", "bookmark"))),
    ("系统", (("应用", "apps"), ("设置", "settings"))),
)  # fmt: skip

LEADS = (
    ("重庆两江精密机械有限公司", "陈立群", "139****2041", "新线索", "展会", "186000.00", "王晓雯"),
    ("四川锦江新能源科技股份有限公司", "罗静", "136****7718", "跟进中", "官网", "1250000.00", "李默"),
    ("成都天府轨道装备制造有限责任公司", "赵启明", "188****0392", "跟进中", "转介绍", "3480000.00", "李默"),
    ("贵州乌江水务集团", "张海燕", "135****6620", "已转化", "电话", "92000.00", "周子涵"),
    ("西安高新仪器仪表厂", "刘建国", "137****5519", "无效", "官网", "", "王晓雯"),
    ("云南滇池生物制药有限公司", "杨帆", "150****8834", "新线索", "微信", "430500.00", ""),
    ("武汉光谷半导体材料有限公司", "胡蝶", "139****1176", "跟进中", "展会", "2760000.00", "周子涵"),
    ("长沙湘江重工", "彭涛", "138****9027", "新线索", "电话", "78000.00", "王晓雯"),
    ("Schneider Automation (Chongqing) Co., Ltd.", "Emma Li", "186****4410", "跟进中", "官网", "615000.00", "李默"),
)  # fmt: skip
TONES = {"新线索": "info", "跟进中": "warn", "已转化": "good", "无效": "neutral"}


@dataclass(frozen=True)
class Variant:
    """One way to look at a page."""

    name: str
    scheme: str
    width: int
    height: int


VARIANTS = (
    Variant("light", "light", 1440, 900),
    Variant("dark", "dark", 1440, 900),
    Variant("phone", "light", 390, 844),
    Variant("phone-dark", "dark", 390, 844),
)


def main() -> None:
    """Write the pages, and take their pictures when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--locale", default="zh_CN")
    parser.add_argument("--theme", default="default")
    parser.add_argument("--translations", type=Path, default=ROOT / "core" / "translations")
    parser.add_argument("--shots", action="store_true", help="needs playwright and Chromium")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--pages", default=",".join(PAGES))
    args = parser.parse_args()
    load_catalogues([args.translations])
    pages = args.pages.split(",")
    write_pages(args.folder, pages, args.locale, args.theme)
    if args.shots:
        take_shots(args.folder, pages, args.chromium)


def write_pages(folder: Path, pages: list[str], locale: str, theme: str) -> None:
    """Render each page once for each colour scheme, and copy the static files beside them."""
    themes = ThemeRegistry([ROOT / "themes"])
    static = ROOT / "core" / "static" / "core"
    shutil.copytree(static, folder / "static" / "core", dirs_exist_ok=True)
    for each in themes:
        shutil.copytree(each.static, folder / "static/themes" / each.name, dirs_exist_ok=True)
    renderer = _renderer(themes)
    with use_locale(locale):
        for scheme in ("light", "dark"):
            for page in pages:
                ui = renderer.macros("core/ui.html", theme)
                context = _context(page, scheme, locale, ui)
                html = renderer.render(_template(page), context, theme)
                (folder / f"{page}-{scheme}.html").write_text(html, encoding="utf-8")


def take_shots(folder: Path, pages: list[str], chromium: str) -> None:
    """Photograph the pages over loopback under the policy that the application sends."""
    from playwright.sync_api import sync_playwright

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for variant in VARIANTS:
            size = {"width": variant.width, "height": variant.height}
            tab = browser.new_page(viewport=size, has_touch=variant.width < 500)
            tab.on("console", lambda message: print(message.type, message.text))
            tab.on("pageerror", lambda error: print("error", error))
            for page in pages:
                tab.goto(f"{base}/{page}-{variant.scheme}.html")
                tab.wait_for_load_state("networkidle")
                overflow = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
                if overflow > 0:
                    print(f"{page} {variant.name}: {overflow} px too wide")
                tab.screenshot(path=folder / f"{page}-{variant.name}.png")
            tab.close()
        browser.close()
    server.shutdown()


class _Handler(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", CSP)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _renderer(themes: ThemeRegistry) -> Renderer:
    static = StaticFiles({"core": ROOT / "core" / "static"}, themes)
    return build_environment(
        template_folders={"core": ROOT / "core" / "templates", "preview": TEMPLATES},
        themes=themes,
        globals={
            "static_url": static.url,
            "csrf_token": lambda: "preview",
            "url": lambda name, **values: f"#{name}",
            "slot": Slots(["preview.aside"]),
        },
        strict=True,
    )


def _template(page: str) -> str:
    return f"core/{page}.html" if page in ("sign_in", "error") else f"preview/{page}.html"


def _context(page: str, scheme: str, locale: str, ui: Any) -> dict[str, Any]:
    return {
        "company": SimpleNamespace(name="山城重工", logo="", icon=""),
        "accent_sheets": (),
        "offline_url": "",
        "workspace": None,
        "current_user": SimpleNamespace(name="王晓雯", email="xiaowen@example.com"),
        "locale": locale,
        "color_scheme": scheme,
        "behind": "",
        "single_keys": True,
        "help_url": "/help/lists",
        "is_narrow": False,
        "beginnings": [],
        "unread": "",
        "navigation": _navigation({"detail": "客户"}.get(page, "线索")),
        "messages": [("good", "已保存 3 条线索")] if page == "components" else [],
        "columns": _columns(),
        "rows": [_row(number, ui) for number in range(25)],
        "code": 404,
        "title": "没有这个页面",
        "text": "它可能已被删除，或者您没有权限查看。",
        "reference": "7f3a-20c1",
    }


def _navigation(active: str) -> list[dict[str, Any]]:
    return [
        {
            "title": title,
            "items": [
                {"label": label, "icon": icon, "url": "#", "active": label == active}
                for label, icon in items
            ],
        }
        for title, items in NAVIGATION
    ]


def _columns() -> list[dict[str, Any]]:
    return [
        {"label": "公司", "kind": "primary", "sort_url": "#"},
        {"label": "联系人"},
        {"label": "手机"},
        {"label": "状态"},
        {"label": "来源"},
        {"label": "预计金额", "kind": "number", "sort_url": "#", "sorted": "descending"},
        {"label": "负责人"},
        {"label": "下次跟进", "kind": "date", "sort_url": "#"},
    ]


def _row(number: int, ui: Any) -> dict[str, Any]:
    company, contact, mobile, status, source, amount, owner = LEADS[number % len(LEADS)]
    badge = ui.badge(status, TONES[status])
    money = f"{Decimal(amount):,.2f}" if amount else ""
    day = f"2026-{1 + number % 12:02}-{1 + number:02}" if number % 4 else ""
    cells = [company, contact, mobile, badge, source, money, ui.person(owner), day]
    muted = status == "无效"
    return {"id": number, "label": company, "cells": cells, "url": "#", "muted": muted}


if __name__ == "__main__":
    main()
