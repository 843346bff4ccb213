"""What is asked: the same questions of our REST interface and of the floor."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.client import Client
from benchmarks.installation import STATUSES

__all__ = ["COUNTED", "Calls", "floors", "verify", "workloads", "write_import"]

Calls = dict[str, Callable[[int], Any]]
RECORDS = "/api/v1/records/lead"
FIELDS = "company,contact_name,mobile,status,source,expected_amount,created_at,owner,pool"
COUNTED = "W2 list, filter, exact count"
SUMS = "group=status&group=owner&measure=count&measure=sum:expected_amount"


def workloads(client: Client) -> Calls:
    """The workloads over REST, by name; each takes the number of the call."""

    def condition(number: int) -> str:
        status, text = _words(number)
        tests = [
            {"field": "status", "op": "eq", "value": status},
            {"field": "company", "op": "contains", "value": text},
        ]
        return json.dumps({"all": tests})

    def listed(number: int, **more: str) -> Any:
        filtered = {"filter": condition(number), "fields": FIELDS, "sort": "-created_at"}
        return client.get(RECORDS, **filtered, **more)

    def create(number: int) -> Any:
        body = {"company": f"新客户{number}有限公司", "mobile": f"15{abs(number):09d}"}
        return client.call("POST", RECORDS, body)

    return {
        "W1 create one": create,
        COUNTED: lambda n: listed(n, count="exact"),
        "W2 list, filter, no count": listed,
        "W2 newest 50, no count": lambda n: client.get(RECORDS, fields=FIELDS, sort="-created_at"),
        "W3 one record": lambda n: client.get(f"{RECORDS}/{_key(n)}"),
        "W5 count and sum by two": lambda n: client.get(f"{RECORDS}/aggregate?{SUMS}"),
    }


def floors(client: Client) -> Calls:
    """The same of the floor, by the same names."""

    def listed(number: int, **more: str) -> Any:
        status, text = _words(number)
        return client.get("/list", status=status, contains=text, **more)

    def create(number: int) -> Any:
        return client.call("POST", "/create", {"company": f"新客户{number}", "mobile": "1"})

    return {
        "W1 create one": create,
        COUNTED: lambda n: listed(n, count="1"),
        "W2 list, filter, no count": listed,
        "W2 newest 50, no count": lambda n: client.get("/list"),
        "W3 one record": lambda n: client.get(f"/one/{_key(n)}"),
        "W5 count and sum by two": lambda n: client.get("/sums"),
    }


def _words(number: int) -> tuple[str, str]:
    return STATUSES[number % 5], f"{abs(number) % 90 + 10}"


def _key(number: int) -> int:
    return abs(number) * 37 % 900 + 1


def verify(ours: Calls, floor: Calls) -> None:
    """Both answer the same, and it is not nothing: else the figures would mean nothing."""
    for number in range(5):
        mine, its = ours[COUNTED](number), floor[COUNTED](number)
        _same(mine["total"], its["total"], "totals")
        _same([row["id"] for row in mine["items"]], [row["id"] for row in its["items"]], "rows")
        owners = [row["owner"]["label"] for row in mine["items"]]
        _same(owners, [row["owner"] for row in its["items"]], "names of owners")
    newest = ours["W2 newest 50, no count"](0)["items"]
    _same(len(newest), 50, "newest rows")
    its = floor["W2 newest 50, no count"](0)["items"]
    _same([row["id"] for row in newest], [row["id"] for row in its], "newest rows")
    mine, its = ours["W3 one record"](1), floor["W3 one record"](1)
    _same(mine["company"], its["company"], "records")
    groups = ours["W5 count and sum by two"](0)["items"]
    _same(len(groups), len(floor["W5 count and sum by two"](0)), "groups")


def _same(mine: Any, its: Any, what: str) -> None:
    if mine != its or not mine:
        raise RuntimeError(f"{what} differ from the floor's, or are empty: {mine!r} and {its!r}")


def write_import(path: Path, numbers: range, *, look_ups: bool) -> None:
    """A csv file of a new lead for each number, with the names of their owner and pool where they are looked up."""
    header = ["公司名称", "联系人", "手机", "预计金额", "备注"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header + (["负责人", "公海"] if look_ups else []))
        for n in numbers:
            mobile = f"17{n + 500_000_000 * look_ups:09d}"
            row = [f"导入{look_ups}{n}有限公司", f"王{n}", mobile, f"{n % 90 + 1}000", ""]
            writer.writerow(row + ([f"销售{n % 10}", f"公海{n % 4}"] if look_ups else []))
