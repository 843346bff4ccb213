"""Guards that can be taken away one by one, and the test that has to fail without each.

As a plugin of pytest (``-p guards``) it runs those tests, each without its guard, and writes into
``GUARDS_TOLD`` what became of them. Processes that such a test starts go without the same guard: they
find ``GUARD_OFF`` in their environment (see `sitecustomize`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

__all__ = ["GUARDS", "Guard", "take_away_here"]

#: ``put(owner, name, value)`` replaces an attribute.
Put = Callable[[Any, str, Any], None]


def _nothing(*_args: Any, **_more: Any) -> None:
    return None


def _effects_apart(put: Put) -> None:
    """J1: an effect is committed by itself, and marked as done afterwards."""
    from core.faults import fault
    from core.security.actor import SYSTEM
    from core.work import deliver
    from core.work.claims import JOB
    from core.work.uow import UnitOfWork

    def in_two_parts(context: Any, event_id: int, subscriber: str) -> None:
        found = {
            f"{each.owner}.{each.item.name}": each.item
            for each in context.runtime.installed("register_subscribers")
        }
        with UnitOfWork(context.runtime, SYSTEM, origin=JOB) as uow:
            chosen = deliver.event_table.c.id == event_id
            row = uow.execute(deliver.select(deliver.event_table).where(chosen)).one()
            event = deliver._event(context.runtime, uow.snapshot, row.type, row.payload)
            found[subscriber].handler(event, uow)
        fault("outbox.after_send")
        with UnitOfWork(context.runtime, SYSTEM, origin=JOB) as uow:
            context.finish(uow)

    object.__setattr__(deliver.DELIVER, "handler", in_two_parts)


def _no_nap_ends(put: Put) -> None:
    """J3: a worker that does not hear the bell does nothing by itself, and so never tells that it is there."""
    from core.work import worker

    put(worker, "NAP", 3600.0)


def _periods_unclaimed(put: Put) -> None:
    """J8: whoever has seen that a period is due starts it; on a busy machine both see it after a while."""
    import time

    from core.faults import fault
    from core.work import schedule
    from core.work.uow import UnitOfWork

    def start(runtime: Any, name: str, each: Any) -> int:
        time.sleep(4)
        with UnitOfWork(runtime, schedule.SYSTEM, origin=schedule.SCHEDULER) as uow:
            table = schedule.schedule_table
            following = schedule.next_moment(each, uow.now(), uow.clock.timezone)
            mine = schedule.update(table).where(table.c.name == name)
            uow.execute(mine.values(next_at=following, last_at=uow.now()))
            uow.enqueue(each.job, each.arguments, title=name)
        fault("schedule.after_claim")
        return 1

    put(schedule, "_start", start)


def _first_come_first(put: Put) -> None:
    """J9: one queue for all, in the order of coming."""
    from sqlalchemy import func, select

    from core.work import claims

    def by_age(uow: Any, _after: str) -> list[str]:
        lane = claims.job_table.c.lane
        oldest = func.min(claims.job_table.c.run_at)
        found = select(lane).where(claims.QUEUED).group_by(lane).order_by(oldest)
        return list(uow.execute(found).scalars())

    put(claims, "_due_lanes", by_age)


def _deaf_workers(put: Put) -> None:
    """J10: a worker ends where the signal finds it."""
    import threading

    import core.cli.running
    import core.worker

    put(core.cli.running, "end_when_told", threading.Event)
    unheard = SimpleNamespace(signal=_nothing, SIGTERM=15, SIGINT=2)
    put(core.worker, "signal", unheard)


def _no_hint(put: Put) -> None:
    """B1, B5: what fails for the moment is answered like a fault of ours."""
    from core.http import errors

    put(errors, "_is_passing", lambda _error: False)


def _untold_structure(put: Put) -> None:
    """K1: no process is told that the structure has changed."""
    from core.customize import changing

    put(changing, "bump_structure", _nothing)


def _half_migrations(put: Put) -> None:
    """P2: what ran before the step that failed stays."""
    from core.ops import lifecycle

    kept = lifecycle.upgrade

    def committing(connection: Any, *given: Any, **more: Any) -> Any:
        try:
            return kept(connection, *given, **more)
        except Exception:
            connection.connection.commit()
            raise

    put(lifecycle, "upgrade", committing)


def _tables_go(put: Put) -> None:
    """P3: switching a plugin off takes its tables with it."""
    from core.db.migrate import downgrade
    from core.ops import lifecycle

    kept = lifecycle._write_state

    def dropping(uow: Any, name: str, *, enabled: bool, version: str) -> None:
        kept(uow, name, enabled=enabled, version=version)
        if not enabled:
            folder = uow.runtime.plugins.loaded[name].folder
            downgrade(uow.connection, name, folder / "migrations")

    put(lifecycle, "_write_state", dropping)


def _any_core(put: Put) -> None:
    """P4: a plugin for another core is loaded."""
    from core.plugins.manifest import Manifest

    put(Manifest, "accepts_core", lambda _manifest, _version: True)


def _no_quota(put: Put) -> None:
    """N2: nobody counts what a person holds."""
    from core.pools import verbs

    put(verbs, "check_limits", _nothing)


def _numbers_that_stay_gone(put: Put) -> None:
    """N3: a number comes from a counter that no roll-back turns back."""
    from core.entities import sequences

    counters: dict[str, int] = {}

    def advance(_uow: Any, key: str, count: int) -> int:
        counters[key] = counters.get(key, 0) + count
        return counters[key]

    put(sequences, "_advance", advance)


def _results_for_all(put: Put) -> None:
    """Z8: who has the number of a result has the result."""
    from core.files import access

    put(access, "_results", lambda _uow, table: table.c.entity.startswith("-"))


def _uploads_for_all(put: Put) -> None:
    """Z9: whoever knows the number of a file ties it to a record of theirs."""
    from core.files import service

    put(service, "not_yours", lambda: "")
    put(service, "_loose", lambda _uow, ids: set(ids))


def _names_as_they_are(put: Put) -> None:
    """I10: the name of an upload is taken as it was sent."""
    from core.files import storage

    put(storage, "safe_filename", str)


def _any_xml(put: Put) -> None:
    """I11: the parser of the standard library, which knows document types."""
    from xml.etree.ElementTree import XMLParser

    import core.xml

    put(core.xml, "DefusedXMLParser", lambda target, **_forbidden: XMLParser(target=target))


def _any_header(put: Put) -> None:
    """I14: headers are taken as they come."""
    from core.mail import message

    put(message, "_check_header", _nothing)


def _one_key(put: Put) -> None:
    """S2: a process knows the newest key alone."""
    from core import secrets

    def newest(config: Any, name: str) -> str | None:
        return config.secret_key if secrets.key_id(config.secret_key) == name else None

    put(secrets, "_find_key", newest)


@dataclass(frozen=True)
class Guard:
    """A test that fails without the guard. ``here`` in its own process, ``there`` in those it starts."""

    test: str
    #: The line of the test that fails: it has to be the guard that is missed, and nothing else.
    #: One of them, where chance decides which comes first.
    fails: str | tuple[str, ...]
    here: Callable[[Put], None] = _nothing
    there: Callable[[Put], None] = _nothing
    #: Which of its parameters, where it has some.
    params: Mapping[str, Any] = field(default_factory=dict)
    #: Names of the test's module that are replaced too: constants, and what it imported by name.
    names: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


_NEEDING = {"wanted": ">=1.0,<2", "core": "2.0", "loads": False}
GUARDS: Mapping[str, Guard] = {
    "J1": Guard(
        "tests/faults/test_killed_workers.py::test_each_effect_happens_once_though_the_worker_was_killed",
        fails="assert site.effects() == site.expected(departments)",
        there=_effects_apart,
        params={"point": "outbox.after_send"},
    ),
    "J3": Guard(
        "tests/faults/test_redis_away.py::test_writes_and_work_go_on_without_redis_and_it_is_used_again",
        fails="waited 20 s for the worker's return",
        there=_no_nap_ends,
    ),
    "J8": Guard(
        "tests/faults/test_two_schedulers.py::test_a_period_starts_once",
        fails='assert site.effects() == {("tick", 0): 1}',
        there=_periods_unclaimed,
    ),
    "J9": Guard(
        "tests/work/test_turns.py::test_a_flood_makes_nobody_else_wait",
        fails='assert job(key).state == "done"',
        here=_first_come_first,
        params={"whose": "another person"},
    ),
    "J10": Guard(
        "tests/faults/test_restarts.py::test_twenty_restarts_lose_nothing_and_fail_nobody",
        fails="assert worker.wait(60) == 0",
        there=_deaf_workers,
    ),
    "B1": Guard(
        "tests/faults/test_database_restarts.py::"
        "test_what_was_answered_survives_and_the_rest_is_told_to_try_again",
        fails="assert set(answers) == {201, 503}",
        here=_no_hint,
        names={"ROUNDS": 2},
    ),
    "B5": Guard(
        "tests/faults/test_database_faults.py::test_a_disk_that_is_full_refuses_and_recovers",
        fails="assert answers == {503}",
        here=_no_hint,
    ),
    "K1": Guard(
        "tests/faults/test_structure_under_load.py::test_fifty_fields_under_load",
        # The next request may already meet a process that was not told of the entity.
        fails=("assert last - begun < 20", "x_item 的实体"),
        there=_untold_structure,
        environment={"DOUGONG_FIELDS": "1"},
    ),
    "P2": Guard(
        "tests/integration/test_plugins_faults.py::"
        "test_a_migration_that_fails_leaves_the_schema_as_it_was",
        fails="assert schema_of(runtime) == before",
        here=_half_migrations,
        params={"step": 2},
    ),
    "P3": Guard(
        "tests/integration/test_plugins_lifecycle.py::test_twenty_cycles_lose_nothing",
        fails="assert contents() == before",
        here=_tables_go,
    ),
    "P4": Guard(
        "tests/unit/plugins/test_discovery.py::test_the_version_of_the_core",
        fails="assert bool(loaded) is loads",
        here=_any_core,
        params=_NEEDING,
    ),
    "N2": Guard(
        "plugins/crm_leads/tests/test_concurrency.py::test_fifty_claims_of_ten_leads",
        fails="assert max(held) <= 4",
        here=_no_quota,
        params={"rounds": 2},
    ),
    "N3": Guard(
        "tests/security/test_concurrency.py::test_numbers_have_no_gap_and_no_twin",
        fails="assert sorted(numbers",
        here=_numbers_that_stay_gone,
        params={"writers": 8},
    ),
    "Z8": Guard(
        "tests/exchange/test_files.py::test_an_export_s_file_is_bound_to_its_starter_and_right",
        fails="assert not can_read(unit_of_work, other, report)",
        here=_results_for_all,
    ),
    "Z9": Guard(
        "tests/exchange/test_files.py::test_foreign_and_used_files_are_refused",
        fails="DID NOT RAISE",
        here=_uploads_for_all,
    ),
    "I10": Guard(
        "tests/unit/test_storage.py::test_no_spelling_of_a_way_up_reaches_anything",
        fails="assert not set(name) & set(",
        here=_names_as_they_are,
        names={"safe_filename": str},
    ),
    "I11": Guard(
        "tests/unit/test_xml.py::test_hostile_documents_are_refused_at_once",
        fails="DID NOT RAISE",
        here=_any_xml,
        params={"data": b"<!DOCTYPE a><a/>"},
    ),
    "I14": Guard(
        "tests/unit/test_mail.py::test_no_text_breaks_out_of_a_header",
        fails="DID NOT RAISE",
        here=_any_header,
    ),
    "S2": Guard(
        "tests/ops/test_secrets.py::test_all_secrets_move_to_a_new_key_though_it_is_killed",
        fails='assert unreadable(runtime, connection) == 0, "both keys live"',
        here=_one_key,
        params={"count": 2_000},
    ),
}


def take_away_here(name: str) -> None:
    """In a process that a test has started."""
    GUARDS[name].there(setattr)


# The plugin of pytest


def _guard_of(item: pytest.Item) -> str | None:
    given = item.callspec.params if hasattr(item, "callspec") else {}
    for name, guard in GUARDS.items():
        if item.nodeid.partition("[")[0] == guard.test and all(
            given.get(key) == value for key, value in guard.params.items()
        ):
            return name
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One of each, on SQLite where the test asks for a database."""
    chosen: dict[str, pytest.Item] = {}
    wanted = os.environ["GUARDS_WANTED"].split()
    for item in items:
        name = _guard_of(item)
        kind = item.callspec.params.get("database_kind") if hasattr(item, "callspec") else None
        if name in wanted and (kind != "postgresql" or name not in chosen):
            chosen[name] = item
    items[:] = chosen.values()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    """Its fixtures start processes too."""
    name = _guard_of(item)
    assert name is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GUARD_OFF", name)
        for key, value in GUARDS[name].environment.items():
            patch.setenv(key, value)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    name = _guard_of(item)
    assert name is not None
    guard = GUARDS[name]
    with pytest.MonkeyPatch.context() as patch:
        for key, value in guard.names.items():
            patch.setattr(item.module, key, value)  # type: ignore[attr-defined]
        guard.here(patch.setattr)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    place = Path(os.environ["GUARDS_TOLD"])
    told = json.loads(place.read_text()) if place.exists() else {}
    name = _guard_of(item)
    if report.when == "call" or report.outcome != "passed":
        told.setdefault(name, f"{report.outcome} in {report.when}: {report.longreprtext[-3000:]}")
    place.write_text(json.dumps(told))
    return report
