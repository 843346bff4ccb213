"""PostgreSQL is stopped at once and started again while clients write and jobs run."""

from __future__ import annotations

import importlib.util
import subprocess
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import select

from core.testing.installation import Template
from core.work.worker import EmbeddedWorker

ROOT = Path(__file__).parents[2]
ROUNDS = 20


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
def cluster():
    """In a folder of its own: that of the tests is closed to PostgreSQL's user."""
    with ExitStack() as stack:
        folder = stack.enter_context(
            TemporaryDirectory(prefix="dougong-", ignore_cleanup_errors=True)
        )
        Path(folder).chmod(0o755)
        yield Cluster(Path(folder) / "cluster", stack)


@pytest.fixture
def runtime(cluster, tmp_path, monkeypatch, dougong_plugins, dougong_plugin_folders):
    """An installation on that cluster. What it commits survives, unlike that of the others.

    It is no copy: sequences of a copied database forget what they gave when the server crashes.
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


class Writer(threading.Thread):
    """Sends each request again, with its key, until it is answered."""

    def __init__(self, number, app, headers):
        super().__init__(daemon=True)
        self.number, self.headers = number, headers
        self.client = app.test_client()
        self.stopping = threading.Event()
        self.made, self.answers = {}, Counter()
        self.longest, self.unhinted = 0.0, 0

    def run(self):
        step = 0
        while not self.stopping.is_set():
            name = f"client {self.number} step {step}"
            begun = time.monotonic()
            while name not in self.made:
                self._write(name)
            self.longest = max(self.longest, time.monotonic() - begun)
            step += 1
            time.sleep(0.02)

    def _write(self, name):
        headers = self.headers | {"Idempotency-Key": name}
        answer = self.client.post(
            "/api/v1/records/department", json={"name": name}, headers=headers
        )
        self.answers[answer.status_code] += 1
        if answer.status_code == 201:
            self.made[name] = answer.json["id"]
        else:
            self.unhinted += "Retry-After" not in answer.headers
            time.sleep(0.1)


@pytest.mark.long
def test_what_was_answered_survives_and_the_rest_is_told_to_try_again(
    cluster, site, app, bearer, admin_id
):
    """B1: an answer is 201 or 503 with a hint; each write is there once; healthy within ten seconds."""
    headers = bearer(admin_id)
    writers = [Writer(number, app, headers) for number in range(4)]
    worker = EmbeddedWorker(site.runtime)
    worker.start()
    for writer in writers:
        writer.start()
    site.wait_until(lambda: all(writer.made for writer in writers), what="the first answers")
    for _ in range(ROUNDS):
        cluster.restart()
        seen = [len(writer.made) for writer in writers]
        back = time.monotonic()
        site.wait_until(
            lambda seen=seen: all(
                len(writer.made) > before for writer, before in zip(writers, seen, strict=True)
            ),
            10,
            what="every client's next answer",
        )
        print(f"healthy {time.monotonic() - back:.2f} s after the server")
    for writer in writers:
        writer.stopping.set()
    for writer in writers:
        writer.join(30)
    made = {name: key for writer in writers for name, key in writer.made.items()}
    wanted = site.expected(list(made.values()))
    site.wait_until(lambda: wanted <= site.effects() and site.is_idle(), 60, what="the effects")
    worker.stop()
    answers = sum((writer.answers for writer in writers), Counter())
    assert set(answers) == {201, 503}, answers
    assert sum(writer.unhinted for writer in writers) == 0
    with site.unit_of_work(write=False) as uow:
        table = uow.entity("department").table
        rows = uow.execute(select(table.c.name, table.c.id).where(table.c.name.in_(made))).all()
    assert sorted((row.name, row.id) for row in rows) == sorted(made.items())
    assert site.effects() == wanted
