"""Real processes over a throw-away installation: workers that are killed, servers, a Redis."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import func, select

from core.entities import service
from core.testing.installation import Template
from core.work.tables import event_table, job_table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the module beside the tests
ROOT = HERE.parents[1]
DOUGONG = [sys.executable, "-c", "from core.cli import main; main()"]


@pytest.fixture(scope="session")
def dougong_plugins() -> tuple[str, ...]:
    return ("ledger",)


@pytest.fixture(scope="session")
def dougong_plugin_folders() -> tuple[Path, ...]:
    return (HERE / "plugins",)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_until(true: Callable[[], object], seconds: float = 20, what: str = "it") -> None:
    """Poll until ``true()``, or fail after some time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)


class Site:
    """One installation, as its operator sees it: commands, and what is in the tables."""

    def __init__(self, runtime, unit_of_work, folder: Path) -> None:
        self.runtime = runtime
        self.unit_of_work = unit_of_work
        self.folder = folder
        self.processes: list[subprocess.Popen] = []
        (runtime.config.home / "clock.offset").unlink(missing_ok=True)

    def environment(self, **more: str) -> dict[str, str]:
        config = self.runtime.config
        kept = {key: value for key, value in os.environ.items() if "DOUGONG" not in key}
        return {
            **kept,
            "DOUGONG_HOME": str(config.home),
            "DOUGONG_DATABASE_URL": str(config.database_url).replace("+psycopg", ""),
            "DOUGONG_SECRET_KEY": config.secret_key,
            "DOUGONG_PLUGINS_PATH": str(HERE / "plugins"),
            "DOUGONG_TEST_CLOCK": "1",
            **more,
        }

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        """A command that goes on; what it says is kept in a file for whoever reads a failure."""
        log = (self.folder / f"{arguments[0]}{len(self.processes)}.log").open("w")
        process = subprocess.Popen(
            [*DOUGONG, *arguments],
            env=self.environment(**environment),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        self.processes.append(process)
        return process

    @contextmanager
    def serving(self, workers: int, **environment: str) -> Iterator[int]:
        """A web server; its port."""
        port = free_port()
        process = self.start("serve", "--port", str(port), "--workers", str(workers), **environment)
        wait_until(lambda: _answers(port) or process.poll() is not None, what="the server")
        assert process.poll() is None, self.logs()
        yield port
        process.terminate()
        assert process.wait(40) == 0, self.logs()

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in sorted(self.folder.glob("*.log")))

    def write(self, name: str) -> int:
        """One write that publishes an event: a department."""
        with self.unit_of_work() as uow:
            return service.create(uow, "department", [{"name": name}])[0]

    def effects(self) -> Counter:
        """How often each (doer, subject) was noted."""
        with self.unit_of_work(write=False) as uow:
            table = uow.entity("effect").table
            rows = uow.execute(select(table.c.doer, table.c.subject)).all()
        return Counter((row.doer, row.subject) for row in rows)

    def is_idle(self) -> bool:
        """Nothing is in the outbox, nothing waits to be run."""
        new = select(func.count()).where(event_table.c.state == "new")
        waiting = select(func.count()).where(job_table.c.state.in_(("queued", "running")))
        with self.runtime.read_connection() as connection:
            return not (
                connection.execute(new).scalar_one() + connection.execute(waiting).scalar_one()
            )

    wait_until = staticmethod(wait_until)
    free_port = staticmethod(free_port)

    @staticmethod
    def expected(departments: list[int]) -> Counter:
        """Each subscriber's effect of each department, once."""
        return Counter((doer, each) for doer in ("first", "second") for each in departments)

    def move_clock(self, step: str) -> None:
        done = subprocess.run(
            [*DOUGONG, "dev", "clock", step], env=self.environment(), capture_output=True
        )
        assert done.returncode == 0, done.stderr


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def site(runtime, unit_of_work, tmp_path) -> Iterator[Site]:
    found = Site(runtime, unit_of_work, tmp_path)
    yield found
    found.stop()


class RedisServer:
    """A Redis of one test, which may be taken away and given back."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.folder = folder
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.process = subprocess.Popen(
            [*command, "--dir", str(self.folder)], stdout=subprocess.DEVNULL
        )
        wait_until(lambda: _answers(self.port), what="redis-server")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def redis_server(tmp_path) -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        pytest.skip("no Redis: redis-server is not installed")
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def token(bearer, admin_id) -> str:
    """An administrator's API token."""
    found = re.fullmatch(r"Bearer (\S+)", bearer(admin_id)["Authorization"])
    assert found
    return found[1]


class Cluster:
    """A PostgreSQL of its own, which may be taken away and given back."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        spec = importlib.util.spec_from_file_location("services", ROOT / "tools/with_services.py")
        services = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(services)
        folder.mkdir()
        self.url = services.start_postgres(folder, stack)
        if self.url is None:
            pytest.skip("no PostgreSQL: its programs are not installed")
        self._control = [
            *services.unprivileged(),
            *(str(services.find_postgres() / "pg_ctl"), "-w", "-D", str(folder / "postgres")),
        ]

    def restart(self) -> None:
        """Without a goodbye to anybody, and with the options that it was started with."""
        restart = [*self._control, "-m", "immediate", "-l", "/dev/null", "restart"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(restart, cwd="/", check=True, **quiet)


@pytest.fixture
def cluster_folder() -> Iterator[Path]:
    """A folder of its own: that of the tests is closed to PostgreSQL's user."""
    with TemporaryDirectory(prefix="dougong-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def cluster(cluster_folder) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(cluster_folder / "cluster", stack)


@pytest.fixture
def on_cluster(cluster, tmp_path, monkeypatch, dougong_plugins, dougong_plugin_folders):
    """An installation on that cluster. What it commits survives, unlike that of the others.

    It is no copy: the sequences of a copy may give numbers again after a crash (ADR 0011).
    """
    monkeypatch.setenv("DOUGONG_TEST_POSTGRES_URL", cluster.url)
    folders = dougong_plugin_folders
    template = Template(tmp_path / "installation", "postgresql", dougong_plugins, folders)
    engine = template.runtime.database.engine
    with engine.connect() as connection, connection.begin():
        name = engine.url.database
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET synchronous_commit = on')
    engine.dispose()
    yield template.runtime
    template.remove()


@contextmanager
def _mounted(folder: Path, size: str) -> Iterator[None]:
    """A file system of that size in the folder while the block lasts."""
    if os.geteuid() != 0:
        pytest.skip("no small disk: mounting one needs root")
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("no small disk: mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def mounted() -> Callable[[Path, str], AbstractContextManager[None]]:
    """``with mounted(folder, "24m"):`` the folder is a small disk, or the test is skipped."""
    return _mounted


@pytest.fixture
def small_disk(tmp_path, mounted) -> Iterator[Path]:
    """A folder on a file system of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder, "24m"):
        yield folder


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each way of working on each database is asked in the long tier; one of each in every run."""
    for item in items:
        chosen = getattr(item, "callspec", None)
        params = {} if chosen is None else chosen.params
        crossed = (params.get("background"), params.get("database_kind"))
        if crossed in (("rq", "sqlite"), ("embedded", "postgresql")):
            item.add_marker(pytest.mark.long)
