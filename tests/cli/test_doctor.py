"""Each check of the doctor, with the damage that it is there to find."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, text, update

from core.ops.doctor import examine
from core.runtime import epoch_table
from core.security.models import User
from core.work.tables import event_table, job_table


def _states(runtime) -> dict[str, str]:
    """The worst state by check."""
    order = ("ok", "warning", "problem")
    states: dict[str, str] = {}
    for finding in examine(runtime):
        known = states.get(finding.check, "ok")
        states[finding.check] = max(known, finding.state, key=order.index)
    return states


def test_a_fresh_installation_has_no_problem(runtime):
    assert "problem" not in _states(runtime).values()


def test_one_administrator_is_few_and_none_is_a_problem(runtime, unit_of_work, make_person):
    assert _states(runtime)["administrators"] == "warning"
    make_person("第二位", roles=("admin",))
    assert _states(runtime)["administrators"] == "ok"
    with unit_of_work() as uow:
        uow.execute(update(User.__table__).values(is_active=False))
    assert _states(runtime)["administrators"] == "problem"


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        ("ALTER TABLE core_user DROP COLUMN title", "schema"),
        ("ALTER TABLE core_user ADD COLUMN x_left_over INTEGER", "schema"),
        ("DROP TABLE core_absence", "schema"),
        ("UPDATE core_department SET head_id = 4711", "references"),
        ("UPDATE core_alembic SET version_num = '0000'", "migrations"),
    ],
)
def test_damage_to_the_tables_is_found(runtime, unit_of_work, admin_id, damage, check):
    from core.entities import service

    with unit_of_work() as uow:
        service.create(uow, "department", [{"name": "总部", "head": admin_id}])
    assert _states(runtime)[check] == "ok"
    with unit_of_work() as uow:
        uow.execute(text(damage))
    runtime.database.dispose()
    assert _states(runtime)[check] == "problem"


def test_a_missing_epoch_is_found(runtime, unit_of_work):
    with unit_of_work() as uow:
        uow.execute(delete(epoch_table))
    assert _states(runtime) == {"database": "ok", "epoch": "problem"}


def test_work_that_nobody_does_is_found(runtime, unit_of_work, run_jobs):
    run_jobs()
    with unit_of_work() as uow:
        uow.enqueue("core.deliver", {"event_id": 0, "subscriber": "nobody"})
        now = uow.now()
        values = {"type": "core.UserSignedIn", "payload": {}, "at": now, "state": "new"}
        uow.execute(insert(event_table).values(values))
    assert _states(runtime) | {"jobs": "ok", "outbox": "ok"} == _states(runtime)
    runtime.clock.move(timedelta(hours=1))
    assert _states(runtime) | {"jobs": "problem", "outbox": "problem"} == _states(runtime)
    with unit_of_work() as uow:
        uow.execute(delete(event_table))
        uow.execute(update(job_table).values(state="failed"))
    assert _states(runtime) | {"jobs": "warning", "outbox": "ok"} == _states(runtime)
