"""A process is killed in the middle of a change of structure: all of it is there, or nothing."""

from __future__ import annotations

import os
import signal

import pytest
from sqlalchemy import inspect

from core.customize.entities import add_entity, restore_entity, retire_entity
from core.customize.purge import can_go, purge, retired
from core.customize.service import add_field, retire_field
from core.errors import Invalid
from core.faults import planned_fault
from core.ops.doctor import examine

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

STEPS = ("schema.after_ddl", "schema.before_record", "audit.before_insert", "schema.before_commit")
ENTITY = {
    "name": "x_vehicle",
    "label": "Vehicle",
    "fields": [
        {"name": "x_plate", "kind": "text", "label": "Plate", "unique": True},
        {"name": "x_driver", "kind": "reference", "entity": "user", "label": "Driver"},
        {"name": "x_guests", "kind": "references", "entity": "user", "label": "Guests"},
        {"name": "x_note", "kind": "text", "label": "Note"},
    ],
}
FIELD = {"name": "x_code", "kind": "reference", "entity": "department", "label": "Code"}


def make_entity(uow):
    add_entity(uow, ENTITY)


def make_field(uow):
    add_field(uow, "user", FIELD)


def purge_all(uow):
    purge(uow, can_go(uow, retired(uow))[0])


@pytest.fixture
def killed(site):
    """``killed(step, point)``: a process of its own takes the step and is killed at ``point``."""

    def run(step, point):
        site.runtime.database.dispose()  # connections are not shared with another process
        child = os.fork()
        if child == 0:
            try:
                with planned_fault(f"{point}:kill"), site.unit_of_work() as uow:
                    step(uow)
            finally:
                os._exit(1)
        _pid, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"{point} was not reached"
        assert os.WTERMSIG(status) == signal.SIGKILL

    return run


@pytest.fixture
def done(site):
    """``done(step)``: the same without being killed."""

    def run(step):
        with site.unit_of_work() as uow:
            step(uow)

    return run


def real(site):
    """(tables of the company's own, its columns of the table of users)"""
    with site.runtime.read_connection() as connection:
        inspector = inspect(connection)
        tables = {name for name in inspector.get_table_names() if name.startswith("x_")}
        columns = {column["name"] for column in inspector.get_columns("core_user")}
    return tables, {name for name in columns if name.startswith("x_")}


def problems(site):
    """What the doctor finds wrong with the structure."""
    return [
        finding.detail
        for finding in examine(site.runtime)
        if finding.check == "schema" and finding.state != "ok"
    ]


@pytest.mark.parametrize("point", [*STEPS, "uow.before_commit", "uow.after_commit"])
def test_killed_while_it_is_made(site, killed, done, point):
    """F1: both databases make tables within the transaction, so a start has nothing to repair."""
    durable = point == "uow.after_commit"
    killed(make_entity, point)
    assert real(site) == ({"x_vehicle", "x_vehicle__x_guests"} if durable else set(), set())
    assert problems(site) == []
    killed(make_field, point)
    assert real(site)[1] == ({"x_code"} if durable else set())
    assert problems(site) == []
    for step in (make_entity, make_field):
        if durable:
            with pytest.raises(Invalid):
                done(step)
        else:
            done(step)
    assert problems(site) == []


@pytest.mark.databases("sqlite", later=("postgresql",))
@pytest.mark.parametrize("point", ["schema.after_ddl", "schema.before_commit"])
def test_killed_while_it_is_purged(site, killed, done, point):
    """F1: what was being dropped is whole again, still retired, and can be dropped or restored."""
    done(make_entity)
    done(make_field)
    done(lambda uow: retire_field(uow, "user", "x_code"))
    done(lambda uow: retire_entity(uow, "x_vehicle"))
    killed(purge_all, point)
    assert real(site) == ({"x_vehicle", "x_vehicle__x_guests"}, {"x_code"})
    assert problems(site) == []
    done(lambda uow: restore_entity(uow, "x_vehicle"))
    done(lambda uow: retire_entity(uow, "x_vehicle"))
    done(purge_all)
    assert real(site) == (set(), set())
    assert problems(site) == []


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_the_doctor_notices_what_is_half_there(site, done):
    """The positive control: a column and a table without a description, and the reverse."""
    done(make_entity)
    with site.runtime.database.connect(write=True) as connection, connection.begin():
        connection.exec_driver_sql("CREATE TABLE x_left (id INTEGER)")
        connection.exec_driver_sql("ALTER TABLE core_user ADD COLUMN x_stray INTEGER")
        connection.exec_driver_sql("ALTER TABLE x_vehicle DROP COLUMN x_note")
        connection.exec_driver_sql("DROP TABLE x_vehicle__x_guests")
    found = "; ".join(problems(site))
    assert "x_left" in found
    assert "core_user.x_stray" in found
    assert "x_vehicle.x_note" in found
    assert "x_vehicle__x_guests" in found
