"""Reference tables and the calendar: edited without code, read by formulas, followed when changed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from io import BytesIO

import pytest
from sqlalchemy import select

from core.customize.service import add_field
from core.entities import dependants, query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid
from core.exchange.jobs import start_import
from core.files.service import store_upload
from core.i18n import use_locale
from core.work.tables import job_table

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

D = Decimal


@pytest.fixture
def rates(unit_of_work):
    """A table by level, and one by amount."""
    with unit_of_work() as uow:
        by_level, by_amount = service.create(
            uow,
            "lookup_table",
            [
                {"name": "levels", "label": "等级表", "key_label": "等级", "column_1": "折扣",
                 "column_2": "账期", "column_3": "起"},
                {"name": "steps", "label": "阶梯", "column_1": "rate"},
            ],
        )  # fmt: skip
        rows = [
            {"table": by_level, "key": "金", "value_1": "90%", "value_2": "30",
             "value_3": "2026-01-01"},
            {"table": by_level, "key": "银", "value_1": "0.95", "value_2": "很久"},
            {"table": by_amount, "key": "0", "value_1": "1"},
            {"table": by_amount, "key": "1,000", "value_1": "2"},
            {"table": by_amount, "key": "50.0", "value_1": "3"},
        ]  # fmt: skip
        keys = service.create(uow, "lookup_row", rows)
    return {"levels": by_level, "steps": by_amount, "金": keys[0], "rows": keys}


@pytest.fixture
def publish(unit_of_work, admin_id):
    def make(entity, name, expression, result="decimal"):
        with unit_of_work(admin_id) as uow:
            body = {"name": name, "kind": "computed", "label": name, "expression": expression}
            add_field(uow, f"formula_{entity}", body | {"result": result})

    return make


@pytest.mark.parametrize(
    ("expression", "result", "expected"),
    [
        ("LOOKUP('levels', level.name, '折扣')", "decimal", D("0.9")),
        ("查找('等级表', level.name, '账期')", "integer", 30),
        ("LOOKUP('LEVELS', ' 金 ', '等级', 'text')", "text", "金"),
        ("LOOKUP('levels', level.name, '起', '日期')", "date", date(2026, 1, 1)),
        ("LOOKUP('levels', '铜', '折扣')", "decimal", None),
        ("LOOKUP('levels', '银', '账期')", "integer", None),
        ("LOOKUP('levels', '银', 'nothing')", "decimal", None),
        ("LOOKUP('steps', 1000, 'rate')", "decimal", D(2)),
        ("LOOKUP('steps', 50, 'RATE')", "decimal", D(3)),
        ("LOOKUP('steps', 999.99, 'rate')", "decimal", None),
        ("LOOKUP('steps', 999.99, 'rate', 'number', 'at or below')", "decimal", D(3)),
        ("LOOKUP('steps', 5000, 'rate', 'number', '不大于')", "decimal", D(2)),
        ("LOOKUP('steps', -1, 'rate', 'number', 'at or below')", "decimal", None),
        ("LOOKUP(IF(name = '', 'levels', 'steps'), 0, 'rate')", "decimal", D(1)),
    ],
)
def test_cells_are_found(shop, rates, publish, read, expression, result, expected):
    publish("customer", "x_found", expression, result)
    assert read("customer", shop["customer"], "x_found") == expected


def test_a_changed_row_is_followed(shop, rates, publish, read, unit_of_work, make):
    publish("customer", "x_rate", "LOOKUP('levels', level.name, '折扣')")
    publish("order", "x_price", "cost * customer.x_rate", "money")
    order, version = read("order", shop["order"], "x_price", "version")
    assert order == D("63.00")
    with unit_of_work() as uow:
        service.update(uow, "lookup_row", {rates["金"]: {"value_1": "0.5"}})
        assert make is not None
    assert read("order", shop["order"], "x_price", "version") == (D("35.00"), version)
    with unit_of_work() as uow:
        service.delete(uow, "lookup_row", [rates["金"]])
    assert read("order", shop["order"], "x_price") is None
    with unit_of_work() as uow:
        service.create(uow, "lookup_row", [
            {"table": rates["levels"], "key": "金", "value_1": "0.2"},
        ])  # fmt: skip
    assert read("order", shop["order"], "x_price") == D("14.00")
    with unit_of_work() as uow:
        service.update(uow, "lookup_table", {rates["levels"]: {"name": "other", "label": "别的"}})
    assert read("order", shop["order"], "x_price") is None


def test_many_records_follow_a_table_by_a_job(
    shop, rates, publish, read, unit_of_work, run_jobs, monkeypatch, runtime
):
    publish("customer", "x_rate", "LOOKUP('levels', level.name, '折扣')")
    monkeypatch.setattr(dependants, "INLINE_ROWS", 0)
    with unit_of_work() as uow:
        service.update(uow, "lookup_row", {rates["金"]: {"value_1": "0.5"}})
    assert read("customer", shop["customer"], "x_rate") == D("0.9")
    run_jobs()
    assert read("customer", shop["customer"], "x_rate") == D("0.5")
    with runtime.read_connection() as connection:
        assert set(connection.execute(select(job_table.c.state)).scalars()) <= {"done", "queued"}


def test_a_table_is_read_once_for_many_records(shop, rates, publish, counted, unit_of_work, make):
    """Two statements find the table and its rows, whatever the number of records; then none."""
    publish("customer", "x_rate", "LOOKUP('levels', name, '折扣')")
    items = [{"name": ("金", "银", "铜")[n % 3]} for n in range(50)]
    with unit_of_work() as uow:
        service.update(uow, "lookup_row", {rates["金"]: {"value_1": "0.8"}})
    with unit_of_work() as uow, counted() as seen:
        made = service.create(uow, "formula_customer", items)
    assert len([sql for sql in seen if "core_lookup" in sql]) == 2
    with unit_of_work() as uow, counted() as seen:
        service.create(uow, "formula_customer", items)
    assert not [sql for sql in seen if "core_lookup" in sql]
    with unit_of_work(write=False) as uow:
        names = ("id", "x_rate")
        page = query.page(uow, "formula_customer", ListQuery(fields=names, sort="id", limit=100))
        found = {row["id"]: row["x_rate"] for row in page.items}
    assert [found[key] for key in made[:3]] == [D("0.8"), D("0.95"), None]


def test_what_was_rolled_back_is_not_remembered(shop, rates, publish, unit_of_work, make, read):
    publish("customer", "x_rate", "LOOKUP('levels', name, '折扣')")

    def fails():
        with unit_of_work() as uow:
            service.update(uow, "lookup_row", {rates["金"]: {"value_1": "0.1"}})
            service.create(uow, "formula_customer", [{"name": "金"}])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert read("customer", make("customer", name="金"), "x_rate") == D("0.9")


def test_the_company_calendar_decides(shop, publish, read, unit_of_work):
    """A Saturday that is worked and a Monday off; none are delivered."""
    with unit_of_work() as uow:
        assert query.count(uow, "calendar_day", ListQuery()) == 0
    publish("customer", "x_days", "WORKDAYS(DATE(2026, 3, 6), DATE(2026, 3, 10))", "integer")
    publish("customer", "x_due", "工作日推移(DATE(2026, 3, 6), 2)", "date")
    names = ("x_days", "x_due")
    assert read("customer", shop["customer"], *names) == (3, date(2026, 3, 10))
    with unit_of_work() as uow:
        days = [
            {"date": "2026-03-07", "kind": "working", "name": "调休"},
            {"date": "2026-03-09", "name": "休息"},
        ]
        keys = service.create(uow, "calendar_day", days)
    assert read("customer", shop["customer"], *names) == (3, date(2026, 3, 10))
    with unit_of_work() as uow:
        service.update(uow, "calendar_day", {keys[0]: {"kind": "off"}})
    assert read("customer", shop["customer"], *names) == (2, date(2026, 3, 11))
    with unit_of_work() as uow:
        service.delete(uow, "calendar_day", keys)
    assert read("customer", shop["customer"], *names) == (3, date(2026, 3, 10))


def test_keys_days_and_columns_are_unique_among_the_living(rates, unit_of_work):
    def refused(entity, *items):
        with pytest.raises(Invalid) as found, unit_of_work() as uow:
            service.create(uow, entity, list(items))
        return [(problem.item, problem.field, problem.code) for problem in found.value.problems]

    row = {"table": rates["levels"], "key": "金"}
    assert refused("lookup_row", row) == [(0, "key", "taken")]
    assert refused("lookup_row", {**row, "key": "a"}, {**row, "key": " A"}) == [(1, "key", "taken")]
    day = {"date": "2026-05-01"}
    assert refused("calendar_day", day, day) == [(1, "date", "taken")]
    table = {"name": "n", "label": "N", "column_1": "甲", "column_2": "甲"}
    assert refused("lookup_table", table) == [(0, "column_2", "taken")]
    with unit_of_work() as uow:
        service.create(uow, "lookup_row", [{**row, "table": rates["steps"]}])
        service.delete(uow, "lookup_row", [rates["金"]])
        service.create(uow, "lookup_row", [row])
    with pytest.raises(Invalid), unit_of_work() as uow:
        service.restore(uow, "lookup_row", [rates["金"]])


def test_a_table_has_a_limit(rates, unit_of_work, monkeypatch):
    from core.reference import rules

    monkeypatch.setattr(rules, "MAX_ROWS", 4)
    rows = [{"table": rates["levels"], "key": str(n)} for n in range(3)]
    with pytest.raises(Invalid) as found, unit_of_work() as uow:
        service.create(uow, "lookup_row", rows)
    assert found.value.problems[0].code == "too_many"
    with unit_of_work() as uow:
        service.create(uow, "lookup_row", rows[:2])


def test_they_are_entities_like_any_other(
    rates, app, sign_in, bearer, admin_id, make_person, unit_of_work
):
    """Lists, forms, REST and rights come with the declaration."""
    browser = sign_in()
    for entity in ("lookup_table", "lookup_row", "calendar_day"):
        assert browser.get(f"/r/{entity}").status_code == 200
        assert browser.get(f"/r/{entity}/new").status_code == 200
    client = app.test_client()
    day = {"date": "2026-10-01", "kind": "off", "name": "国庆"}
    made = client.post("/api/v1/records/calendar_day", json=day, headers=bearer(admin_id))
    assert made.status_code == 201, made.json
    viewer = make_person("看")
    with pytest.raises(Forbidden), unit_of_work(viewer) as uow:
        service.update(uow, "lookup_row", {rates["金"]: {"value_1": "0"}})


def test_they_are_imported_like_any_other(
    rates, shop, publish, read, unit_of_work, admin_id, run_jobs
):
    """A holiday list and price breaks from a spreadsheet; what looks into them follows."""
    publish("customer", "x_days", "WORKDAYS(DATE(2026, 9, 30), DATE(2026, 10, 2))", "integer")
    publish("customer", "x_step", "LOOKUP('阶梯', 70, 'rate', 'number', 'at or below')", "integer")
    files = {
        "calendar_day": "Date,Kind of day,Occasion\n2026-10-01,off,国庆\n2026/10/2,off,国庆\n",
        "lookup_row": "Table,Key,Column 1\n阶梯,60,8\n阶梯,1000,9\n",
    }
    for entity, text in files.items():
        with use_locale("en"), unit_of_work(admin_id) as uow:
            key = store_upload(uow, BytesIO(text.encode()), f"{entity}.csv", max_bytes=10_000)
            start_import(uow, entity, key, policy="update")
        run_jobs()
    assert read("customer", shop["customer"], "x_days", "x_step") == (1, 8)
    with unit_of_work(write=False) as uow:
        assert query.count(uow, "calendar_day", ListQuery()) == 2
        assert query.count(uow, "lookup_row", ListQuery()) == 6
