"""An empty database in the place of the one that is there: taken over whole, or not at all."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from core.backup.writing import our_tables, read_owners
from core.boot import is_initialised
from core.db.engine import Database
from core.db.migrate import migrating, version_table
from core.db.snapshots import without_limits
from core.db.structure import drop_tables
from core.errors import Refused
from core.expressions import register_sql_functions
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["fresh_database"]


@contextmanager
def fresh_database(runtime: Runtime) -> Iterator[Connection]:
    """A transaction on a database without any table of ours."""
    if runtime.database.is_sqlite:
        with _fresh_file(runtime) as connection:
            yield connection
        return
    with migrating(runtime.database) as connection:
        without_limits(connection)
        if is_initialised(connection):
            owners = list(read_owners(connection))
            versions = [version_table(owner) for owner in owners]
            drop_tables(connection, [*our_tables(connection, owners, all_of_them=True), *versions])
        yield connection


@contextmanager
def _fresh_file(runtime: Runtime) -> Iterator[Connection]:
    target = Path(runtime.database.url.database or "")
    runtime.database.dispose()
    _require_alone(target)
    new = target.with_name(target.name + ".restoring")
    _remove(new)
    database = Database(
        str(runtime.database.url.set(database=str(new))),
        on_sqlite_connect=[register_sql_functions, _hurry],
    )
    try:
        with migrating(database) as connection:
            yield connection
        database.dispose()
        with new.open("rb") as file:
            os.fsync(file.fileno())
        _remove(target, but=target)
        os.replace(new, target)
    finally:
        database.dispose()
        _remove(new)


def _require_alone(path: Path) -> None:
    """Refuse to take a database away from a process that uses it."""
    if not path.exists():
        return
    with ExitStack() as stack:
        connection = sqlite3.connect(path, timeout=2)
        stack.callback(connection.close)
        try:
            connection.execute("PRAGMA journal_mode=DELETE").fetchall()
        except sqlite3.OperationalError as error:
            message = _("The database is in use. Stop dougong serve and dougong worker first.")
            raise Refused(message) from error
        except sqlite3.DatabaseError:
            return  # no database any more: nobody can use it


def _hurry(connection: Any) -> None:
    """A file that is thrown away unless it is finished needs no care against crashes."""
    connection.execute("PRAGMA journal_mode=MEMORY")
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA foreign_keys=OFF")


def _remove(path: Path, *, but: Path | None = None) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        each = path.with_name(path.name + suffix)
        if each != but:
            each.unlink(missing_ok=True)
