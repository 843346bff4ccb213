"""Throw-away installations: made once as a template, copied for each test."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from core.boot import boot
from core.clock import Clock
from core.config import Config
from core.ops.install import initialise, run_demo
from core.ops.lifecycle import enable
from core.plugins.failures import Failures
from core.runtime import EMPTY, AccessCache, Runtime
from core.security.actor import SYSTEM
from core.testing.databases import PostgresqlDatabase, SqliteDatabase
from core.work.uow import Origin, UnitOfWork

__all__ = ["ADMIN", "PASSWORD", "Template", "postgresql_url"]

ADMIN = "admin@example.com"
PASSWORD = "a calm roof of brackets"  # noqa: S105 - of throw-away installations
SECRET = "for tests only: thirty-two characters or more"  # noqa: S105


def postgresql_url() -> str | None:
    """The server for tests: ``DOUGONG_TEST_POSTGRES_URL``, a URL whose role may make databases."""
    return os.environ.get("DOUGONG_TEST_POSTGRES_URL") or None


@dataclass
class Template:
    """An installed database with some plugins on, kept by one runtime that tests take turns with."""

    folder: Path
    kind: str
    plugins: tuple[str, ...]
    plugin_folders: tuple[Path, ...] = ()
    #: An installation without plugins to begin from, which takes a tenth of the time.
    base: Template | None = None
    #: Filled with the demonstration.
    demo: bool = False

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database = self._database()
        self.runtime = boot(self._config(), clock=Clock())
        if self.base is None:
            initialise(self.runtime, admin=ADMIN, password=PASSWORD, name="管理员")
        for plugin in self.plugins:
            with UnitOfWork(self.runtime, SYSTEM, origin=Origin("test")) as uow:
                enable(uow, plugin)
        if self.demo:
            run_demo(self.runtime)
        if self.kind == "sqlite":
            self._checkpoint()
        self._rest()
        self.database.keep()

    @contextmanager
    def installation(self) -> Iterator[Runtime]:
        """The runtime over a fresh copy; afterwards nothing of it is left."""
        self._rest()
        self.database.renew()
        try:
            yield self.runtime
        finally:
            self._rest()

    def remove(self) -> None:
        """Drop what the template holds on a server."""
        self._rest()
        self.database.remove()

    def _rest(self) -> None:
        """Close all connections and forget what was read from the last copy."""
        runtime = self.runtime
        for thread in threading.enumerate():
            if thread.name.startswith(
                "job-"
            ):  # it may be renewing the lease of a job that has ended
                thread.join(10)
        runtime.database.dispose()
        runtime.snapshot, runtime.access = EMPTY, AccessCache()
        runtime.wake = lambda: None
        runtime.clock.offset *= 0
        runtime.plugins.failures = Failures()
        for name in ("audit-anchors.jsonl", "erasures.jsonl"):  # of a database that is gone
            (runtime.config.home / name).unlink(missing_ok=True)

    def _checkpoint(self) -> None:
        with self.runtime.database.connect(write=False) as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _database(self) -> SqliteDatabase | PostgresqlDatabase:
        if self.kind == "sqlite":
            like = self.base and self.base.database
            assert like is None or isinstance(like, SqliteDatabase)
            return SqliteDatabase(self.folder, like=like)
        server = postgresql_url()
        assert server is not None
        like = self.base and self.base.database
        assert like is None or isinstance(like, PostgresqlDatabase)
        url = make_url(server).set(drivername="postgresql+psycopg")
        return PostgresqlDatabase(url, like=like)

    def _config(self) -> Config:
        return Config.from_environment(
            {
                "DOUGONG_HOME": str(self.folder / "work"),
                "DOUGONG_DATABASE_URL": self.database.url,
                "DOUGONG_SECRET_KEY": SECRET,
                "DOUGONG_PLUGINS_PATH": os.pathsep.join(str(path) for path in self.plugin_folders),
                "DOUGONG_TEST_CLOCK": "1",
            }
        )
