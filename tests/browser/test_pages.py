"""Every page at two sizes, in both languages, as administrator and as salesperson (RELIABILITY O3)."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

import pytest
from axe import LOOKS, violations
from crawling import PAGES, crawl
from words import english_on

from core.entities import query, service
from core.security.directory import find_user
from core.settings.service import put_settings
from core.testing.installation import ADMIN, PASSWORD
from core.theming.renderer import StrictNames
from plugins.crm_leads.demo import DEMO_PASSWORD

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite")]

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
SELLER = "fu.yuheng@yuanheng.example"
#: Not pages: for programs and machines.
_NO_PAGE = re.compile(
    r"^/(api/(?!docs)|static|favicon|healthz|readyz|metrics|suggest|files|manifest|sw\.js)|filter-row$|\.json$"
)
#: Pages that show names which programs use: of REST, of roles and rights, of what was done.
_IDENTIFIERS = re.compile(r"^/(api/docs|admin/roles/\d|r/(role|audit_entry)\b)")
#: Of one entity and one record, beside the pages without parameters.
_OF_LEADS = (
    "",
    "/new",
    "/import",
    "/export",
    "/bin",
    "?filtering=1",
    f"?search={quote('没有这家')}",
)
_OF_ONE = ("", "/edit")
_WIDTH = "document.documentElement.scrollWidth - innerWidth"
#: What somebody sees and means to do on the page; samples of buttons are none.
_SEEN = """const seen = (each) => each.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    && each.getBoundingClientRect().width > 1;"""
#: The buttons that each say to be what the page is for.
_PRIMARY = (
    "() => {"
    + _SEEN
    + """
    return [...document.querySelectorAll("main .button-primary:not([type=button])")].filter(seen)
        .map((each) => each.textContent.trim());
}"""
)
#: Controls that a thumb may miss, being less than 44 px high, and text in cards that is cut off.
#: Links within text, and boxes whose label is large enough, are left out (WCAG 2.5.8).
_FOR_THUMBS = (
    "() => {"
    + _SEEN
    + """
    const all = document.querySelectorAll(
        ".button, .icon-button, .input, .switch, .tabs a, .menu-item, .search input, main label:has(> [type=checkbox])");
    const small = [...all].filter(seen).filter((each) => each.getBoundingClientRect().height < 43.5);
    const cut = [...document.querySelectorAll("main td")].filter(seen)
        .filter((each) => each.scrollWidth > each.clientWidth + 1);
    return [...small, ...cut].map((each) => each.outerHTML.slice(0, 120));
}"""
)


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "activities", "crm_sales", "contracts")


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return ()


@pytest.fixture(scope="session")
def dougong_demo():
    return True


@pytest.fixture(autouse=True)
def _strict_templates(app, monkeypatch):
    """A name that a page forgot to give is an error here, as it is in development."""
    renderer = app.extensions["dougong.renderer"]
    for theme in app.extensions["dougong.themes"]:
        monkeypatch.setattr(renderer.environment(theme.name), "undefined", StrictNames)


@pytest.fixture
def told(unit_of_work):
    """The demonstration; (email, password, a lead of theirs) by who looks."""
    with unit_of_work(write=False) as uow:
        seller = find_user(uow, SELLER)
        wanted = query.ListQuery(filter={"field": "owner", "op": "eq", "value": seller}, limit=1)
        (lead,) = query.page(uow, "lead", wanted).items
    return {
        "administrator": (ADMIN, PASSWORD, lead["id"]),
        "salesperson": (SELLER, DEMO_PASSWORD, lead["id"]),
    }


@pytest.mark.parametrize(
    "who", ["administrator", pytest.param("salesperson", marks=pytest.mark.long)]
)
def test_every_page_is_sound_fits_and_speaks(app, open_page, served, told, who):
    """O3, D3: every page that can be reached answers without an error, a complaint or a breach of
    the policy (see ``open_page``), asks no other host, leads nowhere dead, is no wider than the
    screen, speaks the reader's language, has one thing that it is for, and lies well in a hand."""
    email, password, lead = told[who]
    size = PHONE if who == "administrator" else DESK
    tab = open_page(size, email=email, password=password)
    wrong: list[str] = []

    def look(path):
        wrong.extend(_too_wide(tab, path, size))
        if not _IDENTIFIERS.match(path) and (words := english_on(tab)):
            wrong.append(f"{path} speaks English: {sorted(words)}")
        if len(main := tab.evaluate(_PRIMARY)) > 1:
            wrong.append(f"{path} is for more than one thing: {main}")
        if size == PHONE:
            wrong.extend(f"{path} is not for thumbs: {each}" for each in tab.evaluate(_FOR_THUMBS))

    addresses = _starts(app, who, lead)
    if who != "administrator":  # that no link leads to what is refused is seen on the way
        addresses = [each for each in addresses if tab.request.get(each).status != 403]
    # Most pages of a salesperson are the administrator's too.
    pages = PAGES if who == "administrator" else len(addresses)
    found = crawl(tab, served, addresses, pages=pages, look=look)
    assert [*found.bad, *wrong] == [], "\n".join(wrong)
    assert found.foreign == set()
    assert any("/suggest" in each for each in found.fragments)
    reached = {each.removeprefix(served) for each in found.opened}
    reached |= {urlsplit(each).path for each in found.fragments}
    assert set(addresses) <= reached
    assert ("/admin/roles" in reached) is (who == "administrator")


@pytest.mark.long
@pytest.mark.parametrize(
    ("theme", "ways", "rules", "pages"),
    [
        ("default", [("light", DESK), ("dark", PHONE)], (), 250),
        ("qinglu", [("light", PHONE), ("dark", DESK)], LOOKS, PAGES + 30),
    ],
)
def test_no_page_of_any_module_breaks_a_rule(
    app, open_page, served, told, unit_of_work, theme, ways, rules, pages
):
    """Each scheme and size meets each page (WCAG 2.2, levels A and AA).

    The second theme has the same pages in other colours and sizes, and half of them show all of these; its frame, which is its own, is
    held to all rules in `test_accessibility`.
    """
    with unit_of_work() as uow:
        put_settings(uow, "core", {"theme": theme})
    email, password, lead = told["administrator"]
    tab = open_page(ways[0][1], email=email, password=password)
    broken: list[str] = []

    def look(path):
        for scheme, size in ways:
            tab.emulate_media(color_scheme=scheme)
            tab.set_viewport_size(size)
            broken.extend(f"{path} {scheme}: {each}" for each in violations(tab, rules))

    starts = _starts(app, "administrator", lead)
    reached = crawl(tab, served, starts, pages=pages, look=look).opened
    assert broken == [], "\n".join(broken)
    assert len(reached) > PAGES


@pytest.mark.long
def test_every_page_fits_a_phone_in_english_too(app, open_page, served, told, unit_of_work):
    """D3: English words are longer."""
    email, password, lead = told["administrator"]
    tab = open_page(PHONE, email=email, password=password)
    with unit_of_work() as uow:
        service.update(uow, "user", {find_user(uow, email): {"locale": "en"}})
    reached = crawl(tab, served, _starts(app, "administrator", lead), pages=PAGES).opened
    wrong: list[str] = []
    for path in _one_of_each(app, {each.removeprefix(served) for each in reached}):
        assert tab.goto(path).status == 200, path
        wrong += _too_wide(tab, path, PHONE)
    assert wrong == []


def _starts(app, who, lead):
    """The addresses of pages that no link need lead to, and those of one entity and one record."""
    rules = [rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    paths = sorted({r.rule for r in rules if not r.arguments and not _NO_PAGE.search(r.rule)})
    paths = [path for path in paths if who == "administrator" or "/admin" not in path]
    assert len(paths) >= (15 if who == "administrator" else 6), paths
    leads = [*(f"/r/lead{end}" for end in _OF_LEADS), *(f"/r/lead/{lead}{end}" for end in _OF_ONE)]
    return ["/", *(path for path in paths if path not in ("/", "/sign-in")), *leads]


def _too_wide(tab, path, size):
    """That the page is wider than the screen, when it is."""
    if (over := tab.evaluate(_WIDTH)) > 0:
        yield f"{path} is {over} px wider than {size['width']}"


def _one_of_each(app, paths):
    """For each route, the first address that leads to it."""
    routes, found = app.url_map.bind("localhost"), {}
    for path in sorted(paths):
        parts = urlsplit(path)
        found.setdefault(routes.match(parts.path)[0], path)
    return list(found.values())


def test_the_keyboard_reaches_what_the_mouse_does(open_page, told):
    """D10: skip link, search by “/”, menus that close, and a visible focus all the way."""
    email, password, _lead = told["salesperson"]
    tab = open_page(email=email, password=password)
    tab.goto("/r/lead")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.name") == "q"
    tab.keyboard.press("Escape")
    menu = tab.locator(".page-header details.menu")
    menu.locator("summary").click()
    assert menu.get_attribute("open") is not None
    tab.keyboard.press("Escape")
    assert menu.get_attribute("open") is None
    account = tab.locator(".user-button")
    account.press("Enter")
    tab.locator("[data-opens=keys]").press("Enter")
    tab.locator("#keys[open]").wait_for()
    tab.keyboard.press("Escape")
    assert account.evaluate("(button) => button === document.activeElement")
    unseen = []
    tab.goto("/r/lead")
    for _step in range(40):
        tab.keyboard.press("Tab")
        seen, name, what = tab.evaluate(_FOCUS)
        if not seen or not name:
            unseen.append(what)
    assert unseen == []


def test_keys_lead_to_pages_records_and_help(open_page, told):
    """D10: what the help says of the keys is what they do; who switches them off is left alone."""
    email, password, _lead = told["salesperson"]
    tab = open_page(email=email, password=password)
    tab.goto("/r/lead")
    tab.keyboard.press("Control+k")
    tab.locator("#search-offers [role=option]").first.wait_for()
    with tab.expect_response("**q=grsz**"):
        tab.keyboard.type("grsz")  # nothing of that name
    tab.keyboard.press("Escape")
    tab.keyboard.press("Escape")
    tab.locator("input[name=q]:focus").wait_for(state="detached")
    tab.keyboard.press("?")
    tab.locator("#keys[open]").wait_for()
    tab.keyboard.press("Escape")
    tab.locator("#keys:not([open])").wait_for(state="attached")
    tab.keyboard.press("j")
    tab.keyboard.press("j")
    second = tab.locator("a.record-link").nth(1)
    assert second.evaluate("(link) => link === document.activeElement")
    for key, address in (("f", "**filtering=1"), ("]", "**after=**"), ("n", "**/r/lead/new")):
        tab.goto("/r/lead")
        tab.keyboard.press(key)
        tab.wait_for_url(address)
    tab.goto("/r/lead")
    tab.keyboard.press("?")
    tab.locator("#keys [name=single_keys]").click()
    tab.wait_for_load_state()
    tab.keyboard.press("?")
    assert tab.locator("#keys").get_attribute("open") is None
    tab.keyboard.press("Control+k")
    assert tab.evaluate("document.activeElement.name") == "q"


#: [whether the focus shows, what it is called, the element].
_FOCUS = """() => {
    const e = document.activeElement, style = getComputedStyle(e);
    const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
    const label = e.labels && e.labels[0] ? e.labels[0].textContent : "";
    const name = e.getAttribute("aria-label") || label || e.textContent.trim() || e.title;
    return [seen || e === document.body, Boolean(name) || e === document.body,
        e.outerHTML.slice(0, 120)];
}"""
