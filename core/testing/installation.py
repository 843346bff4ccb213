"""Throw-away installations: made once as a template, copied for each test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, make_url, text

from core.boot import boot
from core.clock import Clock
from core.config import Config
from core.ops.install import initialise
from core.plugins.failures import Failures
from core.runtime import EMPTY, AccessCache, Runtime

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

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = f"dougong_{uuid4().hex[:12]}"
        self.runtime = boot(self._config(self.folder / "work", self._url("work")), clock=Clock())
        if self.kind == "postgresql":
            self._server(f'CREATE DATABASE "{self.name}_work"')
        initialise(
            self.runtime, admin=ADMIN, password=PASSWORD, name="管理员", plugins=self.plugins
        )
        self._rest()
        if self.kind == "postgresql":
            self._server(f'CREATE DATABASE "{self.name}_template" TEMPLATE "{self.name}_work"')
        else:
            self._checkpoint()
            shutil.copy(self.folder / "work.db", self.folder / "template.db")

    @contextmanager
    def installation(self) -> Iterator[Runtime]:
        """The runtime over a fresh copy; afterwards nothing of it is left."""
        self._rest()
        if self.kind == "postgresql":
            self._server(f'DROP DATABASE IF EXISTS "{self.name}_work" WITH (FORCE)')
            self._server(f'CREATE DATABASE "{self.name}_work" TEMPLATE "{self.name}_template"')
        else:
            for suffix in ("-wal", "-shm"):
                (self.folder / f"work.db{suffix}").unlink(missing_ok=True)
            shutil.copy(self.folder / "template.db", self.folder / "work.db")
        try:
            yield self.runtime
        finally:
            self._rest()

    def remove(self) -> None:
        """Drop what the template holds on a server."""
        self._rest()
        if self.kind == "postgresql":
            for part in ("work", "template"):
                self._server(f'DROP DATABASE IF EXISTS "{self.name}_{part}" WITH (FORCE)')

    def _rest(self) -> None:
        """Close all connections and forget what was read from the last copy."""
        runtime = self.runtime
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
        self.runtime.database.dispose()

    def _url(self, part: str) -> str:
        if self.kind == "sqlite":
            return f"sqlite:///{self.folder / part}.db"
        server = postgresql_url()
        assert server is not None
        url = make_url(server).set(database=f"{self.name}_{part}")
        return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)

    def _server(self, statement: str) -> None:
        server = postgresql_url()
        assert server is not None
        url = make_url(server).set(drivername="postgresql+psycopg")
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def _config(self, home: Path, database_url: str) -> Config:
        return Config.from_environment(
            {
                "DOUGONG_HOME": str(home),
                "DOUGONG_DATABASE_URL": database_url,
                "DOUGONG_SECRET_KEY": SECRET,
                "DOUGONG_PLUGINS_PATH": os.pathsep.join(str(path) for path in self.plugin_folders),
                "DOUGONG_TEST_CLOCK": "1",
            }
        )
