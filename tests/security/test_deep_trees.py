"""Scopes over a tree of 2,000 departments, twelve deep: one condition, through the index."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import event, insert, select

from core.entities import query, service
from core.entities.query import ListQuery
from core.entities.scope import scope_clause
from core.runtime import bump_access

DEPTH, DEPARTMENTS, DEALS = 12, 2_000, 4_000


@pytest.fixture
def tree(runtime, unit_of_work, make_person):
    """(somebody at the top, how many departments lie below, how many deals lie in them)."""
    with unit_of_work() as uow:
        grants = {"oracle_deal": {"read": "department_below"}}
        service.create(uow, "role", [{"name": "boss", "title": "Boss", "grants": grants}])
    boss = make_person("Boss", roles=("boss",), department="Top")
    with unit_of_work() as uow:
        table, now = uow.entity("department").table, uow.now()
        (top,) = uow.execute(select(table.c.id)).scalars()
        (elsewhere,) = service.create(uow, "department", [{"name": "Elsewhere"}])
        assert elsewhere == top + 1
        paths, rows = {top: f"/{top}/"}, []
        for key in range(elsewhere + 1, elsewhere + DEPARTMENTS):
            # Long chains first, then wide: each hangs below one that is not too deep.
            last = paths.get(key - 1, paths[top])
            above = key - 1 if key - 1 in paths and last.count("/") <= DEPTH else key // 3 + 1
            while above not in paths or paths[above].count("/") > DEPTH:
                above = above // 2 or top
            paths[key] = f"{paths[above]}{key}/"
            stamps = {"version": 1, "created_at": now, "updated_at": now}
            rows.append(
                {"id": key, "name": f"D{key}", "parent_id": above, "path": paths[key], **stamps}
            )
        uow.execute(insert(table), rows)
        assert max(path.count("/") - 1 for path in paths.values()) == DEPTH
        deals, keys = uow.entity("oracle_deal").table, list(paths)
        stamps = {"version": 1, "created_at": now, "updated_at": now}
        made = [
            {"title": f"Deal {n}", "department_id": keys[n * 7 % len(keys)] if n % 2 else None, **stamps}
            for n in range(DEALS)
        ]  # fmt: skip
        uow.execute(insert(deals), made)
        bump_access(uow.connection)
        if not runtime.database.is_sqlite:
            uow.connection.exec_driver_sql("ANALYZE oracle_sample_deal")
    return boss, len(paths), DEALS // 2


def test_the_scope_stays_one_condition_through_the_index(
    runtime, unit_of_work, tree, database_kind
):
    """S-219, B: as many parameters as for one department, and the index of departments."""
    boss, departments, deals = tree
    asked: list[int] = []

    def note(connection, cursor, statement, parameters, *more):
        if "oracle_sample_deal" in statement:
            asked.append(len(parameters))

    with unit_of_work(boss, write=False) as uow:
        assert len(uow.actor.departments_below) == departments
        engine = uow.connection.engine
        event.listen(engine, "before_cursor_execute", note)
        started = time.perf_counter()
        assert query.count(uow, "oracle_deal", ListQuery()) == deals
        page = query.page(uow, "oracle_deal", ListQuery(limit=50))
        seconds = time.perf_counter() - started
        event.remove(engine, "before_cursor_execute", note)
        assert len(page.items) == 50
        assert asked
        assert max(asked) <= 12, asked
        assert seconds < 5, "a page and a count over 2,000 departments"
        spec = uow.entity("oracle_deal")
        some = select(spec.table.c.id).where(scope_clause(uow, spec, "read"))
        told = _plan(uow, some, database_kind)
    assert "ix_oracle_sample_deal_department_id" in told, told
    assert "SCAN oracle_sample_deal" not in told, told


@pytest.mark.databases("sqlite")
def test_the_parameters_are_counted(unit_of_work, tree, monkeypatch):
    """Positive control: department by department, they would be as many as departments."""
    monkeypatch.setattr("core.entities.scope_sql.FEW", DEPARTMENTS)
    boss, departments, _deals = tree
    with unit_of_work(boss, write=False) as uow:
        spec = uow.entity("oracle_deal")
        compiled = (
            select(spec.table.c.id)
            .where(scope_clause(uow, spec, "read"))
            .compile(uow.connection, compile_kwargs={"render_postcompile": True})
        )
    assert len(compiled.params) >= departments


def _plan(uow, statement, database_kind) -> str:
    compiled = statement.compile(uow.connection, compile_kwargs={"render_postcompile": True})
    prefix = "EXPLAIN QUERY PLAN" if database_kind == "sqlite" else "EXPLAIN"
    if database_kind != "sqlite":
        uow.connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    names = compiled.positiontup
    values = compiled.params if names is None else tuple(compiled.params[name] for name in names)
    rows = uow.connection.exec_driver_sql(f"{prefix} {compiled}", values)
    return "\n".join(str(row) for row in rows)


def test_a_branch_moved_takes_its_people_along(unit_of_work, tree):
    """Whoever lay below and is moved elsewhere is out of reach at once."""
    boss, departments, _deals = tree
    with unit_of_work() as uow:
        table = uow.entity("department").table
        other = uow.execute(select(table.c.id).where(table.c.name == "Elsewhere")).scalar_one()
        moved = uow.execute(select(table.c.id).where(table.c.name == "D5")).scalar_one()
        below = uow.execute(select(table.c.id).where(table.c.path.contains(f"/{moved}/"))).all()
        service.update(uow, "department", {moved: {"parent": other}})
    with unit_of_work(boss, write=False) as uow:
        assert len(uow.actor.departments_below) == departments - len(below)
