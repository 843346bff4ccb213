"""Every way in holds a record to the same rules, and Python says of a condition what SQL says."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from sqlalchemy import select

from core.entities import service
from core.entities.conditions import parse_condition
from core.entities.conditions_sql import condition_sql
from core.entities.field_rules import field_states
from core.errors import Invalid
from core.exchange.importing import Importer, ImportPlan

FIELDS = ("title", "status", "hours", "pieces", "note", "website", "is_urgent")
RULED = ("hours", "pieces", "note", "website")
RECORDS, ROUNDS = 5, 4


def _value(rng: random.Random, name: str) -> Any:
    pools: dict[str, tuple[Any, ...]] = {
        "title": ("A", "Bb"),
        "status": ("open", "working", "done"),
        "hours": (None, "0", "1", "5"),
        "pieces": (None, 0, 3, 9),
        "note": (None, "ab", "abcdef"),
        "website": (None, "https://a.example"),
        "is_urgent": (True, False),
    }
    return rng.choice(pools[name])


def _leaf(rng: random.Random, without: str) -> dict[str, Any]:
    name = rng.choice([each for each in FIELDS if each not in (without, "website")])
    if name in ("title", "status", "is_urgent"):
        return {"field": name, "op": rng.choice(("eq", "ne")), "value": _value(rng, name)}
    if name == "note":
        return {"field": name, "op": "contains", "value": "AB"}
    op = rng.choice(("is_set", "is_empty", "ge", "lt"))
    return {"field": name, "op": op} | ({"value": 3} if op in ("ge", "lt") else {})


def _condition(rng: random.Random, without: str) -> dict[str, Any]:
    leaves = [_leaf(rng, without) for _ in range(rng.randint(1, 3))]
    found: dict[str, Any] = {rng.choice(("all", "any")): leaves}
    return {"not": found} if rng.random() < 0.2 else found


def _rules(rng: random.Random, name: str) -> dict[str, Any]:
    rules: dict[str, Any] = {}
    for part in ("required_when", "visible_when"):
        if rng.random() < 0.5:
            rules[part] = _condition(rng, name)
    if rng.random() < 0.3:
        rules["required"] = True
    if rng.random() < 0.5:
        rules["validation"] = rng.choice(
            ("hours > 1", "pieces <> 3 OR is_urgent", "LEN(note) > 3", "IFNULL(hours, 0) < 5")
        )
    if name == "pieces" and rng.random() < 0.5:
        rules["maximum"] = 5
    if name == "note" and rng.random() < 0.5:
        rules["min_length"] = 3
    return rules


@pytest.fixture
def ways(
    unit_of_work: Any, admin_id: int, client: Any, bearer: Any, sign_in: Any
) -> dict[str, Any]:
    """By way in: what it refuses of a record, as the names of fields; empty when it makes it."""
    headers, browser = bearer(admin_id), sign_in()
    page = browser.get("/r/order/new").get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    sent = iter(range(10**6))

    def door(record: dict[str, Any]) -> set[str]:
        try:
            with unit_of_work(admin_id) as uow:
                service.create(uow, "order", [record])
        except Invalid as error:
            return {problem.field for problem in error.problems}
        return set()

    def rest(record: dict[str, Any]) -> set[str]:
        answer = client.post("/api/v1/records/order", json=record, headers=headers)
        assert answer.status_code in (201, 422)
        return {each["field"] for each in answer.json.get("errors", ())}

    def batch(record: dict[str, Any]) -> set[str]:
        body = {"create": [record]}
        (found,) = client.post("/api/v1/records/order/batch", json=body, headers=headers).json[
            "results"
        ]
        return {each["field"] for each in (found.get("error") or found).get("errors", ())}

    def form(record: dict[str, Any]) -> set[str]:
        inputs = {name: str(value) for name, value in record.items() if value is not None}
        inputs |= {name: "" for name in record if name not in inputs}
        inputs |= {"is_urgent__shown": "1"}
        if not record["is_urgent"]:
            del inputs["is_urgent"]
        inputs |= {"csrf_token": token[1], "form_key": f"k{next(sent)}"}
        answer = browser.post("/r/order/new", data=inputs)
        assert answer.status_code in (303, 422)
        summary = answer.get_data(as_text=True).partition('role="alert"')[2].partition("</div>")[0]
        return (
            set(re.findall(r'href="#field-(\w+)"', summary)) if answer.status_code == 422 else set()
        )

    def imported(record: dict[str, Any]) -> set[str]:
        names = tuple(record)
        importer = Importer(ImportPlan("order", names, names, "create"))
        cells = [None if record[name] is None else str(record[name]) for name in names]
        with unit_of_work(admin_id) as uow:
            clean = importer.recipe(uow).cleaner()
            _rows, thought = importer.foresee(uow, clean([(1, cells)]), set())
            done = importer.batch(uow, clean([(1, cells)]))
        assert bool(thought.refused) == bool(done.refused)
        return {name for row in done.refused for name in row.field.split("; ") if name}

    return {"door": door, "rest": rest, "batch": batch, "form": form, "import": imported}


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_form_rest_import_and_batch_agree(seed, ways, rule, unit_of_work, admin_id):
    """S2: for random rules and records they refuse the same fields, or all make the record."""
    rng = random.Random(seed)
    for name in RULED:
        rule(name, **_rules(rng, name))
    refused = 0
    for _ in range(RECORDS):
        record = {name: _value(rng, name) for name in FIELDS}
        told = {way: ask(dict(record)) for way, ask in ways.items()}
        imported = told.pop(
            "import"
        )  # a row that lacks what is always required is judged no further
        assert len({frozenset(found) for found in told.values()}) == 1, (record, told)
        assert imported <= told["door"], (record, imported, told)
        assert bool(imported) == bool(told["door"])
        refused += bool(told["door"])
    assert seed or refused  # the first of them is known to refuse something


@pytest.mark.parametrize("seed", range(4))
def test_python_says_of_a_condition_what_sql_says(seed, rule, unit_of_work, admin_id):
    """A field applies to exactly the records that its condition finds."""
    rng = random.Random(seed)
    with unit_of_work(admin_id) as uow:
        records = [{name: _value(rng, name) for name in FIELDS} for _ in range(60)]
        service.create(uow, "order", records)
    for _ in range(5):
        condition = _condition(rng, "website")
        rule("website", visible_when=condition)
        with unit_of_work(admin_id, write=False) as uow:
            spec = uow.entity("order")
            columns = [spec.column(item.name).label(item.name) for item in spec.stored]
            rows = [dict(row) for row in uow.execute(select(*columns)).mappings()]
            test = condition_sql(parse_condition(condition, spec, uow), spec, uow)
            found = set(uow.execute(select(spec.table.c.id).where(test)).scalars())
            applying = {r["id"] for r in rows if field_states(uow, spec, r)["website"].applies}
        assert applying == found, condition
