"""Databases that tests take turns with: as they were made, again and again."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError

__all__ = ["PostgresqlDatabase", "SqliteDatabase"]

#: A database is copied anew after so many tests, since what is deleted still takes room.
TURNS = 100
#: Tables, columns, indexes and constraints: where this differs, a test has changed the structure.
_STRUCTURE = """
SELECT count(*), max(xmin::text::bigint) FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT count(*), max(a.xmin::text::bigint) FROM pg_attribute a JOIN pg_class c
    ON c.oid = a.attrelid WHERE c.relnamespace = 'public'::regnamespace
UNION ALL SELECT count(*), max(xmin::text::bigint) FROM pg_constraint
UNION ALL SELECT count(*), max(xmin::text::bigint) FROM pg_index
UNION ALL SELECT count(*), max(xmin::text::bigint) FROM pg_trigger
UNION ALL SELECT count(*), max(xmin::text::bigint) FROM pg_proc
UNION ALL SELECT count(*), max(xmin::text::bigint) FROM pg_namespace
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
_SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'"
_OTHERS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def _alone(connection: Connection) -> bool:
    """Whether everybody else has left, of whom the last may just be leaving."""
    for _try in range(100):
        if not connection.execute(text(_OTHERS)).scalar_one():
            return True
        time.sleep(0.002)
    return False


class SqliteDatabase:
    """A file; the one it is a copy of lies beside it."""

    def __init__(self, folder: Path, *, like: SqliteDatabase | None = None) -> None:
        self._path, self._kept = folder / "work.db", folder / "template.db"
        if like is not None:
            shutil.copy(like._kept, self._path)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"sqlite:///{self._path}"

    def keep(self) -> None:
        """What it is like now is what it becomes again; its log has been written back."""
        shutil.copy(self._path, self._kept)

    def renew(self) -> None:
        """Make it what it was; nobody is connected."""
        for suffix in ("-wal", "-shm"):
            self._path.with_name(f"{self._path.name}{suffix}").unlink(missing_ok=True)
        shutil.copy(self._kept, self._path)

    def remove(self) -> None:
        """The folder goes with the session."""


class PostgresqlDatabase:
    """A database of a server; what it was is kept in a database of its own.

    To copy a database takes twenty times as long as to put back the few rows that a test has
    changed, so it is copied only when that does not do.
    """

    def __init__(self, server: URL, *, like: PostgresqlDatabase | None = None) -> None:
        name = f"dougong_{uuid4().hex[:12]}"
        self._work, self._kept = f"{name}_work", f"{name}_template"
        self._server_url = server
        calm = {"pool_size": 1, "pool_pre_ping": True}  # a test may have restarted the server
        self._server = create_engine(server, isolation_level="AUTOCOMMIT", **calm)
        self._engine: Engine = create_engine(server.set(database=self._work), **calm)
        self._turns = 0
        self._tables: tuple[str, ...] = ()
        self._start: Any = None
        self._rows: dict[str, tuple[int, int | None]] = {}
        self._numbers: dict[str, int | None] = {}
        begin = "template1" if like is None else like._kept
        self._run(f'CREATE DATABASE "{self._work}" TEMPLATE "{begin}"')

    @property
    def url(self) -> str:
        """Where it is."""
        return self._server_url.set(database=self._work).render_as_string(hide_password=False)

    def keep(self) -> None:
        """What it is like now is what it becomes again."""
        with self._engine.begin() as connection:
            self._prepare(connection)
        self._engine.dispose()
        self._run(f'CREATE DATABASE "{self._kept}" TEMPLATE "{self._work}"')
        self._look()

    def _prepare(self, connection: Connection) -> None:
        """A copy of each table that has rows, in a schema of its own."""
        self._tables = tuple(connection.execute(text(_TABLES)).scalars())
        self._rows = self._counted(connection)
        connection.execute(text("DROP SCHEMA IF EXISTS kept CASCADE"))
        connection.execute(text("CREATE SCHEMA kept"))
        for table in self._tables:
            if self._rows[table][0]:
                copy = f'CREATE TABLE kept."{table}" AS TABLE public."{table}"'
                connection.execute(text(copy))

    def renew(self) -> None:
        """Make it what it was; whoever is still connected is thrown out."""
        if not self._restored():
            self._engine.dispose()
            self._run(f'DROP DATABASE IF EXISTS "{self._work}" WITH (FORCE)')
            self._run(f'CREATE DATABASE "{self._work}" TEMPLATE "{self._kept}"')
            self._look()

    def _look(self) -> None:
        """Note what it is like, fresh from being copied."""
        self._turns = 0
        with self._engine.begin() as connection:
            self._start = self._structure(connection)
            self._rows = self._counted(connection)
            self._numbers = dict(connection.execute(text(_SEQUENCES)).all())
        self._engine.dispose()

    def _restored(self) -> bool:
        """Put back what was changed; False when that needs a copy."""
        self._turns += 1
        if self._turns > TURNS:
            return False
        try:
            with self._engine.begin() as connection:
                if not _alone(connection):
                    return False
                if self._structure(connection) != self._start:
                    return False
                self._put_back(connection)
        except OperationalError:  # a test took it away
            return False
        finally:
            self._engine.dispose()
        return True

    def _put_back(self, connection: Connection) -> None:
        now = self._counted(connection)
        changed = [table for table in self._tables if now[table] != self._rows[table]]
        if changed:
            parts = ["SET LOCAL session_replication_role = replica"]
            parts += [f'DELETE FROM public."{table}"' for table in changed]
            parts += [
                f'INSERT INTO public."{table}" SELECT * FROM kept."{table}"'
                for table in changed
                if self._rows[table][0]
            ]
            connection.exec_driver_sql("; ".join(parts))
            self._rows = self._counted(connection)
        for name, value in connection.execute(text(_SEQUENCES)).all():
            if value != self._numbers[name]:
                given = {"name": f'public."{name}"', "value": self._numbers[name]}
                begin = "setval(:name, :value)" if given["value"] else "setval(:name, 1, false)"
                connection.execute(text(f"SELECT {begin}"), given)

    def _structure(self, connection: Connection) -> Any:
        return connection.execute(text(_STRUCTURE)).all()

    def _counted(self, connection: Connection) -> dict[str, tuple[int, int | None]]:
        """Of each table, how many rows it has and which transaction wrote last."""
        ask = " UNION ALL ".join(
            f"SELECT '{table}', count(*), max(xmin::text::bigint) FROM public.\"{table}\""
            for table in self._tables
        )
        return {name: (rows, last) for name, rows, last in connection.execute(text(ask))}

    def _run(self, statement: str) -> None:
        with self._server.connect() as connection:
            connection.exec_driver_sql(statement)

    def remove(self) -> None:
        """Drop both databases."""
        self._engine.dispose()
        for name in (self._work, self._kept):
            self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._server.dispose()
