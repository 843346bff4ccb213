"""Several people write at once: a later change wins, none is lost, and nobody blocks in a ring."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from core.entities import query, service
from core.work.worker import run_until_idle

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


class Pauses:
    """Lets one thread stop within its transaction until another is where it should be."""

    def __init__(self):
        self.inside, self.go = threading.Event(), threading.Event()

    def wait_inside(self):
        assert self.inside.wait(20)

    def stop(self):
        self.inside.set()
        assert self.go.wait(20)


@pytest.fixture
def held(unit_of_work):
    """``held(write, meanwhile)``: ``write(uow)`` is not committed before ``meanwhile()`` had time
    to come as far as it can; True when that was to its end."""

    def run(write, meanwhile):
        pauses = Pauses()

        def first():
            with unit_of_work() as uow:
                write(uow)
                pauses.stop()

        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(first)
            pauses.wait_inside()
            two = pool.submit(meanwhile)
            done, _waiting = wait([two], timeout=0.7)
            pauses.go.set()
            one.result(timeout=20)
            two.result(timeout=20)
            return bool(done)

    return run


def test_a_record_made_while_what_it_reads_is_changed(shop, held, unit_of_work, change, read):
    """The new order cannot be seen by whoever renames the customer, so it waits for the name."""
    made = []

    def order():
        with unit_of_work() as uow:
            item = {"title": "新", "customer": shop["customer"]}
            made.extend(service.create(uow, "formula_order", [item]))

    def rename(uow):
        service.update(uow, "formula_customer", {shop["customer"]: {"name": "改名"}})

    held(rename, order)
    assert read("order", made[0], "heading").endswith(" 改名")


def test_what_a_new_record_reads_is_changed_before_it_is_committed(
    shop, held, change, read, run_jobs
):
    made = []

    def order(uow):
        item = {"title": "新", "customer": shop["customer"]}
        made.extend(service.create(uow, "formula_order", [item]))

    held(order, lambda: change("level", shop["level"], name="晚"))
    run_jobs()
    assert read("order", made[0], "level") == "晚"


def test_a_record_is_pointed_elsewhere_while_that_is_changed(
    shop, held, make, change, read, run_jobs
):
    """The way of a path changes in one transaction, the end of the new way in another."""
    level = make("level", name="旧", discount="0.5")

    def point(uow):
        service.update(uow, "formula_customer", {shop["customer"]: {"level": level}})

    held(point, lambda: change("level", level, name="新", discount="0.4"))
    run_jobs()
    assert read("order", shop["order"], "level") == "新"
    assert read("customer", shop["customer"], "rate") == 1 - read("level", level, "discount")


def test_somebody_edits_the_record_that_would_be_computed(
    shop, held, change, read, run_jobs, database_kind
):
    """The change does not wait for the other person; a job follows when both are done."""

    def edit(uow):
        service.update(uow, "formula_order", {shop["order"]: {"title": "在编辑"}})

    at_once = held(edit, lambda: change("level", shop["level"], name="同时"))
    assert at_once is (database_kind == "postgresql")  # SQLite has one writer at a time
    run_jobs()
    assert read("order", shop["order"], "title", "level") == ("在编辑", "同时")


def test_two_lines_of_one_parent_are_edited_at_once(
    shop, held, change, read, run_jobs, unit_of_work
):
    with unit_of_work(write=False) as uow:
        lines = query.get(uow, "formula_order", shop["order"]).values["lines"]
    first, second = (line["id"] for line in lines)

    def edit(uow):
        service.update(uow, "formula_line", {first: {"quantity": 1}})

    held(edit, lambda: change("line", second, quantity=1))
    run_jobs()
    assert read("order", shop["order"], "cost", "price") == (
        32,
        32 * read("level", shop["level"], "rate"),
    )


def test_many_writers_and_a_worker(shop, make, unit_of_work, compared, runtime, run_jobs):
    """Six threads change all ends of all paths, with a worker beside them; in the end all is true."""
    customers = [shop["customer"], *(make("customer", name=f"客{n}") for n in range(2))]
    levels = [shop["level"], make("level", name="二", discount="0.3")]
    products = [shop["nail"], shop["beam"]]
    orders = [
        make("order", title=f"单{n}", customer=customers[n % 3], lines=[{"product": products[0]}])
        for n in range(4)
    ]
    over, refused = threading.Event(), []

    def patiently(verb, *arguments):
        """As programs do that are answered 503: on a busy machine a lock may take too long."""
        for _attempt in range(20):
            try:
                with unit_of_work() as uow:
                    verb(uow, *arguments)
                return
            except OperationalError as error:
                refused.append(str(error.orig))
        raise AssertionError(refused[-1])

    def write(seed):
        pick = random.Random(seed)
        for step in range(15):
            name = f"{seed}-{step}"
            moves = [
                ("level", pick.choice(levels), {"name": name, "discount": f"0.{step % 9}"}),
                ("customer", pick.choice(customers), {"name": name, "level": pick.choice(levels)}),
                ("product", pick.choice(products), {"cost": f"{step}.5"}),
                ("order", pick.choice(orders), {"customer": pick.choice(customers)}),
                (
                    "order",
                    pick.choice(orders),
                    {"lines": [{"product": pick.choice(products), "quantity": step}]},
                ),
            ]
            entity, key, values = pick.choice(moves)
            patiently(service.update, f"formula_{entity}", {key: values})
            if step % 5 == 0:
                item = {"title": name, "customer": pick.choice(customers)}
                patiently(service.create, "formula_order", [item])

    def work():
        while not over.is_set():
            with suppress(OperationalError):
                run_until_idle(runtime)
            over.wait(0.05)

    with ThreadPoolExecutor(7) as pool:
        worker = pool.submit(work)
        writers = [pool.submit(write, seed) for seed in range(6)]
        try:
            for writer in writers:
                writer.result(timeout=90)
        finally:
            over.set()
        worker.result(timeout=30)
    runtime.clock.offset += timedelta(hours=2)  # jobs that had to wait are tried again
    run_jobs()
    assert not [text for text in refused if "deadlock" in text]
    stored, truth = compared()
    assert stored == truth
