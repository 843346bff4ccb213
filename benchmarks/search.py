#!/usr/bin/env python3
"""Measure the search over everything on very many leads.

    tools/with_services.py .venv/bin/python benchmarks/search.py [--rows 1000000] [--sqlite]

The leads are put into their table directly and indexed as after a change of structure; then people
with wide and narrow scopes search in this process, each time in a transaction of its own. To fill
takes minutes: with ``--keep FOLDER`` the installation stays there and is used again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.installation import PLACES, SOURCES, STATUSES, TRADES, install  # noqa: E402

NAMES = [
    "鸢衡",
    "鼎源",
    "华泰",
    "鑫海",
    "恒远",
    "博达",
    "瑞丰",
    "天成",
    "金桥",
    "永盛",
    "立新",
    "宏图",
    "海川",
    "中远",
    "德信",
    "东升",
]
SURNAMES, GIVEN = "王李张刘陈杨赵黄周吴徐孙胡朱高单曾仇", "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚"
BATCH = 20_000


#: The columns of what `leads` makes.
NAMES = ("company", "contact_name", "mobile", "status", "source", "owner_id", "department_id",
         "address", "industry", "expected_amount", "tags", "note",
         "version", "created_at", "updated_at")  # fmt: skip


def leads(rows: int, owners: Sequence[tuple[int, int | None]], now: Any) -> Any:
    """Rows of the table, the oldest first, a batch at a time; the last owner has one in 1,000."""
    rng = random.Random(2)
    for start in range(0, rows, BATCH):
        made = []
        for n in range(start, min(start + BATCH, rows)):
            owner, department = owners[-1] if n % 1000 == 7 else rng.choice(owners[:-1])
            moment = now - timedelta(minutes=rows - n)
            place, name, trade = rng.choice(PLACES), rng.choice(NAMES), rng.choice(TRADES)
            person = rng.choice(SURNAMES) + rng.choice(GIVEN) + rng.choice(GIVEN)
            made.append(
                (f"{place}{name}{n}{trade}有限公司", person, f"13{n * 7_919_001 % 1_000_000_007:09d}"[:11], rng.choice(STATUSES),
                 rng.choice(SOURCES), owner, department, f"{place}高新区健康东街{n % 9999}号", trade,
                 rng.randrange(1, 500) * 1000, ["展会", place], "已电话沟通，等待回复。" * (n % 4),
                 1, moment, moment)
            )  # fmt: skip
        yield made


QUERIES = {
    "a name, rare": lambda n: f"{n * 997 % 100_000:05d}机械",
    "two characters, a sixth of all": lambda n: ("机械", "潍坊", "电子")[n % 3],
    "two characters, all": lambda n: ("公司", "有限")[n % 2],
    "two that seldom meet": lambda n: ("鸢衡 曾", "鼎源 仇伟", "博达 单丽娟")[n % 3],
    "one character": lambda n: ("王", "潍", "单")[n % 3],
    "initials": lambda n: ("yhjx", "wfyh", "slj")[n % 3],
    "full pinyin": lambda n: ("yuanheng", "weifang", "shanlijuan")[n % 3],
    "two letters": lambda n: ("wf", "yh", "zw")[n % 3],
    "a mobile number": lambda n: f"13{n * 97 * 7_919_001 % 1_000_000_007:09d}",
    "its last four digits": lambda n: f"{n * 37 % 10_000:04d}",
    "its first three digits": lambda n: "130",
    "words and digits": lambda n: f"潍坊 机械 {n * 37 % 10_000:04d}",
    "nothing": lambda n: "没有这家",
}


def main() -> None:
    """Fill, index, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=30)
    parser.add_argument("--sqlite", action="store_true")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--fill-only", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.keep or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="dougong-bench-"))
        )
        runtime = installation(folder, options.rows, sqlite=options.sqlite)
        if not options.fill_only:
            measure(runtime, options.calls)
        runtime.database.dispose()


def installation(folder: Path, rows: int, *, sqlite: bool) -> Any:
    """The runtime of an installation with so many leads; made where the folder has none yet."""
    from benchmarks.run import database_url
    from core.boot import boot
    from core.config import Config

    noted = folder / "environment.json"
    if noted.exists():
        chosen = json.loads(noted.read_text())
        return boot(Config.from_environment({**os.environ, **chosen}))
    made = install(folder, 100, "" if sqlite else database_url(rows))
    runtime = boot(Config.from_environment(dict(made.environment)))
    fill(runtime, rows)
    chosen = {key: text for key, text in made.environment.items() if key.startswith("DOUGONG")}
    noted.write_text(json.dumps(chosen))
    return runtime


def fill(runtime: Any, rows: int) -> None:
    """The leads, and their index."""
    from sqlalchemy import select

    from core.db.bulk import bulk_insert
    from core.search.indexing import rebuild
    from core.security.actor import SYSTEM
    from core.work.uow import Origin, UnitOfWork

    begin = time.perf_counter()
    with UnitOfWork(runtime, SYSTEM, origin=Origin("cli"), write=False) as uow:
        table = uow.entity("lead").table
        people = uow.entity("user").table
        owners = [
            (row.id, row.department_id)
            for row in uow.execute(
                select(people.c.id, people.c.department_id)
                .where(people.c.email.like("p%"))
                .order_by(people.c.email)
            )
        ]
        now = uow.now()
    for batch in leads(rows, owners, now):
        with UnitOfWork(runtime, SYSTEM, origin=Origin("cli")) as uow:
            bulk_insert(uow.connection, table, NAMES, batch)
    print(f"{rows:,} leads in {time.perf_counter() - begin:.0f} s", flush=True)
    begin = time.perf_counter()
    ((_name, done),) = rebuild(runtime, ["lead"])
    print(f"indexed {done / (time.perf_counter() - begin):,.0f} rows/s", flush=True)
    engine = runtime.database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE" if runtime.database.is_sqlite else "VACUUM ANALYZE")
        print(f"index size {size(runtime, connection) / 1e6:,.0f} MB", flush=True)


def size(runtime: Any, connection: Any) -> int:
    """Bytes that the index takes."""
    asked = "SELECT pg_total_relation_size('core_search_index')"
    if runtime.database.is_sqlite:
        asked = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'core_search_index%'"
        try:
            return int(connection.exec_driver_sql(asked).scalar_one())
        except Exception as error:
            print(f"no size: {error}")
            return 0
    return int(connection.exec_driver_sql(asked).scalar_one())


def measure(runtime: Any, calls: int) -> None:
    """A line for each way of searching."""
    from core.search.finding import search
    from core.security.actor import SYSTEM
    from core.security.directory import find_user, load_actor
    from core.work.uow import Origin, UnitOfWork

    with UnitOfWork(runtime, SYSTEM, origin=Origin("cli"), write=False) as uow:
        emails = {
            "administrator": "bench@example.com",
            "department head": "manager@example.com",
            "salesperson with a tenth": "p0@example.com",
            "salesperson with 1,000": "p9@example.com",
        }
        actors = {who: load_actor(uow, find_user(uow, email) or 0) for who, email in emails.items()}
    print(
        "| best, p50, CPU ms | "
        + " | ".join(actors)
        + " | hits |\n|---|"
        + "---|" * (len(actors) + 1)
    )
    for title, words in QUERIES.items():
        cells, hits = [], []
        for actor in actors.values():
            took, busy = [], []
            for n in range(calls + 3):
                begin, worked = time.perf_counter(), cpu(runtime)
                with UnitOfWork(runtime, actor, origin=Origin("web"), write=False) as uow:
                    found = search(uow, words(n))
                took.append((time.perf_counter() - begin) * 1000)
                busy.append((cpu(runtime) - worked) * 1000)
            cells.append(f"{min(took):.1f} {median(took[3:]):.1f} {median(busy[3:]):.1f}")
            hits.append(str(len(found)))
        print(f"| {title} | " + " | ".join(cells) + f" | {' '.join(hits)} |", flush=True)


def cpu(runtime: Any) -> float:
    """Seconds that this process and, on this machine, its server process have worked.

    Other work on the machine makes the wall's clock useless sooner than this one.
    """
    worked = time.process_time()
    if not runtime.database.is_sqlite:
        for record in runtime.database.engine.pool._pool.queue:
            file = Path(f"/proc/{record.dbapi_connection.info.backend_pid}/schedstat")
            worked += int(file.read_text().split()[0]) / 1e9 if file.exists() else 0
    return worked


if __name__ == "__main__":
    main()
