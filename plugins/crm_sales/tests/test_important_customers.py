"""S-017 to S-019 for customers: important ones that lie in a pool, or that their owner leaves alone."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from importlib import import_module

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from core.db.migrate import migrating
from core.entities import service
from core.settings.service import put_settings

pytestmark = [
    pytest.mark.databases("sqlite", later=("postgresql",)),
    pytest.mark.usefixtures("headed"),
]


@pytest.fixture
def pool(make, headed):
    """Of the sales department, whose head is the manager; the pool has no administrators."""
    return make("customer_pool", name="客户公海", departments=[headed.sales])


@pytest.mark.long
def test_an_important_customer_that_lies_unclaimed_is_told_of_once(
    make, act, pool, team, after, told
):
    make("customer", name="普通客户", pool=pool, owner=None)
    customer = make("customer", name="潍坊风筝厂", priority="high", pool=pool, owner=None)
    after(hours=23, minutes=50)
    assert told(team.manager, "customer_unclaimed") == 0
    after(minutes=20)
    assert told(team.manager, "customer_unclaimed") == 1
    after(hours=3)
    assert told(team.manager, "customer_unclaimed") == 1
    act(team.fu, "customer", "claim", [customer])
    act(team.fu, "customer", "release", [customer], reason="不在我的区域")
    after(hours=25)
    assert told(team.manager, "customer_unclaimed") == 2  # it lies there anew
    assert told(team.fu, "customer_unclaimed") == 0


@pytest.mark.long
def test_an_important_customer_that_its_owner_leaves_alone_is_told_of(
    make, team, after, told, unit_of_work
):
    """Whoever leads is told, also without any pool."""
    customers = [
        make("customer", team.fu, name=name, priority=priority)
        for name, priority in (("潍坊风筝厂", "high"), ("青岛啤酒", "high"), ("小店", "normal"))
    ]
    after(days=2)
    with unit_of_work() as uow:
        service.update(uow, "customer", {customers[1]: {"last_followed_at": uow.now()}})
    after(hours=23)
    assert told(team.manager, "customer_neglected") == 0
    after(hours=2)
    assert told(team.manager, "customer_neglected") == 1
    after(days=2)
    assert told(team.manager, "customer_neglected") == 2  # the clock of the other began anew
    after(days=9)
    assert told(team.manager, "customer_neglected") == 2
    assert told(team.fu, "customer_neglected") == 0


@pytest.mark.long
def test_who_wants_no_alerts_gets_none(make, pool, team, after, told, unit_of_work):
    with unit_of_work() as uow:
        put_settings(uow, "crm_sales", {"alert_unclaimed_hours": None, "alert_idle_days": None})
    make("customer", name="潍坊风筝厂", pool=pool, owner=None, priority="high")
    make("customer", team.fu, name="青岛啤酒", priority="high")
    after(days=9)
    kinds = ("customer_unclaimed", "customer_neglected")
    assert [told(team.manager, kind) for kind in kinds] == [0, 0]


@pytest.mark.parametrize(
    "entity", ["customer", pytest.param("opportunity", marks=pytest.mark.long)]
)
def test_the_list_of_important_ones_left_alone(
    make, team, browser_of, runtime, unit_of_work, entity
):
    """One sees those within reach; who tells nobody of such has no such list."""
    customer = make("customer", team.fu, name="甲客户")
    more = {} if entity == "customer" else {"customer": customer}

    def one(person, name, priority="high"):
        return make(entity, name=name, owner=person, priority=priority, **more)

    called = one(team.fu, "久未跟进")
    one(team.fu, "并不重要", "normal")
    with unit_of_work() as uow:
        service.update(uow, entity, {called: {"last_followed_at": uow.now()}})
    one(team.fu, "从未跟进")
    one(team.ning, "别人的重要")
    runtime.clock.move(timedelta(days=4))
    one(team.fu, "刚刚接手")
    browser = browser_of(team.fu)
    html = browser.get(f"/r/{entity}").get_data(as_text=True)
    assert html.count("重要</span>") >= 3  # marked, wherever it is in the list
    way = unescape(re.search(r'href="([^"]*)"[^>]*>\s*(?:<span>)?重要而无人跟进', html)[1])
    found = browser.get(way).get_data(as_text=True)
    names = ("久未跟进", "从未跟进", "刚刚接手", "并不重要", "别人的重要")
    assert [name in found for name in names] == [True, True, False, False, False]
    with unit_of_work() as uow:
        put_settings(uow, "crm_sales", {"alert_idle_days": None})
    assert "重要而无人跟进" not in browser.get(f"/r/{entity}").get_data(as_text=True)


@pytest.mark.long
def test_customers_from_before_are_as_important_as_new_ones(make, read, runtime, team):
    """And have been in these hands since they came, where nobody had noted since when."""
    old, noted = (make("customer", team.fu, name=name) for name in ("老客户", "记录在案"))
    step = import_module("plugins.crm_sales.migrations.0023_important_customers")
    customer = sa.table("crm_sales_customer", sa.column("id"), sa.column("held_since"))
    since = read("customer", noted)["held_since"]
    with (
        migrating(runtime.database) as connection,
        Operations.context(MigrationContext.configure(connection)),
    ):
        step.downgrade()
        nothing = sa.update(customer).where(customer.c.id == old).values(held_since=None)
        connection.execute(nothing)
        step.upgrade()
    values = read("customer", old)
    assert (values["priority"], values["held_since"]) == ("normal", values["created_at"])
    assert read("customer", noted)["held_since"] == since
