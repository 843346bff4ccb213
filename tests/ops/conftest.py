"""Installations to be lost and brought back: full of everything, and empty ones beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from core.boot import boot
from core.clock import Clock
from core.config import Config
from core.testing.installation import postgresql_url

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def dougong_plugins() -> tuple[str, ...]:
    return ("dummy_plugin",)


@pytest.fixture(scope="session")
def dougong_plugin_folders() -> tuple[Path, ...]:
    return (HERE.parent,)


class Grounds:
    """Places for further installations, of either kind, next to the one of the test."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.folder = folder
        self.config = config
        self.databases: list[str] = []
        self.runtimes = []

    def empty(self, kind: str, *, keep_key: bool = True):
        """A runtime over a database without tables, with a home and a store of its own."""
        home = self.folder / uuid4().hex[:8]
        key = {"DOUGONG_SECRET_KEY": self.config.secret_key} if keep_key else {}
        runtime = boot(
            Config.from_environment(
                {
                    "DOUGONG_HOME": str(home),
                    "DOUGONG_DATABASE_URL": self._url(kind, home),
                    "DOUGONG_PLUGINS_PATH": os.pathsep.join(
                        str(each) for each in self.config.plugin_folders
                    ),
                    **key,
                }
            ),
            clock=Clock(),
        )
        self.runtimes.append(runtime)
        return runtime

    def _url(self, kind: str, home: Path) -> str:
        if kind == "sqlite":
            return f"sqlite:///{home}/dougong.db"
        if postgresql_url() is None:
            pytest.skip("no PostgreSQL: set DOUGONG_TEST_POSTGRES_URL")
        name = f"dougong_{uuid4().hex[:12]}"
        self._server(f'CREATE DATABASE "{name}"')
        self.databases.append(name)
        url = make_url(postgresql_url()).set(database=name, drivername="postgresql+psycopg")
        return url.render_as_string(hide_password=False)

    def _server(self, statement: str) -> None:
        url = make_url(postgresql_url()).set(drivername="postgresql+psycopg")
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def close(self) -> None:
        for runtime in self.runtimes:
            runtime.database.dispose()
        for name in self.databases:
            self._server(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def grounds(runtime, tmp_path) -> Iterator[Grounds]:
    found = Grounds(tmp_path, runtime.config)
    yield found
    found.close()
