#!/usr/bin/env python3
"""Measure the pages and sums of sales on the demonstration with very much added to it.

    tools/with_services.py .venv/bin/python benchmarks/sales.py      # PostgreSQL
    .venv/bin/python benchmarks/sales.py --sqlite
    … --calls 30 --customers 100000 --markdown benchmarks/README.md

One customer has 50 opportunities, 500 follow-ups and 200 quotes; 2,000 opportunities are open; 100,000
customers have names to be alike. Pages are asked for in this process, with sign-in, rights and
rendering: milliseconds, p50 (p95), of which the processor's beside them, and their statements.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from statistics import median, quantiles
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.installation import demonstration  # noqa: E402
from benchmarks.report import paste  # noqa: E402

BELT, ROBOT = "皮带输送线", "全自动码垛机"
PLACES = ("潍坊", "青岛", "苏州", "成都", "重庆", "杭州", "山东潍坊", "安徽合肥")
NAMES = ("鼎", "源", "恒", "泰", "瑞", "丰", "华", "宏", "盛", "远", "达", "兴", "隆", "嘉", "诚")
TRADES = ("农机", "重工", "机械制造", "自动化设备", "包装材料", "电子科技", "食品", "建材")
#: What the page of a customer, the board, the names that are alike and a line of a quote must reach.
ASKED = {
    "customer": "60 ms, 12 statements",
    "board": "300 ms",
    "alike": "30 ms",
    "line": "5 ms",
}


def main() -> None:
    """Fill, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sqlite", action="store_true")
    parser.add_argument("--calls", type=int, default=30)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dougong-bench-") as folder:
        table = _measure(Path(folder), options)
    print(table)
    if options.markdown:
        kind = "SQLite" if options.sqlite else "PostgreSQL"
        paste(options.markdown, f"sales, {kind}", table, by="sales.py")


def _measure(folder: Path, options: argparse.Namespace) -> str:
    from benchmarks.run import database_url

    demonstration(folder, "" if options.sqlite else database_url("sales"))

    from core.app import create_app
    from core.cli.main import YOUNG
    from core.work.worker import run_until_idle

    app = create_app()
    gc.set_threshold(YOUNG)  # as the server has it
    gc.freeze()
    runtime = app.extensions["dougong"]
    filled = _fill(runtime, options.customers)
    run_until_idle(runtime)
    engine = runtime.database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE" if runtime.database.is_sqlite else "VACUUM ANALYZE")
    lines = [
        f"{_described(runtime)}, {options.calls} calls each, load {os.getloadavg()[0]:.1f}"
        f" on {os.cpu_count()} cores.",
        "",
        "| what | p50 (p95) ms | processor ms | statements | asked |",
        "|---|---|---|---|---|",
        *_pages(app, runtime, filled, options.calls),
        *_sums(runtime, filled, options.calls),
    ]
    runtime.database.dispose()
    return "\n".join(lines)


def _described(runtime: Any) -> str:
    if runtime.database.is_sqlite:
        import sqlite3

        return f"SQLite {sqlite3.sqlite_version}"
    with runtime.read_connection() as connection:
        version = connection.exec_driver_sql("SHOW server_version").scalar_one()
    return f"PostgreSQL {version.split()[0]}"


# What there is


def _fill(runtime: Any, customers: int) -> dict[str, Any]:
    from core.entities import query, service
    from core.entities.query import ListQuery
    from core.security.actor import SYSTEM
    from core.security.directory import find_user, load_actor
    from core.work.uow import Origin, UnitOfWork

    with UnitOfWork(runtime, SYSTEM, origin=Origin("cli"), write=False) as uow:
        seller = load_actor(uow, find_user(uow, "fu.yuheng@yuanheng.example") or 0)
        goods = query.page(uow, "product", ListQuery(fields=("name",), limit=100)).items
        product = {row["name"]: row["id"] for row in goods}
    _customers(runtime, customers)
    with UnitOfWork(runtime, seller, origin=Origin("import")) as uow:
        named = {"name": "潍坊鼎源农机装备有限公司", "source": "展会", "city": "潍坊"}
        (customer,) = service.create(uow, "customer", [named])
        mine = {"customer": customer}
        people = service.create(uow, "contact", [mine | {"name": "王总", "title": "总经理"}])
        under = mine | {"reports_to": people[0]}
        service.create(uow, "contact", [under | {"name": f"工程师{n}"} for n in range(10)])
        deals = [mine | {"name": f"码垛线{n}", "amount": 1000 * (n + 1)} for n in range(50)]
        keys = service.create(uow, "opportunity", deals)
        about = {"related_entity": "customer", "related_id": customer, "kind": "visit"}
        told = [about | {"content": f"第{n}次拜访，谈了交期和价格"} for n in range(400)]
        at = {"related_entity": "opportunity", "kind": "call"}
        told += [at | {"related_id": keys[n % 50], "content": f"电话{n}"} for n in range(100)]
        service.create(uow, "follow_up", told)
        tasks = [about | {"title": f"寄样{n}", "kind": None} for n in range(10)]
        tasks = [{k: v for k, v in each.items() if k != "kind"} for each in tasks]
        service.create(uow, "task", tasks)
        line = {"product": product[ROBOT], "quantity": 2}
        quotes = [mine | {"opportunity": keys[n % 50], "lines": [line]} for n in range(200)]
        service.create(uow, "quote", quotes)
        belts = [{"product": product[BELT], "quantity": n + 1} for n in range(10)]
        lines = belts + [{"product": product[ROBOT], "quantity": n + 1} for n in range(40)]
        (long_quote,) = service.create(uow, "quote", [mine | {"lines": lines}])
    for start in range(0, 2000, 500):
        with UnitOfWork(runtime, seller, origin=Origin("import")) as uow:
            numbers = range(start, start + 500)
            named = [{"name": f"在谈{n}有限公司", "source": "展会"} for n in numbers]
            others = service.create(uow, "customer", named)
            deals = [
                {"customer": other, "name": f"在谈{n}", "amount": 1000 + n}
                for n, other in zip(numbers, others, strict=True)
            ]
            service.create(uow, "opportunity", deals)
    return {"customer": customer, "quote": long_quote, "belt": product[BELT], "seller": seller}


def _customers(runtime: Any, many: int) -> None:
    """Names to be alike, put into the table directly."""
    from core.db.bulk import bulk_insert
    from core.security.actor import SYSTEM
    from core.tabular.cleaning import company_key
    from core.work.uow import Origin, UnitOfWork

    rng = random.Random(7)
    with UnitOfWork(runtime, SYSTEM, origin=Origin("cli")) as uow:
        table, now = uow.entity("customer").table, uow.now()
        columns = ("name", "name_key", "source", "created_at", "updated_at", "version")
        derived = [each for each in ("name_key_reversed",) if each in table.c]
        for start in range(0, many, 5000):
            rows = []
            for _n in range(start, min(start + 5000, many)):
                middle = "".join(rng.choices(NAMES, k=rng.choice((2, 2, 3))))
                name = f"{rng.choice(PLACES)}{middle}{rng.choice(TRADES)}有限公司"
                key = company_key(name)
                rows.append((name, key, "展会", now, now, 1, *[key[::-1] for _each in derived]))
            bulk_insert(uow.connection, table, (*columns, *derived), rows)


# What it takes


def _pages(app: Any, runtime: Any, filled: dict[str, Any], calls: int) -> list[str]:
    browser = app.test_client()
    sent = {"email": "fu.yuheng@yuanheng.example", "password": "seven kites over the Bailang"}
    browser.post("/sign-in", data=sent)
    customer, quote, belt = (filled[name] for name in ("customer", "quote", "belt"))
    form = browser.get(f"/crm_sales/quotes/{quote}/lines").get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', form)
    assert token is not None
    line = {
        "csrf_token": token[1],
        "customer": customer,
        "lines.0.product": belt,
        "lines.0.shown": belt,
        "lines.0.quantity": "2",
        **{f"lines.0.p.{name}": value for name, value in _BELT.items()},
    }
    pages: dict[str, tuple[str, dict[str, Any] | None, str]] = {
        "customer, 360°": (f"/r/customer/{customer}", None, ASKED["customer"]),
        "customer, the tab of quotes": (f"/r/customer/{customer}?tab=quote.customer", None, ""),
        "board of stages": ("/r/opportunity?layout=board&by=stage", None, ASKED["board"]),
        "list of opportunities": ("/r/opportunity", None, ""),
        "quote of 50 lines": (f"/r/quote/{quote}", None, ""),
        "form of its lines": (f"/crm_sales/quotes/{quote}/lines", None, ""),
        "form of a new quote": (f"/crm_sales/quotes/new?customer={customer}", None, ""),
        "why its prices": (f"/crm_sales/quotes/{quote}/prices", None, ""),
        "price of a product": (f"/crm_sales/price?product={belt}&customer={customer}", None, ""),
        "price, with parameters": (
            f"/crm_sales/price?product={belt}&customer={customer}&"
            + "&".join(f"p.{name}={value}" for name, value in _BELT.items()),
            None,
            "",
        ),
        "a line worked out while one types": ("/crm_sales/quotes/calculate", line, ""),
    }

    def asking(path: str, data: dict[str, Any] | None) -> Callable[[], None]:
        def ask() -> None:
            answer = browser.get(path) if data is None else browser.post(path, data=data)
            assert answer.status_code == 200, (path, answer.status_code)

        return ask

    return [
        _row(runtime, name, asking(path, data), calls, asked)
        for name, (path, data, asked) in pages.items()
    ]


_BELT = {"长度": "24", "带宽": "800", "功率": "11", "材质": "Q235", "运输距离": "350"}


def _sums(runtime: Any, filled: dict[str, Any], calls: int) -> list[str]:
    """Without a page: names that are alike, and one line of a quote worked out again."""
    from core.entities.likeness import alike
    from core.security.actor import SYSTEM
    from core.tabular.cleaning import company_key
    from core.work.uow import Origin, UnitOfWork
    from plugins.crm_sales.products.lines import Head, work_out
    from plugins.crm_sales.products.prices import read_book

    rng, belt = random.Random(3), filled["belt"]
    with UnitOfWork(runtime, SYSTEM, origin=Origin("cli"), write=False) as uow:
        names = [
            company_key(f"{rng.choice(PLACES)}{''.join(rng.choices(NAMES, k=3))}{trade}有限公司")
            for trade in TRADES
        ]
        turn = iter(names * calls)
        found = _row(
            runtime,
            "a name like others",
            lambda: alike(uow, "customer", next(turn), 80),
            calls,
            ASKED["alike"],
        )
        head = Head("CNY", uow.clock.today(), tax_included=True)
        line = {"product": belt, "quantity": Decimal(2), "parameters": dict(_BELT)}
        book = read_book(uow, [belt])
        assert work_out(book, head, line).values
        again = _row(
            runtime,
            "a configured line of a quote",
            lambda: work_out(book, head, line),
            calls * 10,
            ASKED["line"],
        )

        def anew() -> None:
            uow.memo.pop("books", None)  # kept as long as a page is being made
            work_out(read_book(uow, [belt]), head, line)

        whole = _row(
            runtime,
            "the same, prices read anew",
            anew,
            calls,
            ASKED["line"],
        )
    return [found, again, whole]


def _row(runtime: Any, name: str, act: Callable[[], Any], calls: int, asked: str) -> str:
    from sqlalchemy import event

    said: list[str] = []

    def note(*given: Any) -> None:
        said.append(given[2])

    for _warm in range(3):
        act()
    event.listen(runtime.database.engine, "before_cursor_execute", note)
    act()
    event.remove(runtime.database.engine, "before_cursor_execute", note)
    statements = sum(not each.startswith("BEGIN") for each in said)
    times, used = [], time.process_time()
    for _call in range(calls):
        begin = time.perf_counter()
        act()
        times.append((time.perf_counter() - begin) * 1000)
    used = (time.process_time() - used) * 1000 / calls
    late = quantiles(times, n=20)[-1]
    row = f"| {name} | {median(times):.1f} ({late:.1f}) | {used:.1f} | {statements} | {asked} |"
    print(row, file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    main()
