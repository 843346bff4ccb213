"""An installation to measure: made in a folder, filled with leads through the service."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import OURS, ROOT

if TYPE_CHECKING:
    from core.runtime import Runtime

#: Who has all rights in a demonstration.
ADMIN, PASSWORD = "boss@example.com", "a calm roof of brackets"

STATUSES = ("new", "following", "converted", "lost", "invalid")
SOURCES = ("线上推广", "展会", "老客户推荐", "电话营销", "官网表单")
PLACES = ("潍坊", "青岛", "苏州", "成都", "重庆", "杭州")
TRADES = ("机械", "重工", "农业", "贸易", "电子", "建材")
BATCH = 1000


@dataclass(frozen=True)
class Installation:
    """Where it lies, and tokens of its people by what they are."""

    environment: Mapping[str, str]
    rows: int
    tokens: Mapping[str, str]
    #: Filled through the service, with audit and events.
    rows_per_second: float


def demonstration(folder: Path, database_url: str = "") -> dict[str, str]:
    """The environment of a demonstration that is made here, also this process's own from now on."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("DOUGONG_")}
    chosen = {"DOUGONG_HOME": str(folder), "PYTHONPATH": str(ROOT)}
    chosen |= {"DOUGONG_REDIS_URL": "", "DOUGONG_LOG_LEVEL": "WARNING"}
    if database_url:
        chosen["DOUGONG_DATABASE_URL"] = database_url
    init = [*OURS, "init", "--demo", "--admin", ADMIN, "--password", PASSWORD]
    environment = {**kept, **chosen}
    subprocess.run(init, env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    os.environ.update(chosen)
    return environment


def install(folder: Path, rows: int, database_url: str = "") -> Installation:
    """Make and fill an installation; without a database URL it is SQLite in the folder."""
    from core.boot import boot
    from core.config import Config
    from core.ops.install import initialise
    from core.work.worker import run_until_idle

    chosen = {
        "DOUGONG_HOME": str(folder),
        "DOUGONG_REDIS_URL": "",
        "DOUGONG_LOG_LEVEL": "WARNING",
        **({"DOUGONG_DATABASE_URL": database_url} if database_url else {}),
    }
    kept = {k: v for k, v in os.environ.items() if not k.startswith("DOUGONG_")}
    environment = {**kept, **chosen}
    runtime = boot(Config.from_environment(environment))
    initialise(
        runtime, admin="bench@example.com", password="a roof of brackets", plugins=["crm_leads"]
    )
    begin = time.perf_counter()
    tokens = _fill(runtime, rows)
    rate = rows / (time.perf_counter() - begin)
    run_until_idle(runtime)  # the search index: else the server makes it while it is measured
    if not runtime.database.is_sqlite:
        engine = runtime.database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    runtime.database.dispose()
    return Installation(environment, rows, tokens, rate)


def _fill(runtime: Runtime, rows: int) -> dict[str, str]:
    from core.entities import service
    from core.ops.install import create_user
    from core.security.actor import SYSTEM
    from core.security.directory import find_user
    from core.security.tokens import create_token
    from core.work.uow import Origin, UnitOfWork

    with UnitOfWork(runtime, SYSTEM, origin=Origin("cli")) as uow:
        owners = [
            create_user(
                uow,
                f"p{n}@example.com",
                name=f"销售{n}",
                password=None,
                roles=["sales"],
                department=f"销售部/{n % 3}组",
            )
            for n in range(10)
        ]
        manager = create_user(
            uow,
            "manager@example.com",
            name="销售总监",
            password=None,
            roles=["sales_manager"],
            department="销售部",
        )
        pools = service.create(uow, "lead_pool", [{"name": f"公海{n}"} for n in range(4)])
    for items in _leads(runtime, rows, owners, pools):
        with UnitOfWork(runtime, SYSTEM, origin=Origin("cli")) as uow:
            service.create(uow, "lead", items)
    with UnitOfWork(runtime, SYSTEM, origin=Origin("cli")) as uow:
        people = {"admin": find_user(uow, "bench@example.com"), "manager": manager}
        people["seller"] = owners[0]
        return {who: create_token(uow, key or 0, title="bench").text for who, key in people.items()}


def _leads(
    runtime: Runtime, rows: int, owners: list[int], pools: list[int]
) -> Iterator[list[dict[str, Any]]]:
    rng, now = random.Random(1), runtime.clock.now()
    for start in range(0, rows, BATCH):
        yield [
            {
                "company": f"{rng.choice(PLACES)}{number}{rng.choice(TRADES)}有限公司",
                "contact_name": f"联系人{number}",
                "mobile": f"13{number:09d}",
                "status": rng.choice(STATUSES),
                "source": rng.choice(SOURCES),
                "expected_amount": rng.randrange(1, 500) * 1000,
                "owner": rng.choice(owners),
                "pool": rng.choice(pools),
                "created_at": now - timedelta(minutes=rows - number),
            }
            for number in range(start, min(start + BATCH, rows))
        ]
