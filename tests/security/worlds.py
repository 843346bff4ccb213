"""Random organisations, made through the service and told to the oracle as plain dictionaries."""

from __future__ import annotations

import random
from typing import Any

from beyond_roles import go_away, share_some, tell_deputies, tell_shares
from sqlalchemy import insert, select, update

from core.db.base import metadata
from core.entities import service
from core.fields import types as t
from core.runtime import bump_access
from core.security.actor import SYSTEM
from core.work.uow import Origin, UnitOfWork
from core.work.worker import run_until_idle

ENTITIES = ("oracle_account", "oracle_deal", "oracle_line", "oracle_note", "user", "department")
ACTIONS = ("read", "create", "update", "delete", "export", "approve", "assign")
SCOPES = ("own", "subordinates", "department", "department_below", "all", "none")
CONDITIONS: dict[str, list[dict[str, Any]]] = {
    "oracle_account": [
        {"field": "level", "op": "in", "value": ["a", "b"]},
        {"field": "credit", "op": "is_set"},
    ],
    "oracle_deal": [
        {"field": "stage", "op": "ne", "value": "won"},
        {"field": "account.level", "op": "eq", "value": "a"},
        {"field": "secret", "op": "contains", "value": "a"},
    ],
    "oracle_note": [
        {"field": "deal.account.level", "op": "eq", "value": "b"},
        {"field": "color", "op": "is_empty"},
    ],
}
#: Fields that rules are made for: what labels, sorting, searching and paths lean on.
RULED = {
    "oracle_account": ("name", "level", "credit", "owner", "code", "created_at"),
    "oracle_deal": (
        "title", "account", "amount", "phone", "secret", "stage", "owner", "lines", "watchers",
        "partners", "tags", "reviewer", "created_at", "department", "margin", "total",
    ),
    "oracle_line": ("product", "price", "deal"),
    "oracle_note": ("text", "deal", "color", "created_by"),
    "user": ("name", "mobile", "email", "department"),
}  # fmt: skip
ROLES = 6
PEOPLE = 9


def populate(runtime: Any, seed: int) -> None:
    """Departments, people, roles and rows; what they may do comes with `shuffle`."""
    rng = random.Random(seed)
    with UnitOfWork(runtime, SYSTEM, origin=Origin("test")) as uow:
        departments: list[int] = []
        for index in range(8):
            parent = rng.choice([None, *departments])
            departments += service.create(
                uow, "department", [{"name": f"D{index}", "parent": parent}]
            )
        roles = service.create(
            uow, "role", [{"name": f"r{n}", "title": f"R{n}"} for n in range(ROLES)]
        )
        people = service.create(
            uow,
            "user",
            [
                {
                    "name": f"P{n} {rng.choice('abc')}",
                    "email": f"p{n}@example.com",
                    "mobile": f"1380013800{n}",
                    "department": rng.choice([None, *departments]),
                    "departments": rng.sample(departments, rng.choice((0, 0, 1, 2))),
                    "roles": rng.sample(roles, rng.choice((0, 1, 1, 2, 3))),
                }
                for n in range(PEOPLE)
            ],
        )
        accounts = service.create(uow, "oracle_account", [_account(rng, n) for n in range(24)])
        deals = service.create(
            uow, "oracle_deal", [_deal(rng, n, accounts, people) for n in range(40)]
        )
        notes = service.create(uow, "oracle_note", [_note(rng, n, deals) for n in range(20)])
        _give_away(uow, rng, people, departments)
        for entity, keys in (
            ("oracle_account", accounts),
            ("oracle_deal", deals),
            ("oracle_note", notes),
        ):
            service.delete(uow, entity, rng.sample(keys, len(keys) // 8))
    shuffle(runtime, rng)
    run_until_idle(runtime)  # the search follows the rows


def _account(rng: random.Random, n: int) -> dict[str, Any]:
    return {
        "name": f"{rng.choice(('Alpha', 'beta', 'Gamma', 'delta'))} {rng.randrange(9)}",
        "level": rng.choice(("a", "b", "c", None)),
        "credit": rng.choice((None, "10.50", "200.00", "3000.00")),
        "code": f"C{n}" if rng.random() < 0.5 else None,
        "region": rng.choice((None, "370700", "110101")),
    }


def _deal(rng: random.Random, n: int, accounts: list[int], people: list[int]) -> dict[str, Any]:
    lines = [
        {"product": rng.choice(("saw", "axe")), "price": "2.50", "quantity": rng.randrange(1, 5)}
        for _ in range(rng.choice((0, 1, 2)))
    ]
    return {
        "title": f"{rng.choice(('north', 'South', 'east'))} {n}",
        "account": rng.choice([None, *accounts]),
        "amount": rng.choice((None, "5.00", "70.10", "800.00")),
        "cost": rng.choice((None, "1.2345", "70.1000")),
        "quantity": rng.choice((None, 1, 2)),
        "stage": rng.choice(("new", "talking", "won", "lost")),
        "tags": rng.choice((None, ["red"], ["red", "blue"])),
        "phone": rng.choice((None, "13900001111", "13900002222")),
        "secret": rng.choice((None, "alpha", "omega", "north")),
        "reviewer": rng.choice([None, *people]),
        "watchers": rng.sample(people, rng.randrange(3)),
        "partners": rng.sample(accounts, rng.randrange(3)),
        "lines": lines,
    }


def _note(rng: random.Random, n: int, deals: list[int]) -> dict[str, Any]:
    return {
        "text": f"note {n} {rng.choice(('saw', 'axe'))}",
        "deal": rng.choice([None, *deals]),
        "color": rng.choice((None, "red", "green")),
    }


def _give_away(
    uow: UnitOfWork, rng: random.Random, people: list[int], departments: list[int]
) -> None:
    """Owners, departments and makers at random, below the service: any state may have come about."""
    for entity in ("oracle_account", "oracle_deal", "oracle_note"):
        spec = uow.entity(entity)
        for key in uow.execute(select(spec.table.c.id)).scalars().all():
            values: dict[str, Any] = {"created_by": rng.choice([None, *people])}
            if spec.owned:
                values |= {
                    "owner_id": rng.choice([None, *people, *people]),
                    "department_id": rng.choice([None, *departments]),
                }
            uow.execute(update(spec.table).where(spec.table.c.id == key).values(values))


def shuffle(runtime: Any, rng: random.Random) -> None:
    """New grants, field rules, members and heads."""
    with UnitOfWork(runtime, SYSTEM, origin=Origin("test")) as uow:
        users, roles = uow.entity("user"), uow.entity("role").table
        people = list(
            uow.execute(select(users.table.c.id).where(users.table.c.email.like("p%@%"))).scalars()
        )
        named = list(uow.execute(select(roles.c.id).where(roles.c.name.like("r_"))).scalars())
        for key in named:
            service.update(uow, "role", {key: {"grants": _grants(rng), "field_rules": _rules(rng)}})
        links = metadata.tables["core_user__roles"]
        uow.execute(links.delete().where(links.c.source_id.in_(people)))
        for person in people:
            chosen = rng.sample(named, rng.choice((0, 1, 1, 2, 3)))
            rows = [
                {"source_id": person, "target_id": k, "position": n} for n, k in enumerate(chosen)
            ]
            if rows:
                uow.execute(insert(links), rows)
        departments = uow.entity("department").table
        for key in uow.execute(select(departments.c.id)).scalars().all():
            head = rng.choice([None, None, *people])
            uow.execute(update(departments).where(departments.c.id == key).values(head_id=head))
        share_some(uow, rng, people)
        go_away(uow, rng, people)
        bump_access(uow.connection)


def _grants(rng: random.Random) -> dict[str, Any]:
    grants: dict[str, Any] = {}
    for entity in ("oracle_account", "oracle_deal", "oracle_note"):
        if rng.random() < 0.75:
            grants[entity] = {
                action: _scope(rng, entity)
                for action in ACTIONS
                if rng.random() < (0.9 if action == "read" else 0.6)
            }
    if rng.random() < 0.4:
        grants["audit_entry"] = {"read": rng.choice(("own", "all"))}
    if rng.random() < 0.2:
        grants["*"] = {"read": rng.choice(SCOPES), "update": rng.choice(SCOPES)}
    return grants


def _scope(rng: random.Random, entity: str) -> Any:
    if rng.random() < 0.15:
        return {"condition": rng.choice(CONDITIONS[entity])}
    return rng.choice(SCOPES)


def _rules(rng: random.Random) -> dict[str, Any]:
    return {
        entity: {
            name: rng.choice(("hidden", "masked", "read", "write"))
            for name in names
            if rng.random() < (0.5 if name == "lines" else 0.25)
        }
        for entity, names in RULED.items()
        if rng.random() < 0.6
    }


def tell(runtime: Any) -> dict[str, Any]:
    """The world as the oracle takes it, read from the tables."""
    with UnitOfWork(runtime, SYSTEM, origin=Origin("test"), write=False) as uow:
        specs = {name: uow.entity(name) for name in ENTITIES}
        rows = {name: _rows(uow, spec) for name, spec in specs.items()}
        further = _links(uow, "core_user__departments")
        member = _links(uow, "core_user__roles")
        roles = uow.entity("role").table
        return {
            "departments": rows["department"],
            "users": {
                key: {
                    "department": row["department"],
                    "departments": further.get(key, []),
                    "roles": member.get(key, []),
                }
                for key, row in rows["user"].items()
            },
            "roles": {
                row.id: {
                    "admin": row.is_admin,
                    "grants": row.grants or {},
                    "fields": row.field_rules or {},
                }
                for row in uow.execute(select(roles))
            },
            "entities": {name: _facts(spec) for name, spec in specs.items()},
            "rows": rows,
            "shares": tell_shares(uow),
            "deputies": tell_deputies(uow),
            "links": {
                field: _links(uow, f"oracle_sample_deal__{field}") for field in ("watchers", "partners")
            },
        }  # fmt: skip


def _rows(uow: UnitOfWork, spec: Any) -> dict[int, dict[str, Any]]:
    found = {}
    columns = [spec.column(field.name).label(field.name) for field in spec.stored]
    for row in uow.execute(select(*columns)).mappings():
        values = dict(row)
        found[row["id"]] = {**values, "archived": row["archived_at"] is not None}
    return found


def _links(uow: UnitOfWork, name: str) -> dict[int, list[int]]:
    table, found = metadata.tables[name], {}
    for row in uow.execute(select(table).order_by(table.c.position)):
        found.setdefault(row.source_id, []).append(row.target_id)
    return found


def _facts(spec: Any) -> dict[str, Any]:
    parent = ("deal", "oracle_deal", "lines") if spec.name == "oracle_line" else None
    return {
        "owned": spec.owned,
        "directory": spec.directory,
        "parent": parent,
        "label": spec.label_field,
        "fields": [field.name for field in spec],
        "stored": [field.name for field in spec.stored],
        "detached": [field.name for field in spec.detached],
        "masks": {field.name: field.mask for field in spec},
        "writable": [field.name for field in spec if field.is_writable],
        "searchable": [field.name for field in spec.searchable],
        "references": {
            field.name: field.type.entity
            for field in spec.stored
            if isinstance(field.type, t.Reference)
        },
    }
