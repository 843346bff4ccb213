"""Public pools, of leads and of customers: masked, claimed by the first, given back with a reason."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from types import SimpleNamespace

import pytest
from journeys import DESK, both_ways, is_sound, use

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite"), pytest.mark.long]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

#: What lies in a pool, by what it is; the name, and the number that the pool masks.
KINDS = {
    "customer": SimpleNamespace(
        name="name", number="phone", values={"source": "展会"}, returns="/crm_sales/returns"
    ),
    "lead": SimpleNamespace(
        name="company", number="mobile", values={}, returns="/crm_leads/returns"
    ),
}
of_each_kind = pytest.mark.parametrize("kind", sorted(KINDS))
NUMBERS = ("13805361234", "13805365678", "13805369999")


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("crm_leads", "crm_sales")


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return ()


@pytest.fixture
def team(make_person):
    return SimpleNamespace(
        manager=make_person("穆青山", roles=("sales_manager",), department="销售部"),
        fu=make_person("傅宇恒", roles=("sales",), department="销售部/华东组"),
        yan=make_person("闫晓璐", roles=("sales",), department="销售部/华东组"),
    )


@pytest.fixture
def pool(kind, team, rows, unit_of_work):
    """The sales department's pool of that kind, from which a person claims two a day; three lie in it."""
    from core.entities import service

    (sales,) = [row["id"] for row in rows("department", limit=50) if row["name"] == "销售部"]
    rules = {"name": "华东公海", "departments": [sales], "daily_claims": 2, "idle_days": 5}
    named = KINDS[kind]
    with unit_of_work() as uow:
        rules |= {"veiled": [named.number], "administrators": [team.manager]}
        pools = [rules, {"name": "西南公海", "administrators": [team.manager]}]
        east, _west = service.create(uow, f"{kind}_pool", pools)
        service.create(
            uow,
            kind,
            [
                named.values | {named.name: f"鼎源{n}号机械厂", named.number: mobile, "pool": east}
                for n, mobile in enumerate(NUMBERS, start=1)
            ],
        )
    return east


def open_list(tab, kind):
    tab.goto(f"/r/{kind}?search=鼎源")


@of_each_kind
@both_ways
def test_the_first_who_claims_has_it_until_it_is_given_back(
    open_as, kind, pool, team, way, rows, unit_of_work
):
    """S-021, S-022: masked before; the second is told who was first; the reason is asked at its field."""
    second = open_as(team.yan, DESK)
    open_list(second, kind)
    second.get_by_role("link", name="鼎源1号机械厂").first.click()
    tab = open_as(team.fu, way)
    open_list(tab, kind)
    tab.get_by_role("link", name="鼎源1号机械厂").first.click()
    expect(tab.locator("h1")).to_contain_text("鼎源1号机械厂")
    expect(tab.locator("main")).to_contain_text("***")
    expect(tab.locator("main")).not_to_contain_text("05361234")
    is_sound(tab, way)
    use(tab, way("领取", "Claim"))
    expect(tab.locator("main")).to_contain_text("05361234")
    use(second, "领取")
    expect(second.locator("#toasts")).to_contain_text("已被傅宇恒领取")
    expect(second.locator("main")).not_to_contain_text("05361234")
    is_sound(second, DESK)
    use(tab, way("退回公海", "Release to pool"))
    is_sound(tab, way)
    main = tab.locator("main")
    main.get_by_role("button", name=way("退回公海", "Release to pool"), exact=True).click()
    expect(tab.locator("[id='error-param.reason']")).to_be_visible()
    is_sound(tab, way)
    main.get_by_label(way("原因", "Reason")).fill("不在我的区域")
    main.get_by_role("button", name=way("退回公海", "Release to pool"), exact=True).click()
    expect(tab.locator("main")).not_to_contain_text("05361234")
    (row,) = rows(kind, search="鼎源1号")
    assert (row["owner"], row["pool"], row["release_reason"]) == (None, pool, "不在我的区域")


@of_each_kind
@both_ways
def test_nobody_claims_more_than_the_pool_allows(open_as, kind, pool, team, way, rows):
    """S-023: three at once are refused with the limit told, and none is taken; two are."""
    tab = open_as(team.fu, way)
    open_list(tab, kind)
    for number in (1, 2, 3):
        tab.locator("tr", has_text=f"鼎源{number}号").get_by_role("checkbox").check()
    claim = tab.locator(".bulk-bar").get_by_role("button", name=way("领取", "Claim"), exact=True)
    claim.click()
    told = tab.locator("main, #toasts").filter(has_text="2").first
    expect(told).to_be_visible()
    is_sound(tab, way)
    assert [row["owner"] for row in rows(kind)] == [None, None, None]
    open_list(tab, kind)
    for number in (1, 2):
        tab.locator("tr", has_text=f"鼎源{number}号").get_by_role("checkbox").check()
    claim.click()
    tab.wait_for_load_state()
    expect(tab.locator("tr", has_text="鼎源1号")).to_contain_text("傅宇恒")
    owners = {row[KINDS[kind].name]: row["owner"] for row in rows(kind)}
    assert sorted(owners.values(), key=str) == [team.fu, team.fu, None]


@of_each_kind
@both_ways
def test_what_would_go_back_tonight_is_told_with_the_reason(
    open_as, kind, pool, team, way, rows, act, runtime
):
    """S-024: nothing is written by looking; the record's page says the same."""
    first = next(row["id"] for row in rows(kind, search="鼎源1号"))
    act(team.fu, kind, "claim", [first])
    clock = runtime.clock
    day = clock.today() + timedelta(days=6)
    clock.move(datetime.combine(day, time(10), clock.timezone) - clock.now())
    tab = open_as(team.manager, way)
    tab.goto(KINDS[kind].returns)
    line = tab.locator("main tbody tr", has_text="鼎源1号")
    expect(line).to_contain_text("傅宇恒")
    expect(line).to_contain_text(way("跟进", "follow"))
    expect(tab.locator("main tbody tr")).to_have_count(1)
    is_sound(tab, way)
    line.get_by_role("link", name="鼎源1号机械厂").click()
    expect(tab.locator("main .notice")).to_contain_text(way("今晚", "tonight"))
    is_sound(tab, way)
    assert next(row["owner"] for row in rows(kind, search="鼎源1号")) == team.fu


@of_each_kind
@both_ways
def test_who_looks_after_pools_moves_many_to_another(open_as, kind, pool, team, way, rows):
    """S-025: chosen in the list, moved at once, and taken back with one press."""
    tab = open_as(team.manager, way)
    open_list(tab, kind)
    for number in (1, 2):
        tab.locator("tr", has_text=f"鼎源{number}号").get_by_role("checkbox").check()
    label = way("移到公海", "Move to pool")
    tab.locator(".bulk-bar").get_by_role("button", name=label, exact=True).click()
    tab.get_by_role("combobox", name=way("公海", "Pool")).fill("西南")
    tab.locator("[role=option]:visible", has_text="西南公海").click()
    is_sound(tab, way)
    tab.locator("main").get_by_role("button", name=label, exact=True).click()
    expect(tab.locator("#toasts")).to_contain_text(label)
    assert sorted(row["pool"] == pool for row in rows(kind)) == [False, False, True]
    tab.locator("#toasts").get_by_role("button", name=way("撤销", "Undo")).click()
    expect(tab.locator("#toasts")).not_to_contain_text(way("撤销", "Undo"))
    assert [row["pool"] for row in rows(kind)] == [pool, pool, pool]
