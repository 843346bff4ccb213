"""Computed fields over several entities stay true, whatever is changed and by whomever."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from core.entities import dependants, query, recompute_job, service
from core.entities.query import ListQuery
from core.work.tables import event_table, job_table

D = Decimal


ORDER = ("level", "seller", "cost", "direct_cost", "price", "heading")


def test_values_come_through_references_and_lines(shop, read):
    """Also the number that the row is given when it is written, and the lines that follow it."""
    assert read("order", shop["order"], *ORDER) == (
        "金", "卖家", D("70.00"), D("70.00"), D("63.00"), "F0001 甲公司",
    )  # fmt: skip


def test_what_a_record_reads_changes_it(shop, read, change, make):
    """Each step of a path, near and far, in one transaction with the change."""
    order = shop["order"]
    change("level", shop["level"], name="白金", discount="0.2")
    assert read("order", order, "level", "price") == ("白金", D("56.00"))
    change("user", shop["seller"], name="新卖家")
    assert read("order", order, "seller") == "新卖家"
    silver = make("level", name="银", discount="0.05")
    change("customer", shop["customer"], level=silver, name="乙公司")
    assert read("order", order, "level", "price", "heading") == ("银", D("66.50"), "F0001 乙公司")
    change("product", shop["nail"], cost="4")
    assert read("order", order, "cost", "direct_cost", "price") == (
        D("80.00"), D("80.00"), D("76.00"),
    )  # fmt: skip
    other = make("customer", name="丙")
    change("order", order, customer=other)
    assert read("order", order, "level", "price", "heading") == (None, None, "F0001 丙")
    change("order", order, customer=None)
    assert read("order", order, "level", "heading") == (None, None)


def test_lines_changed_by_themselves_change_their_parent(shop, read, change, make, unit_of_work):
    order, second = shop["order"], make("order", title="二单")
    assert read("order", second, "cost", "direct_cost") == (D("0.00"), D("0.00"))
    with unit_of_work(write=False) as uow:
        lines = query.get(uow, "formula_order", order).values["lines"]
    first, beams = (line["id"] for line in lines)
    change("line", first, quantity=1)
    assert read("order", order, "cost", "direct_cost") == (D("62.00"), D("62.00"))
    change("line", first, order=second)
    assert read("order", order, "cost", "direct_cost") == (D("60.00"), D("60.00"))
    assert read("order", second, "cost", "direct_cost") == (D("2.00"), D("2.00"))
    with unit_of_work() as uow:
        service.delete(uow, "formula_line", [beams])
    assert read("order", order, "cost", "price") == (D("0.00"), D("0.00"))
    with unit_of_work() as uow:
        service.restore(uow, "formula_line", [beams])
    assert read("order", order, "cost", "direct_cost") == (D("60.00"), D("60.00"))


def test_a_recomputation_is_no_edit(shop, read, change, unit_of_work, admin_id):
    """An open form stays good: version, who and when are untouched, and the trail has no entry."""
    stamps = ("version", "updated_at", "updated_by")
    before = read("order", shop["order"], *stamps)
    change("customer", shop["customer"], name="改名")
    assert read("order", shop["order"], *stamps) == before
    with unit_of_work(write=False) as uow:
        entries = query.page(uow, "audit_entry", ListQuery(sort="id")).items
        assert [
            entry["action"]
            for entry in entries
            if (entry["entity"], entry["record_id"]) == ("formula_order", shop["order"])
        ] == ["create"]
        told = uow.execute(
            select(event_table.c.payload).where(
                event_table.c.type == "core.RecordsRecomputed",
                event_table.c.entity == "formula_order",
            )
        ).scalars()
        assert list(told) == [
            {"entity": "formula_order", "ids": [shop["order"]], "fields": ["heading"]}
        ]
    with unit_of_work(admin_id) as uow:
        service.update(
            uow,
            "formula_order",
            {shop["order"]: {"title": "同版本"}},
            versions={shop["order"]: before[0]},
        )


def test_an_edit_names_the_values_that_followed_from_it(shop, change, unit_of_work):
    """What one's own edit computes in one's own record stands in its audit entry."""
    other_product = shop["beam"]
    with unit_of_work() as uow:
        service.update(
            uow,
            "formula_order",
            {shop["order"]: {"lines": [{"product": other_product, "quantity": 1}]}},
        )
    with unit_of_work(write=False) as uow:
        entries = query.page(uow, "audit_entry", ListQuery(sort="-id")).items
        entry = next(e for e in entries if e["entity"] == "formula_order")
    assert entry["changes"]["cost"] == ["70.00", "30.00"]
    assert entry["changes"]["price"] == ["63.00", "27.00"]


def test_records_of_the_same_kind_hang_on_each_other(make, read, change):
    top = make("customer", name="集团")
    below = make("customer", name="分部", parent=top)
    assert read("customer", below, "group") == "集团 / 分部"
    change("customer", top, name="总公司")
    assert read("customer", below, "group") == "总公司 / 分部"
    assert read("customer", top, "group") == "总公司"


def test_archived_records_keep_giving_and_getting_values(shop, read, change, unit_of_work):
    """Labels of archived records are shown too; a record that is restored is right at once."""
    with unit_of_work() as uow:
        service.delete(uow, "formula_order", [shop["order"]])
        service.delete(uow, "formula_customer", [shop["customer"]])
    change("level", shop["level"], name="铂")
    assert read("order", shop["order"], "level") == "铂"
    with unit_of_work() as uow:
        service.restore(uow, "formula_order", [shop["order"]])
    assert read("order", shop["order"], "level", "heading") == ("铂", "F0001 甲公司")


@pytest.mark.databases("sqlite", later=("postgresql",))
@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.long) for n in (1, 2))])
def test_random_changes_leave_what_a_fresh_computation_gives(
    seed, unit_of_work, make_person, run_jobs, monkeypatch, compared
):
    """120 writes of every kind, also in one transaction; some dependants are left to jobs."""
    monkeypatch.setattr(dependants, "INLINE_ROWS", 4)
    monkeypatch.setattr(recompute_job, "CHUNK", 3)
    pick = random.Random(seed)
    people = [make_person(f"人{n}") for n in range(3)]
    ids = {"level": [], "customer": [], "product": [], "order": [], "user": people}

    def any_of(kind):
        return pick.choice([*ids[kind], None]) if ids[kind] else None

    def values(kind):
        name = f"名{pick.randrange(1000)}"
        match kind:
            case "level":
                return {"name": name, "discount": pick.choice(["0.1", "0.25", None])}
            case "customer":
                return {"name": name, "level": any_of("level"), "parent": any_of("customer")}
            case "product":
                return {"name": name, "cost": pick.choice(["1.5", "20", None])}
        lines = [
            {"product": any_of("product"), "quantity": pick.choice([1, 3, None])}
            for _ in range(pick.randrange(3))
        ]
        return {
            "title": name, "customer": any_of("customer"), "owner": any_of("user"), "lines": lines,
        }  # fmt: skip

    def step(uow):
        kind = pick.choice(["level", "customer", "customer", "product", "order", "order"])
        if len(ids[kind]) < 3 or pick.random() < 0.3:
            made = [values(kind) for _ in range(pick.randrange(1, 4))]
            ids[kind] += service.create(uow, f"formula_{kind}", made)
        elif pick.random() < 0.15:
            service.update(uow, "user", {pick.choice(people): {"name": f"人{pick.random()}"}})
        else:
            chosen = pick.sample(ids[kind], pick.randrange(1, 3))
            given = {}
            for key in chosen:
                new = values(kind)
                names = pick.sample(sorted(new), pick.randrange(1, len(new) + 1))
                given[key] = {name: new[name] for name in names}
            service.update(uow, f"formula_{kind}", given)

    for _ in range(40):
        with unit_of_work() as uow:
            for _ in range(3):
                step(uow)
    run_jobs()
    stored, truth = compared()
    assert stored == truth
    assert len([key for key in truth if key[0] == "order"]) > 5


def test_many_dependants_are_left_to_a_job(shop, unit_of_work, run_jobs, change, read):
    """Above 1,000 records a job computes them in chunks and shows how far it is."""
    with unit_of_work() as uow:
        items = [{"title": f"{n}", "customer": shop["customer"]} for n in range(1_200)]
        made = service.create(uow, "formula_order", items)
        assert uow.execute(select(func.count()).select_from(job_table)).scalar_one() == 0
    change("level", shop["level"], name="远")
    assert read("order", made[0], "level") == "金"
    with unit_of_work(write=False) as uow:
        job = uow.execute(select(job_table).where(job_table.c.kind == "core.recompute")).one()
        assert (job.state, job.actor_id) == ("queued", None)
        assert "Orders" in job.title
        assert "Its level" in job.title
    run_jobs()
    with unit_of_work(write=False) as uow:
        job = uow.execute(select(job_table).where(job_table.c.id == job.id)).one()
        assert (job.state, job.done, job.total) == ("done", 1_201, 1_201)
        assert job.result == {"rows": 1_201, "changed": 1_201}
        table = uow.entity("formula_order").table
        levels = uow.execute(select(table.c.level, func.count()).group_by(table.c.level)).all()
        assert [tuple(row) for row in levels] == [("远", 1_201)]


def test_of_two_changes_before_the_job_the_later_one_counts(
    shop, unit_of_work, run_jobs, change, read, monkeypatch
):
    monkeypatch.setattr(dependants, "INLINE_ROWS", 0)
    change("level", shop["level"], name="先")
    change("level", shop["level"], name="后")
    change("order", shop["order"], title="其间")
    run_jobs()
    assert read("order", shop["order"], "level", "title") == ("后", "其间")


def test_writes_that_nothing_hangs_on_cost_no_statement_more(shop, counted, unit_of_work, change):
    """A product's name is read by no formula; one that is, costs a look and a write."""
    change("product", shop["nail"], name="小钉")
    with unit_of_work() as uow, counted() as seen:
        service.update(uow, "formula_product", {shop["nail"]: {"name": "大钉"}})
    without = [sql for sql in seen if "formula_sample" in sql]
    assert len(without) == 2  # read and locked; written
    with unit_of_work() as uow, counted() as seen:
        service.update(uow, "formula_order", {shop["order"]: {"title": "无关"}})
    assert len([sql for sql in seen if "formula_sample" in sql]) == 2
    with unit_of_work() as uow, counted() as seen:
        service.create(uow, "formula_level", [{"name": "新"}])
    assert len([sql for sql in seen if "formula_sample" in sql]) == 1


def test_bulk_writes_read_each_entity_once(shop, counted, unit_of_work):
    """300 orders: the customers, their levels and the people are each asked for once."""
    items = [
        {"title": f"{n}", "customer": shop["customer"], "owner": shop["seller"]} for n in range(300)
    ]
    with unit_of_work() as uow, counted() as seen:
        service.create(uow, "formula_order", items)
    reads = [sql for sql in seen if sql.startswith("SELECT") and "formula_sample" in sql]
    assert len(reads) <= 8, reads


def test_a_module_that_was_off_is_computed_when_it_is_on_again(
    shop, unit_of_work, change, read, admin_id
):
    from core.ops.lifecycle import disable, enable

    with unit_of_work(admin_id) as uow:
        disable(uow, "formula_sample")
    change("user", shop["seller"], name="改了名")
    with unit_of_work(admin_id) as uow:
        enable(uow, "formula_sample")
    assert read("order", shop["order"], "seller") == "改了名"


def test_a_value_that_does_not_fit_is_empty(make, read, change, unit_of_work):
    """The write is not refused for what its author cannot mend."""
    product = make("product", name="贵", cost="9999999999999999.99")
    order = make("order", title="大", lines=[{"product": product, "quantity": 1}])
    assert read("order", order, "cost") == D("9999999999999999.99")
    with unit_of_work(write=False) as uow:
        (line,) = query.get(uow, "formula_order", order).values["lines"]
    change("line", line["id"], quantity=10)
    assert read("line", line["id"], "cost") is None
    assert read("order", order, "cost", "direct_cost") == (D("0.00"), None)
