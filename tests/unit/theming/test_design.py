"""What we ship to the browser: strict policy, readable contrast, complete tokens, small size."""

from __future__ import annotations

import gzip
import importlib.util
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from core.i18n import ngettext
from core.theming import StaticFiles, ThemeRegistry, build_environment

ROOT = Path(__file__).resolve().parents[3]
STATIC = ROOT / "core" / "static" / "core"
TEMPLATES = sorted(
    path
    for folder in (ROOT / "core/templates/core", *(ROOT / "themes").glob("*/templates"))
    for path in folder.rglob("*.html")
)
THEMES = ThemeRegistry([ROOT / "themes"])
NAMES = [theme.name for theme in THEMES]
CORE_SHEETS = tuple(STATIC / name for name in ("app.css", "forms.css", "lists.css"))

#: Each would need a looser policy than ``script-src 'self'; style-src 'self'``.
FORBIDDEN = {
    "inline style": r"\sstyle\s*=",
    "style element": r"<style",
    "inline script": r"<script(?![^>]*\ssrc=)",
    "event attribute": r"\son[a-z]+\s*=",
    "hx-on": r"hx-on",
    "filter in hx-trigger": r"hx-trigger=\"[^\"]*\[",
    "code in an address or a value": r"(javascript|js):",
}


def declared(theme: str, file: str) -> dict[str, str]:
    """The tokens that one file of a theme sets itself."""
    path = THEMES.get(theme).static / file
    return dict(re.findall(r"--([\w-]+):\s*([^;]+);", path.read_text("utf-8")))


def sheets(theme: str) -> list[Path]:
    """The style sheets that a page of that theme has beside its tokens."""
    pages = (each.static / "pages.css" for each in THEMES.chain(theme))
    return [*CORE_SHEETS, *(path for path in pages if path.is_file())]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.fixture(params=product(NAMES, ("light", "dark")), ids="-".join)
def shown(request) -> tuple[str, dict[str, str]]:
    """(a theme, its tokens in one scheme)."""
    theme, scheme = request.param
    return theme, THEMES.tokens(theme, dark=scheme == "dark")


@pytest.fixture
def palette(shown) -> dict[str, str]:
    return shown[1]


@pytest.fixture(scope="module")
def renderer():
    themes = ThemeRegistry([ROOT / "themes"])
    names = {
        "static_url": StaticFiles({"core": ROOT / "core/static"}, themes).url,
        "csrf_token": lambda: "token",
        "url": lambda name, **values: f"/{name}",
    }
    folders = {"core": ROOT / "core" / "templates"}
    return build_environment(template_folders=folders, themes=themes, globals=names, strict=True)


@pytest.fixture
def context():
    company = {"name": "<Acme>", "logo": "", "icon": ""}
    item = {"label": "Leads", "url": "/leads", "icon": "home", "active": True}
    return {
        "company": company,
        "behind": "",
        "workspace": None,
        "current_user": {"name": "<Li>", "email": None},
        "locale": "zh_CN",
        "color_scheme": "system",
        "accent_sheets": [("/theme/default/1a659f/light.css?v=1", False)],
        "offline_url": "/offline?v=1",
        "single_keys": True,
        "help_url": "/help/lists",
        "is_narrow": False,
        "beginnings": [],
        "unread": "",
        "navigation": [{"title": "Sales", "items": [item]}],
    }


@pytest.fixture
def ui(renderer):
    return renderer.macros("core/ui.html", "default")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.relative_to(ROOT).as_posix())
@pytest.mark.parametrize("name", FORBIDDEN)
def test_templates_need_no_loosened_policy(template, name):
    assert not re.search(FORBIDDEN[name], template.read_text("utf-8"))


def test_names_in_a_row_are_joined_as_the_language_does():
    """With ``_(", ")`` in templates, and with what that says in scripts."""
    joined = [path.name for path in TEMPLATES if "loop.last %}, {%" in path.read_text("utf-8")]
    joined += [path.name for path in STATIC.glob("*.js") if 'join(", ")' in path.read_text("utf-8")]
    assert joined == []


def test_components_write_numbers_as_the_reader_does(ui):
    assert "12,345 / 20,000" in ui.progress(12345, 20000)
    assert ">1,234<" in ui.tabs([("Leads", "#", False, 1234)])
    item = {"icon": "paperclip", "who": "Li", "title": "", "when": "", "when_iso": ""}
    file = {"file": "a.pdf", "file_url": "#", "picture": False}
    sizes = [640, 12_345, 999_999, 1_500_000, 42_000_000_000]
    told = [ui.timeline([{**item, **file, "file_size": size}]) for size in sizes]
    found = [re.search(r"<small>([^<]*)</small>", text)[1] for text in told]
    assert found == ["640 B", "12.3 kB", "1,000 kB", "1.5 MB", "42.0 GB"]
    assert ngettext("%(n)s record", "%(n)s records", 12345) == "12,345 records"


def test_each_macro_says_what_it_is():
    text = (ROOT / "core/templates/core/ui.html").read_text("utf-8")
    undocumented = re.findall(r"(?<!#\})\n\{% macro (?!_)(\w+)", text)
    assert not undocumented


def test_each_icon_named_in_a_template_is_in_the_sprite():
    sprite = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons/icons.svg").read_text()))
    calls = r'(?:icon|icon_button)\("([a-z][a-z0-9-]+)"|icon_name="([a-z][a-z0-9-]+)"'
    used = {
        first or second
        for path in TEMPLATES
        for first, second in re.findall(calls, path.read_text("utf-8"))
    }
    assert len(used) > 10
    assert used <= sprite


def test_vendored_files_are_the_ones_that_were_checked():
    done = subprocess.run([sys.executable, ROOT / "tools/vendor.py", "--check"], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("surface", ["paper", "paper-sunken", "paper-raised", "paper-hover"])
def test_text_is_readable_on_every_surface(palette, surface):
    inks = ("ink", "ink-soft", "ink-faint", "accent-ink", "danger")
    weak = {ink: contrast(palette[ink], palette[surface]) for ink in inks}
    assert min(weak.values()) >= 4.5, weak


@pytest.mark.parametrize("state", ["celadon", "amber", "indigo", "danger"])
def test_states_are_readable_on_their_wash(palette, state):
    assert contrast(palette[state], palette[f"{state}-wash"]) >= 4.5


def pairs_of_rules(theme: str) -> set[tuple[str, str]]:
    """(colour of the text, colour behind it) of every rule that sets both."""
    found = set()
    for sheet in sheets(theme):
        for rule in re.findall(r"\{([^{}]*)\}", sheet.read_text("utf-8")):
            colour = re.search(r"(?:^|[;\s])color: var\(--([\w-]+)\)", rule)
            ground = re.search(r"background: var\(--([\w-]+)\)", rule)
            if colour and ground:
                found.add((colour[1], ground[1]))
    return found


def test_what_a_rule_writes_can_be_read_on_what_it_paints(shown):
    """Every pair of tokens that the style sheets put together, by WCAG 2.2 AA."""
    theme, palette = shown
    pairs = pairs_of_rules(theme)
    assert len(pairs) >= 15
    weak = {pair: contrast(palette[pair[0]], palette[pair[1]]) for pair in pairs}
    assert {pair: found for pair, found in weak.items() if found < 4.5} == {}


def test_what_stands_in_the_band_of_blue_and_green_can_be_read():
    """Its colours are set by one rule and its grounds by another."""
    for dark in (False, True):
        palette = THEMES.tokens("qinglu", dark=dark)
        for ink, ground in product(("on-head", "on-head-soft"), ("head", "head-raised")):
            assert contrast(palette[ink], palette[ground]) >= 4.5, (dark, ink, ground)
        for ground in ("head", "head-raised"):
            assert contrast(palette["head-mark"], palette[ground]) >= 3, (dark, ground)


@pytest.mark.parametrize("wash", ["accent", "celadon", "amber", "indigo", "danger"])
def test_text_is_readable_on_notices_and_chosen_rows(palette, wash):
    inks = ("ink", "ink-soft", "ink-faint") if wash == "accent" else ("ink", "ink-soft")
    weak = {ink: contrast(palette[ink], palette[f"{wash}-wash"]) for ink in inks}
    assert min(weak.values()) >= 4.5, weak


def test_focus_is_seen_on_every_surface(palette):
    """The outline of what has the focus is of ink; WCAG 2.2 asks for 3."""
    surfaces = ("paper", "paper-sunken", "paper-raised", "paper-hover", "accent-wash")
    assert min(contrast(palette["ink"], palette[name]) for name in surfaces) >= 3


def test_buttons_and_outlines_are_visible(palette):
    assert contrast(palette["on-accent"], palette["accent"]) >= 4.5
    assert contrast(palette["on-accent"], palette["accent-strong"]) >= 4.5
    assert contrast(palette["outline"], palette["paper"]) >= 3
    assert contrast(palette["outline"], palette["paper-raised"]) >= 3


@pytest.mark.parametrize("theme", NAMES)
def test_styles_use_only_tokens_that_exist(theme):
    texts = [sheet.read_text("utf-8") for sheet in sheets(theme)]
    used = {name for text in texts for name in re.findall(r"var\(--([\w-]+)", text)}
    assert used <= set(THEMES.tokens(theme))
    assert set(declared(theme, "tokens.dark.css")) <= set(THEMES.tokens(theme))


@pytest.mark.parametrize("theme", NAMES)
def test_a_theme_says_each_of_its_colours_for_both_schemes(theme):
    """Its light tokens come after its parent's dark ones: one that is missing would stay light."""
    colours = {
        name for name, value in declared(theme, "tokens.css").items() if value.startswith("#")
    }
    assert colours <= set(declared(theme, "tokens.dark.css"))


@pytest.mark.parametrize(
    "sheet", sorted({path for name in NAMES for path in sheets(name)}), ids=str
)
def test_styles_name_no_colour_themselves(sheet):
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgb|hsl", sheet.read_text("utf-8"))


def test_blue_and_green_is_denser_and_of_another_ground():
    ink, blue = THEMES.tokens("default"), THEMES.tokens("qinglu")
    for name in ("row", "control", "text"):
        assert int(blue[name].removesuffix("px")) < int(ink[name].removesuffix("px"))
    assert blue["row"] == "32px"
    assert blue["paper"] != ink["paper"]


def test_pictures_and_icons_of_the_themes_are_those_of_their_tokens():
    spec = importlib.util.spec_from_file_location("icons_tool", ROOT / "tools/icons.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = tool
    spec.loader.exec_module(tool)
    assert list(tool.problems(THEMES)) == [], "run tools/icons.py"


@pytest.mark.parametrize("theme", NAMES)
def test_first_visit_is_small(theme):
    """Issue 4, Speed: the assets of the first visit; the budget of this kit is 60 KB."""
    assert (STATIC / "app.js").stat().st_size < 12_000
    files = [
        STATIC / name for name in ("app.css", "app.js", "offline.js", "sw.js", "vendor/htmx.min.js")
    ]
    files += [STATIC / "icons/icons.svg", STATIC / "icons/logo.svg"]
    files += [path for each in THEMES.chain(theme) for path in each.static.glob("*.css")]
    files += [path for each in THEMES.chain(theme) for path in each.static.glob("ridge-*.svg")]
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) < 60_000


def test_page_escapes_names_and_follows_the_scheme(renderer, context):
    context |= {"code": 404, "title": "<Gone>", "text": "…"}
    page = renderer.render("core/error.html", context, "default")
    assert '<html lang="zh-CN" data-scheme="system">' in page
    assert "&lt;Acme&gt;" in page
    assert "<Li>" not in page
    assert "<Gone>" not in page
    assert 'media="screen and (prefers-color-scheme: dark)"' in page
    dark = renderer.render("core/error.html", context | {"color_scheme": "dark"}, "default")
    assert 'data-dark media="screen"' in dark


def test_the_company_s_colour_stands_between_the_theme_and_the_pages(renderer, context):
    context |= {"code": 404, "title": "Gone", "text": "…"}
    page = renderer.render("core/error.html", context, "default")
    order = [page.index(name) for name in ("tokens.dark.css", "/theme/default/", "core/app.css")]
    assert order == sorted(order)


@pytest.mark.parametrize("theme", NAMES)
def test_the_edge_of_a_phone_s_screen_is_of_the_theme(renderer, context, theme):
    context |= {"code": 404, "title": "Gone", "text": "…"}
    page = renderer.render("core/error.html", context, theme)
    light, dark = (THEMES.tokens(theme, dark=scheme)["head"] for scheme in (False, True))
    assert f'<meta name="theme-color" content="{light}">' in page
    assert f'<meta name="theme-color" content="{dark}" data-dark media=' in page


def test_blue_and_green_has_its_modules_in_a_band(renderer, context):
    context |= {"code": 404, "title": "Gone", "text": "…"}
    item = context["navigation"][0]["items"][0]
    context["navigation"][0]["items"] = [item, {**item, "label": "Pools", "active": False}]
    page = renderer.render("core/error.html", context, "qinglu")
    assert 'class="modules"' in page
    assert '<nav class="pages" aria-label="Sales">' in page
    assert 'id="navigation"' in page, "of a phone"
    assert 'class="modules"' not in renderer.render("core/error.html", context, "default")


@pytest.mark.parametrize(("modules", "menus"), [(3, 3), (8, 8), (9, 8), (20, 8)])
def test_modules_that_do_not_fit_into_the_band_stand_in_a_menu(renderer, context, modules, menus):
    item = context["navigation"][0]["items"][0] | {"active": False}
    pages = [item | {"url": f"/{page}"} for page in "ab"]
    groups = [{"title": f"Module {n}", "items": pages} for n in range(modules)]
    groups[-1] = {"title": "Last", "items": [pages[0], item | {"url": "/last", "active": True}]}
    context |= {"navigation": [{"title": "", "items": [item]}, *groups], "code": 404}
    page = renderer.render("core/error.html", context | {"title": "x", "text": "y"}, "qinglu")
    band = page.partition('class="modules"')[2].partition("</nav>")[0]
    assert band.count("<summary") == menus
    assert band.count('<summary aria-current="true"') == 1
    assert 'href="/last" aria-current="page"' in band


def test_a_company_s_own_logo_takes_the_place_of_the_mark(ui):
    assert "themes" not in ui.logo()
    assert 'src="/theme/logo/7"' in ui.logo("/theme/logo/7")
    assert "<svg" not in ui.logo("/theme/logo/7")


def test_error_for_htmx_has_no_shell(renderer):
    context = {"fragment": True, "code": 500, "title": "Broken", "text": "Sorry"}
    page = renderer.render("core/error.html", context, "default")
    assert "Broken" in page
    assert "<html" not in page
    assert "topbar" not in page


def test_sign_in_has_no_navigation(renderer, context):
    page = renderer.render("core/sign_in.html", context | {"error": "<no>"}, "default")
    assert "&lt;no&gt;" in page
    assert 'name="csrf_token" value="token"' in page
    assert "sidebar" not in page


def test_sorted_column_says_so_and_cells_are_labelled(ui):
    columns = [
        {"label": "Company", "kind": "primary"},
        {"label": "Amount", "kind": "number", "sort_url": "?sort=amount", "sorted": "descending"},
    ]
    rows = [{"id": 7, "url": "/leads/7", "cells": ["<Acme>", "12.00"]}]
    table = ui.data_table("Leads", columns, rows, selectable=True, form="bulk")
    assert 'aria-sort="descending"' in table
    assert 'data-label="Amount"' in table
    assert '<a class="record-link" href="/leads/7">&lt;Acme&gt;</a>' in table
    assert 'name="ids" value="7" form="bulk"' in table


def test_error_is_tied_to_its_control(ui):
    control = ui.text_input("mobile", "1", error="Wrong", help="11 digits")
    field = ui.field("Mobile", control, "mobile", error="Wrong", help="11 digits")
    assert 'aria-invalid="true" aria-describedby="error-mobile help-mobile"' in field
    assert 'id="error-mobile"' in field
    assert 'id="help-mobile"' in field
    assert 'for="field-mobile"' in field


def test_progress_stops_asking_once_all_is_done(ui):
    assert "hx-get" in ui.progress(1, 2, "/jobs/1")
    assert "hx-get" in ui.progress(0, 0, "/jobs/1")
    assert "hx-get" not in ui.progress(2, 2, "/jobs/1")


def test_same_name_has_the_same_avatar(ui):
    assert ui.avatar("王晓雯") == ui.avatar("王晓雯")
    assert len({ui.avatar(f"王{n}") for n in range(30)}) == 4
