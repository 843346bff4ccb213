"""A plugin gives an entity of its own a pool, as docs/plugins/pools.md shows it."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Invalid, NotFound, Refused
from core.work.schedule import start_due

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "tests" / "pools" / "sample_plugins" / "pool_sample"

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("pool_sample",)


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (SAMPLE.parent,)


@pytest.fixture
def agents(make_person):
    return [make_person(name, roles=("agent",)) for name in ("甲", "乙", "丙")]


def test_the_page_shows_what_the_sample_is_made_of():
    sources = "\n".join(path.read_text(encoding="utf-8") for path in SAMPLE.glob("*.py"))
    page = (ROOT / "docs" / "plugins" / "pools.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) >= 3
    for block in blocks:
        for part in re.split(r"\n\n+", block.strip()):
            assert part in sources, part


def test_a_plot_is_claimed_once_and_goes_back_in_time(
    unit_of_work, agents, runtime, run_jobs, client, bearer
):
    first, second, outsider = agents
    with unit_of_work() as uow:
        values = {"name": "地块公海", "members": [first, second], "cool_down_days": 3}
        rules = {"idle_days": 2, "warn_days": 1, "veiled": ["phone"], "holding_limit": 1}
        (pool,) = service.create(uow, "plot_pool", [values | rules])
        items = [{"name": f"地块{n}", "phone": "0536-8123456", "pool": pool} for n in range(2)]
        plot, other = service.create(uow, "plot", items)

    def act(person, verb, key, **params):
        with unit_of_work(person) as uow:
            return service.act(uow, "plot", verb, [key], params)

    def read(person=None):
        with unit_of_work(person, write=False) as uow:
            return query.get(uow, "plot", plot).values

    with pytest.raises(NotFound):
        read(outsider)
    assert "123456" not in read(first)["phone"]
    over_rest = client.get("/api/v1/records/plot?search=8123456", headers=bearer(first)).json
    assert over_rest["items"] == []
    act(first, "claim", plot)
    with pytest.raises(Refused, match="甲"):
        act(second, "claim", plot)
    with pytest.raises(Refused, match="1"):  # no more in hand
        act(first, "claim", other)
    assert read(first)["phone"].endswith("123456")
    with pytest.raises(Invalid), unit_of_work(first) as uow:
        service.update(uow, "plot", {plot: {"pool": None}})
    start_due(runtime)
    clock = runtime.clock
    day = clock.today() + timedelta(days=3)
    clock.move(datetime.combine(day, time(3), clock.timezone) - clock.now())
    start_due(runtime)
    run_jobs()
    assert read()["owner"] is None
    with pytest.raises(Refused):  # the former owner waits
        act(first, "claim", plot)
    with unit_of_work(write=False) as uow:
        moves = query.page(uow, "plot_transfer", ListQuery(sort="id")).items
    assert [row["kind"] for row in moves] == ["claim", "release"]


@pytest.mark.long
def test_its_pages_tell_what_goes_back(unit_of_work, agents, sign_in, admin_id):
    with unit_of_work() as uow:
        (pool,) = service.create(uow, "plot_pool", [{"name": "地块公海", "idle_days": 2}])
        values = {"name": "东郊地块", "pool": pool, "owner": agents[0]}
        (plot,) = service.create(uow, "plot", [values])
    browser = sign_in()
    assert "退回地块公海" in browser.get(f"/r/plot/{plot}").get_data(as_text=True)
    assert "公海内" in browser.get(f"/r/plot_pool/{pool}").get_data(as_text=True)
    week = browser.get("/pool_sample/returns?period=week").get_data(as_text=True)
    assert "东郊地块" in week
