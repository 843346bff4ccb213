"""Every main page against the checks of axe-core for WCAG 2.2, levels A and AA."""

from __future__ import annotations

import pytest
from axe import violations

from core.entities import service
from core.settings.service import put_settings

#: What a page looks like does not depend on the database.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite")]
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
#: Asked in every run; the others in the long tier.
MAIN = (
    "/r/order?filtering=1&filter_field=amount&filter_op=ge&filter_value=1&filter_group=any"
    "&filter_field=site&filter_op=is_set&filter_field=status&filter_op=in&filter_value=open",
    "/r/order?layout=board",
    "/r/order?layout=calendar&by=due_on&day=2026-02-10",
    "/r/order/1",
    "/r/order/1/edit",
    "/notifications",
    "/profile",
)
PAGES = (
    *MAIN,
    "/",
    "/r/order",
    "/r/order/1?tab=timeline",
    "/r/order/new",
    "/r/order/import",
    "/r/order/export",
    "/r/order/bin",
    "/r/site/1",
    "/r/site/1?tab=order.site",
    "/search?q=Order",
    "/admin/apps",
    "/admin/people",
    "/admin/roles",
    "/admin/settings",
    "/admin/settings/appearance",
    "/admin/audit",
    "/admin/jobs",
)


@pytest.fixture
def world(unit_of_work, admin_id, run_jobs):
    from core.comments import add_comment

    with unit_of_work() as uow:
        (site,) = service.create(uow, "site", [{"name": "East yard"}])
        items = [
            {
                "title": f"Order {n}",
                "status": ("open", "working", "done")[n % 3],
                "amount": n * 10,
                "site": site,
                "due_on": "2026-02-03",
                "owner": admin_id,
                "mobile": "13800138000",
                "parts": [{"name": "shaft"}],
            }
            for n in range(1, 9)
        ]
        service.create(uow, "order", items)
    with unit_of_work(admin_id) as uow:
        add_comment(uow, "order", 1, "Looks good")
        service.update(uow, "order", {1: {"amount": "77"}})
    run_jobs()


def broken(tab, path):
    answer = tab.goto(path)
    assert answer.status == 200, path
    tab.wait_for_load_state("networkidle")
    return [f"{path} {found}" for found in violations(tab)]


@pytest.mark.parametrize(
    ("size", "scheme", "pages"),
    [
        (DESK, "light", MAIN),
        pytest.param(DESK, "light", PAGES, marks=pytest.mark.long),
        pytest.param(PHONE, "light", PAGES, marks=pytest.mark.long),
        pytest.param(DESK, "dark", PAGES, marks=pytest.mark.long),
    ],
    ids=["main", "desk", "phone", "dark"],
)
def test_no_page_breaks_a_rule(open_page, world, size, scheme, pages):
    tab = open_page(size)
    tab.emulate_media(color_scheme=scheme)
    found = [each for path in pages for each in broken(tab, path)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("size", "scheme", "pages"),
    [
        pytest.param(
            *(DESK, "light", ("/r/order", "/admin/settings/appearance", "/offline")),
            marks=pytest.mark.long,
        ),
        pytest.param(DESK, "light", PAGES, marks=pytest.mark.long),
        pytest.param(PHONE, "light", PAGES, marks=pytest.mark.long),
        pytest.param(DESK, "dark", PAGES, marks=pytest.mark.long),
    ],
    ids=["main", "desk", "phone", "dark"],
)
def test_no_page_breaks_a_rule_in_blue_and_green(
    open_page, world, unit_of_work, size, scheme, pages
):
    with unit_of_work() as uow:
        put_settings(uow, "core", {"theme": "qinglu"})
    tab = open_page(size)
    tab.emulate_media(color_scheme=scheme)
    found = [each for path in pages for each in broken(tab, path)]
    assert not found, "\n".join(found)


@pytest.mark.long
def test_the_check_finds_what_is_wrong(open_page, world):
    """Positive control: a picture without a text, a button without a name."""
    tab = open_page()
    tab.goto("/r/order")
    tab.evaluate(
        "document.querySelector('main').append(document.createElement('button'), new Image())"
    )
    rules = {found.split(":")[0] for found in violations(tab)}
    assert {"button-name", "image-alt"} <= rules
