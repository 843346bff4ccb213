"""Fields that a company publishes while all runs: through references, over rows that exist already."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from core.entities import dependants, query, recompute_job, service
from core.work.tables import job_table

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def api(app, bearer, admin_id):
    """``api(method, path, body=None) -> answer``, by the administrator."""
    headers = {**bearer(admin_id), "Accept-Language": "en"}

    def call(method, path, body=None):
        browser = app.test_client()
        return browser.open(f"/api/v1{path}", method=method, json=body, headers=headers)

    return call


@pytest.fixture
def publish(api):
    """``publish(entity, name, expression, **options) -> answer``"""

    def make(entity, name, expression, **options):
        body = {"name": f"x_{name}", "kind": "computed", "expression": expression, **options}
        label = {"label": {"zh_CN": f"字段{name}", "en": f"Field {name}"}}
        return api("POST", f"/schema/entities/formula_{entity}/fields", body | label)

    return make


@pytest.fixture
def value(api):
    """``value(entity, id, name)``, as REST tells it."""

    def read(entity, key, name):
        answer = api("GET", f"/records/formula_{entity}/{key}")
        assert answer.status_code == 200, answer.json
        return answer.json[name]

    return read


def test_old_rows_are_filled_and_kept(shop, publish, value, api):
    """Few rows at once; then every change along the path is followed, over REST."""
    made = publish("order", "rate", "[Customer.Level].rate * 100", result="decimal", scale=1)
    assert made.status_code == 201, made.json
    assert value("order", shop["order"], "x_rate") == "90.0"
    new = api("POST", "/records/formula_order", {"title": "新", "customer": shop["customer"]})
    assert new.json["x_rate"] == "90.0"
    version = new.json["version"]
    changed = api("PATCH", f"/records/formula_level/{shop['level']}", {"discount": "0.25"})
    assert changed.status_code == 200, changed.json
    assert value("order", shop["order"], "x_rate") == "75.0"
    assert value("order", new.json["id"], "version") == version


def test_computed_of_computed_over_three_entities(shop, publish, value, api):
    """product → line → order → a field over both, each published at run time, in one chain."""
    assert publish("product", "net", "cost / 2").status_code == 201
    assert publish("line", "net", "product.x_net * quantity").status_code == 201
    assert publish("order", "net", "SUM(lines.x_net) + 0").status_code == 201
    assert publish("order", "share", "[字段net] / cost * 100", result="integer").status_code == 201
    order = shop["order"]
    assert value("order", order, "x_net") == "35.0000"
    assert value("order", order, "x_share") == 50
    api("PATCH", f"/records/formula_product/{shop['beam']}", {"cost": "40"})
    assert value("order", order, "x_net") == "45.0000"
    assert value("order", order, "x_share") == 50


def test_many_old_rows_are_filled_by_a_job(
    shop, publish, value, unit_of_work, run_jobs, runtime, api
):
    """The job is seen on the Jobs page and over REST; rows written meanwhile are right at once."""
    with unit_of_work() as uow:
        items = [{"title": f"{n}", "customer": shop["customer"]} for n in range(1_100)]
        service.create(uow, "formula_order", items)
    assert publish("order", "who", "customer.name & '!'", result="text").status_code == 201
    assert value("order", shop["order"], "x_who") is None
    job = _jobs(runtime)[0]
    assert api("GET", f"/jobs/{job.id}").json["state"] == "queued"
    new = api("POST", "/records/formula_order", {"title": "新", "customer": shop["customer"]})
    assert new.json["x_who"] == "甲公司!"
    run_jobs()
    told = api("GET", f"/jobs/{job.id}").json
    assert (told["state"], told["done"], told["total"]) == ("done", 1_102, 1_102)
    assert told["result"] == {"rows": 1_102, "changed": 1_101}
    assert value("order", shop["order"], "x_who") == "甲公司!"


def _jobs(runtime):
    with runtime.read_connection() as connection:
        found = select(job_table).where(job_table.c.kind == "core.recompute")
        return connection.execute(found.order_by(job_table.c.run_at, job_table.c.id)).all()


def test_a_job_that_died_goes_on_where_it_was(
    shop, publish, unit_of_work, run_jobs, runtime, monkeypatch
):
    monkeypatch.setattr(dependants, "INLINE_ROWS", 3)
    monkeypatch.setattr(recompute_job, "CHUNK", 4)
    with unit_of_work() as uow:
        items = [{"title": f"{n}", "customer": shop["customer"]} for n in range(11)]
        service.create(uow, "formula_order", items)
    publish("order", "who", "customer.name", result="text")
    compute, chunks = recompute_job.compute, []

    def dies(uow, entity, fields, ids):
        chunks.append(ids)
        if len(chunks) == 2:
            raise RuntimeError("the power is gone")
        return compute(uow, entity, fields, ids)

    monkeypatch.setattr(recompute_job, "compute", dies)
    run_jobs()
    job = _jobs(runtime)[0]
    assert (job.state, job.done, job.result["changed"]) == ("queued", 4, 4)
    runtime.clock.offset += job.run_at - runtime.clock.now()
    run_jobs()
    job = _jobs(runtime)[0]
    assert (job.state, job.result) == ("done", {"rows": 12, "changed": 12})
    assert [len(ids) for ids in chunks] == [4, 4, 4, 4]


@pytest.mark.databases("postgresql")
def test_writers_that_began_before_are_seen_to_later(shop, publish, runtime):
    """A transaction that does not know the field yet may still write a row without it."""
    publish("order", "who", "customer.name", result="text")
    (job,) = _jobs(runtime)
    assert job.arguments["keys"] is None
    assert 60 < (job.run_at - job.created_at).total_seconds() < 300


@pytest.mark.parametrize(
    ("expression", "column", "words"),
    [
        ("1 + customer.lavel.rate", 14, "There is no field lavel here; did you mean level?"),
        ("customer.parent.parent.parent.name & ''", 31, "A path leads over at most 3 records."),
        ("customer.name.name", 15, "name has no fields of its own."),
        ("1 + lines.cost", 5, "lines.cost has a value for each line"),
        ("SUM(lines.product.name)", 5, "This is text, but a number is needed here."),
        ("1 + (TODAY() - DATE(2026, 1, 1))", 6, "TODAY and NOW cannot be used in a stored field."),
        ("2 * LOOKUP('rates', 1, 'a')", 5, "There is no reference table rates."),
    ],
)
def test_what_is_wrong_is_said_with_its_place(publish, expression, column, words):
    answer = publish("order", "new", expression)
    assert answer.status_code == 422
    (problem,) = answer.json["errors"]
    assert (problem["field"], problem["code"]) == ("expression", "expression")
    assert words in problem["message"]
    assert problem["message"].endswith(f"(character {column})")


def test_a_circle_is_named(publish):
    answer = publish("customer", "new", "1 + parent.x_new")
    message = answer.json["errors"][0]["message"]
    assert "It would be computed from itself" in message
    assert "formula_customer.x_new → formula_customer.x_new" in message


def test_what_is_wrong_is_said_in_the_readers_language(app, bearer, admin_id):
    body = {"name": "x_new", "kind": "computed", "label": "新", "expression": "1 +"}
    answer = app.test_client().post(
        "/api/v1/schema/entities/formula_order/fields",
        json=body,
        headers={**bearer(admin_id), "Accept-Language": "zh-CN"},
    )
    assert "stops too early" not in answer.json["errors"][0]["message"]


def test_a_formula_means_the_same_in_every_language(
    shop, publish, value, api, app, bearer, admin_id
):
    """Published with Chinese labels, computed for somebody who reads English."""
    assert publish("customer", "one", "[Level.rate] * 2").status_code == 201
    assert publish("customer", "two", "[字段one] + 1").status_code == 201
    assert publish("customer", "three", "[Field two] + 1").status_code == 201
    browser = app.test_client()
    for language in ("zh-CN", "en"):
        headers = {**bearer(admin_id), "Accept-Language": language}
        answer = browser.post(
            "/api/v1/records/formula_customer",
            json={"name": "x", "level": shop["level"]},
            headers=headers,
        )
        assert answer.json["x_three"] == "3.8000"


def test_a_module_that_is_off_goes_on_giving_values(shop, unit_of_work, admin_id, runtime, change):
    """Its records are still there, as for labels; nothing fails, and the doctor is content."""
    from core.customize.service import add_field
    from core.ops.doctor import examine
    from core.ops.lifecycle import disable, enable

    with unit_of_work(admin_id) as uow:
        add_field(
            uow,
            "user",
            {"name": "x_ref", "kind": "reference", "label": "客户", "entity": "formula_customer"},
        )
    with unit_of_work(admin_id) as uow:
        body = {"name": "x_c", "kind": "computed", "label": "名", "result": "text"}
        add_field(uow, "user", body | {"expression": "x_ref.name & '·' & name"})
    seller = {shop["seller"]: {"x_ref": shop["customer"]}}
    with unit_of_work() as uow:
        service.update(uow, "user", seller)

    def kept():
        with unit_of_work(write=False) as uow:
            return query.get(uow, "user", shop["seller"]).values["x_c"]

    assert kept() == "甲公司·卖家"
    change("customer", shop["customer"], name="乙")
    assert kept() == "乙·卖家"
    with unit_of_work(admin_id) as uow:
        disable(uow, "formula_sample")
    change("user", shop["seller"], name="人")
    assert kept() == "乙·人"
    found = {each.check: each for each in examine(runtime)}
    assert found["formulas"].state == "ok"
    with unit_of_work(admin_id) as uow:
        enable(uow, "formula_sample")
    assert kept() == "乙·人"
