"""The sample is on: customers with levels, and their orders of products."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import event, select

from core.entities import query, service

D = Decimal


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("formula_sample",)


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (Path(__file__).parents[1] / "plugins",)


@pytest.fixture
def make(unit_of_work):
    """``make(entity, **values) -> id``, by the system."""

    def create(entity, **values):
        with unit_of_work() as uow:
            return service.create(uow, f"formula_{entity}", [values])[0]

    return create


@pytest.fixture
def change(unit_of_work):
    """``change(entity, id, **values)``"""

    def update(entity, key, **values):
        with unit_of_work() as uow:
            name = entity if entity == "user" else f"formula_{entity}"
            service.update(uow, name, {key: values})

    return update


@pytest.fixture
def read(unit_of_work):
    """``read(entity, id, *names) -> values``"""

    def values(entity, key, *names):
        with unit_of_work(write=False) as uow:
            record = query.get(uow, f"formula_{entity}", key, archived=None).values
        found = tuple(record[name] for name in names)
        return found if len(names) > 1 else found[0]

    return values


@pytest.fixture
def shop(make, make_person):
    """A level, a customer of it, two products, an order of each of both."""
    seller = make_person("卖家")
    level = make("level", name="金", discount="0.1")
    customer = make("customer", name="甲公司", level=level)
    nail, beam = make("product", name="钉", cost="2"), make("product", name="梁", cost="30")
    lines = [{"product": nail, "quantity": 5}, {"product": beam, "quantity": 2}]
    order = make("order", title="一单", customer=customer, owner=seller, lines=lines)
    return {
        "seller": seller,
        "level": level,
        "customer": customer,
        "nail": nail,
        "beam": beam,
        "order": order,
    }


@pytest.fixture
def counted(runtime):
    """``with counted() as seen``: the statements of the block."""

    @contextmanager
    def count():
        seen = []

        def note(_connection, _cursor, statement, *_more):
            seen.append(statement)

        event.listen(runtime.database.engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(runtime.database.engine, "before_cursor_execute", note)

    return count


@pytest.fixture
def compared(unit_of_work):
    """``compared() -> (stored, true)``: every computed value as it is kept and worked out anew."""

    def compare():
        with unit_of_work() as uow:
            return _truth(uow)

    return compare


def _truth(uow):
    """Every computed value worked out anew, from plain fields alone."""

    def rows(entity):
        spec = uow.entity(f"formula_{entity}")
        # Named one by one: columns that other tests made linger in the table of this process.
        columns = (spec.table.c[item.column] for item in spec.stored)
        return {row["id"]: row for row in uow.execute(select(*columns)).mappings()}

    levels, customers, products = rows("level"), rows("customer"), rows("product")
    users = {
        row.id: row.name
        for row in uow.execute(
            select(*(uow.entity("user").table.c[name] for name in ("id", "name")))
        )
    }
    rate = {
        key: None if row["discount"] is None else 1 - row["discount"] for key, row in levels.items()
    }
    customer_rate = {key: rate.get(row["level_id"]) for key, row in customers.items()}
    found = {}
    for key, row in customers.items():
        parent = customers.get(row["parent_id"])
        group = (parent["name"] + " / " if parent else "") + row["name"]
        found["customer", key] = {"rate": customer_rate[key], "group": group}
    sums = {}
    for key, row in rows("line").items():
        product = products.get(row["product_id"])
        known = product and product["cost"] is not None and row["quantity"] is not None
        cost = product["cost"] * row["quantity"] if known else None
        found["line", key] = {"cost": cost}
        if row["archived_at"] is None:
            sums[row["order_id"]] = sums.get(row["order_id"], D(0)) + (cost or 0)
    for key, row in rows("order").items():
        customer = customers.get(row["customer_id"])
        cost = sums.get(key, D(0))
        level = levels.get(customer["level_id"]) if customer else None
        share = customer_rate.get(row["customer_id"])
        found["order", key] = {
            "level": level and level["name"],
            "seller": users.get(row["owner_id"]),
            "cost": cost,
            "direct_cost": cost,
            "price": None if share is None else round(cost * share, 2),
            "heading": customer and f"{row['number']} {customer['name']}",
        }
    stored = {
        (entity, key): {name: row[name] for name in found[entity, key]}
        for entity in ("customer", "line", "order")
        for key, row in rows(entity).items()
    }
    return stored, found
