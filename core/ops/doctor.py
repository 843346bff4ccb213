"""Is this installation in order? One small check for each thing that can be wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from core.backup.scheduled import GROUP, LATE_AFTER, OVERDUE_AFTER, lacks_backup
from core.backup.tables import backup_table
from core.boot import is_initialised
from core.customize.tables import custom_field_table
from core.db.base import metadata
from core.db.bulk import in_code_order, streamed
from core.entities.dependencies import graph_of
from core.entities.links import link_table
from core.fields import types as t
from core.files.models import StoredFileRecord
from core.files.storage import StorageError
from core.ops.checks import host, records, trail
from core.ops.findings import Check, Finding, State, advised
from core.ops.lifecycle import pending_migrations
from core.ops.rotation import unreadable
from core.plugins.state import plugin_table
from core.runtime import epoch_table
from core.security.models import Role, User
from core.work.tables import event_table, job_table

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["Finding", "examine"]

#: An upload that nobody attached to a record after this long will not be.
UNATTACHED_AFTER = timedelta(days=2)
#: Work that waits longer than this has no worker.
STUCK_AFTER = timedelta(minutes=15)
OUTBOX_AFTER = timedelta(minutes=5)


def examine(runtime: Runtime, *, full: bool = False) -> list[Finding]:
    """Every check's finding; without a database or tables the others are left out.

    ``full`` compares every entry of the audit trail and reads every file.
    """
    return [advised(finding) for finding in _examine(runtime, CHECKS | FULL if full else CHECKS)]


def _examine(runtime: Runtime, checks: Mapping[str, Check]) -> list[Finding]:
    try:
        with runtime.read_connection() as connection:
            if not is_initialised(connection):
                return [Finding("database", "problem", "no installation yet; run: dougong init")]
            found = [Finding("database", "ok", runtime.database.url.get_backend_name())]
            if connection.execute(select(epoch_table.c.id)).all() != [(1,)]:
                return [*found, Finding("epoch", "problem", "its one row is missing or not alone")]
            runtime.refresh(connection)
    except (SQLAlchemyError, OSError) as error:
        return [Finding("database", "problem", _reason(error))]
    for name, check in checks.items():
        try:
            with runtime.read_connection() as connection:
                found += check(runtime, connection)
        except SQLAlchemyError as error:  # what is missing is named; the other checks go on
            found.append(Finding(name, "problem", _reason(error)))
    return found


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "orig", None) or error).split())


def _epoch(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    row = connection.execute(select(epoch_table)).one()
    yield Finding("epoch", "ok", f"structure {row.structure}, access {row.access}")


def _migrations(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    if pending := pending_migrations(connection, runtime):
        yield Finding("migrations", "problem", f"pending: {', '.join(pending)}; dougong migrate")
    else:
        yield Finding("migrations", "ok", "none pending")


def _plugins(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    for name, reason in runtime.plugins.held_back.items():
        yield Finding("plugins", "warning", f"{name} is held back: {reason}")
    on = select(plugin_table.c.name).where(plugin_table.c.enabled)
    known = {*runtime.plugins.loaded, *runtime.plugins.held_back}
    for name in connection.execute(on).scalars():
        if name not in known:
            yield Finding("plugins", "problem", f"{name} is on, but not installed here")
    yield Finding("plugins", "ok", f"{len(runtime.snapshot.enabled)} on")


def _schema(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    """Declared tables and columns against the real ones, the company's own included."""
    inspector = inspect(connection)
    real = {name: _columns(inspector, name) for name in inspector.get_table_names()}
    wrong = [
        *_missing(runtime, connection, real),
        *_undescribed(runtime, connection, real),
    ]
    for detail in wrong:
        yield Finding("schema", "problem", detail)
    if not wrong:
        yield Finding("schema", "ok", f"{len(real)} tables as described")


def _formulas(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    """Computed fields that no longer compile, e.g. because a module they read is off."""
    graph = graph_of(runtime.snapshot)
    for (entity, field), reason in graph.broken.items():
        yield Finding("formulas", "warning", f"{entity}.{field} keeps its values: {reason}")
    yield Finding("formulas", "ok", f"{len(graph.formulas)} computed fields")


def _columns(inspector: Any, table: str) -> set[str]:
    return {column["name"] for column in inspector.get_columns(table)}


def _missing(runtime: Runtime, connection: Connection, real: dict[str, set[str]]) -> Iterator[str]:
    ever_on = {"core", "custom", *connection.execute(select(plugin_table.c.name)).scalars()}
    for spec in runtime.snapshot.installed_entities.values():
        if spec.plugin not in ever_on:
            continue
        if spec.table.name not in real:
            yield f"the table {spec.table.name} is missing"
            continue
        for field in spec.stored:
            if field.owner in ever_on and field.column not in real[spec.table.name]:
                yield f"the column {spec.table.name}.{field.column} is missing"
        for field in spec.detached:
            if isinstance(field.type, t.References) and link_table(spec, field).name not in real:
                yield f"the table {link_table(spec, field).name} is missing"
    for table in metadata.tables.values():
        if table.name.startswith("core_") and "__" not in table.name and table.name not in real:
            yield f"the table {table.name} is missing"


def _undescribed(
    runtime: Runtime, connection: Connection, real: dict[str, set[str]]
) -> Iterator[str]:
    """Columns of the company that no description mentions: made by hand, or left by a crash."""
    rows = connection.execute(select(custom_field_table.c.entity, custom_field_table.c.name))
    described = {(row.entity, row.name) for row in rows}
    for spec in runtime.snapshot.installed_entities.values():
        for column in sorted(real.get(spec.table.name, ())):
            if column.startswith("x_") and (spec.name, column) not in described:
                yield f"the column {spec.table.name}.{column} has no description"
    described_tables = {spec.table.name for spec in runtime.snapshot.installed_entities.values()}
    for table in sorted(real.keys() - described_tables):
        if table.startswith("x_") and "__" not in table:
            yield f"the table {table} has no description"


def _files(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    table = StoredFileRecord.__table__
    old = runtime.clock.now() - UNATTACHED_AFTER
    loose = connection.execute(
        select(func.count()).where(table.c.record_id.is_(None), table.c.created_at < old)
    ).scalar_one()
    if loose:
        yield Finding("uploads", "warning", f"{loose} older than two days belong to no record")
    else:
        yield Finding("uploads", "ok", "none left over")
    keys = in_code_order(connection, table.c.storage_key)
    described = select(keys).where(keys.is_not(None)).distinct().order_by(keys)
    try:
        count, missing = _absent(
            streamed(connection, described).scalars(), runtime.storage.iter_keys()
        )
    except (StorageError, OSError) as error:
        yield Finding("files", "problem", f"the store does not answer: {error}")
        return
    if missing:
        yield Finding("files", "problem", f"{missing} of {count} are not in the store")
    else:
        yield Finding("files", "ok", f"{count} in the store")


def _absent(described: Iterable[str], stored: Iterator[str]) -> tuple[int, int]:
    """(how many are described, how many of them are not stored); both come in their order."""
    count = missing = 0
    there = next(stored, None)
    for key in described:
        while there is not None and there < key:
            there = next(stored, None)
        count, missing = count + 1, missing + (there != key)
    return count, missing


def _jobs(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    table, now = job_table, runtime.clock.now()
    late = now - STUCK_AFTER
    owners = runtime.snapshot.enabled | {"core"}
    waiting = (table.c.state == "queued") & (table.c.run_at < late) & table.c.owner.in_(owners)
    lost = (table.c.state == "running") & (table.c.lease_until < late)
    stuck = connection.execute(select(func.count()).where(waiting | lost)).scalar_one()
    failed = connection.execute(select(func.count()).where(table.c.state == "failed")).scalar_one()
    if stuck:
        yield Finding("jobs", "problem", f"{stuck} should have run long ago; does a worker run?")
    elif failed:
        yield Finding("jobs", "warning", f"{failed} failed; see the page Jobs")
    else:
        yield Finding("jobs", "ok", "none stuck, none failed")


def _outbox(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    oldest = connection.execute(
        select(func.min(event_table.c.at)).where(event_table.c.state == "new")
    ).scalar_one()
    if oldest is None:
        yield Finding("outbox", "ok", "empty")
        return
    age = runtime.clock.now() - oldest
    state: State = "problem" if age > OUTBOX_AFTER else "ok"
    yield Finding("outbox", state, f"the oldest event waits for {int(age.total_seconds())} s")


def _backups(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    """The newest backup; where none are made daily, somebody else must see to them."""
    rows = connection.execute(select(backup_table).order_by(backup_table.c.made_at.desc())).all()
    for row in rows:
        if row.problem:
            yield Finding("backups", "problem", f"{row.name}: {row.problem}")
    newest = next((row for row in rows if not row.problem), None)
    settings, now = runtime.snapshot.settings[GROUP], runtime.clock.now()
    if newest is not None:
        age = now - newest.made_at
        late = lacks_backup(settings, newest.made_at, now - LATE_AFTER, runtime.clock.timezone)
        state: State = "warning" if late or age > OVERDUE_AFTER else "ok"
        yield Finding("backups", state, f"the newest is {int(age.total_seconds()) // 3600} h old")
    elif settings["daily"]:
        yield Finding("backups", "warning", "none yet")
    else:
        yield Finding("backups", "ok", "not made by this installation")


def _secrets(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    if lost := unreadable(runtime, connection):
        yield Finding("secrets", "problem", f"{lost} cannot be read with the keys that are here")
    else:
        yield Finding("secrets", "ok", "all can be read")


def _administrators(runtime: Runtime, connection: Connection) -> Iterator[Finding]:
    users, roles = User.__table__, Role.__table__
    links = metadata.tables["core_user__roles"]
    count = connection.execute(
        select(func.count(users.c.id.distinct()))
        .join(links, links.c.source_id == users.c.id)
        .join(roles, roles.c.id == links.c.target_id)
        .where(users.c.is_active, users.c.archived_at.is_(None), roles.c.is_admin)
    ).scalar_one()
    if count == 0:
        yield Finding("administrators", "problem", "nobody can administer this installation")
    elif count == 1:
        yield Finding("administrators", "warning", "only one; a second one is wise")
    else:
        yield Finding("administrators", "ok", str(count))


CHECKS: dict[str, Check] = {
    "epoch": _epoch,
    "migrations": _migrations,
    "plugins": _plugins,
    "schema": _schema,
    "formulas": _formulas,
    "references": records.references,
    "files": _files,
    "jobs": _jobs,
    "outbox": _outbox,
    "backups": _backups,
    "secrets": _secrets,
    "administrators": _administrators,
    "schedules": host.schedules,
    "numbers": records.numbers,
    "unique": records.unique,
    "checksums": records.checksums,
    "audit": trail.audit,
    "erasures": trail.erasures,
    "clock": host.clock,
    "disk": host.disk,
    "secret key": host.secret_key,
}
#: In place of the quick looks of the same names.
FULL: dict[str, Check] = {
    "checksums": records.checksums_in_full,
    "audit": trail.audit_in_full,
}
