"""PostgreSQL is brought back to the second before a bad delete, with what lies in deploy/."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import delete, make_url, text

from core.audit.sealing import note_restore, seal_pending
from core.boot import boot
from core.entities import service
from core.entities.query import ListQuery, count
from core.ops.doctor import examine
from core.runtime import Runtime
from core.security.actor import SYSTEM
from core.testing.installation import Template
from core.work.uow import Origin, UnitOfWork

ROOT = Path(__file__).parents[2]
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Archived:
    """A PostgreSQL that keeps its log, in a folder that is open to its user."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        spec = importlib.util.spec_from_file_location("services", ROOT / "tools/with_services.py")
        self.services = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.services)
        self.folder, self.stack = folder, stack
        self.url = self.services.start_postgres(folder, stack)
        if self.url is None:
            pytest.skip("no PostgreSQL: its programs are not installed")
        self.programs = self.services.find_postgres()
        self.wal = folder / "archive" / "wal"
        self.wal.mkdir(parents=True)
        shutil.copytree(ROOT / "deploy" / "postgresql", folder / "scripts")
        if prefix := self.services.unprivileged():
            for each in (self.wal, self.wal.parent):
                shutil.chown(each, prefix[2])
        self._keep_the_log()

    def run(self, *command: str) -> None:
        """As PostgreSQL's own user, with its programs at hand."""
        at_hand = f"PATH={self.programs}:/usr/bin:/bin"
        command = [*self.services.unprivileged(), "env", at_hand, *map(str, command)]
        subprocess.run(command, cwd="/", check=True, timeout=120, **QUIET)

    def script(self, name: str, *arguments: str) -> None:
        """One of ``deploy/postgresql``."""
        url = make_url(self.url)
        where = (f"PGHOST={url.host}", f"PGPORT={url.port}", f"PGUSER={url.username}")
        self.run("env", *where, self.folder / "scripts" / name, *arguments)

    def _keep_the_log(self) -> None:
        """With the settings of ``archive.conf``, but for the places."""
        settings = (self.folder / "scripts" / "archive.conf").read_text()
        settings = settings.replace("/opt/dougong/deploy/postgresql", str(self.folder / "scripts"))
        settings = settings.replace("/var/lib/dougong-archive", str(self.wal.parent))
        data = self.folder / "postgres"
        with (data / "postgresql.conf").open("a") as file:
            file.write(settings)
        self.run("pg_ctl", "-w", "-D", data, "-m", "fast", "-l", "/dev/null", "restart")

    def start_another(self, data: Path) -> str:
        """A second server over ``data``; its URL, once it takes work."""
        port = self.services.free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        options += " -c max_connections=200"  # as many as the first has, or it does not begin
        control = ("pg_ctl", "-w", "-D", data)
        self.run(*control, "-o", options, "-l", self.folder / "archive" / "log", "start")
        self.stack.callback(self.run, *control, "-m", "immediate", "stop")
        return make_url(self.url).set(port=port).render_as_string()


@pytest.fixture
def archived():
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dougong-pitr-")))
        folder.chmod(0o755)
        yield Archived(folder, stack)


@pytest.fixture
def runtime(archived, tmp_path, monkeypatch, dougong_plugins, dougong_plugin_folders):
    monkeypatch.setenv("DOUGONG_TEST_POSTGRES_URL", archived.url)
    folder = tmp_path / "installation"
    template = Template(folder, "postgresql", dougong_plugins, dougong_plugin_folders)
    yield template.runtime
    template.remove()


def _make(runtime, name: str, many: int) -> None:
    with UnitOfWork(runtime, SYSTEM, origin=Origin("test")) as uow:
        service.create(uow, "specimen", [{"name": f"{name} {n}"} for n in range(many)])
    seal_pending(runtime)


def _now(runtime) -> str:
    with runtime.read_connection() as connection:
        return str(connection.execute(text("SELECT clock_timestamp()")).scalar_one())


def _count(runtime) -> int:
    with UnitOfWork(runtime, SYSTEM, origin=Origin("test"), write=False) as uow:
        return count(uow, "specimen", ListQuery())


def _send_the_log(runtime, wal: Path) -> None:
    """What ``archive_timeout`` does within a minute."""
    with runtime.database.connect(write=True) as connection, connection.begin():
        name = connection.execute(text("SELECT pg_walfile_name(pg_switch_wal())")).scalar_one()
    for _try in range(300):
        if (wal / name).exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{name} was not archived")


@pytest.mark.long
@pytest.mark.databases("postgresql")
def test_the_second_before_a_bad_delete_comes_back(archived, runtime):
    """Q2: what was made after the copy is there, the delete is not, and the doctor finds no fault."""
    _make(runtime, "before the copy", 40)
    archived.script("base-backup", archived.wal.parent)
    (base,) = archived.wal.parent.glob("base-*")
    _make(runtime, "after the copy", 60)
    moment = _now(runtime)
    time.sleep(0.05)
    with UnitOfWork(runtime, SYSTEM, origin=Origin("test")) as uow:
        uow.execute(delete(uow.entity("specimen").table))
    assert _count(runtime) == 0, "nothing was lost: the test would show nothing"
    after = _now(runtime)
    time.sleep(0.05)
    _make(runtime, "after the delete", 1)
    _send_the_log(runtime, archived.wal)

    def bring_back(moment: str, folder: str) -> Runtime:
        data = archived.folder / "archive" / folder
        archived.script("restore-to", base, archived.wal, moment, data)
        url = make_url(archived.start_another(data))
        url = url.set(database=runtime.database.url.database, drivername="postgresql+psycopg")
        return boot(replace(runtime.config, database_url=url.render_as_string()))

    late = bring_back(after, "late")
    assert _count(late) == 0, "the positive control: a moment later there is nothing"
    late.database.dispose()
    started = time.monotonic()
    there = bring_back(moment, "data")
    try:
        assert _count(there) == 100
        print(f"back in {time.monotonic() - started:.1f} s")
        note_restore(there, f"to {moment}")
        problems = [each for each in examine(there, full=True) if each.state == "problem"]
        assert problems == []
        _make(there, "and work goes on", 1)
        assert _count(there) == 101
    finally:
        there.database.dispose()
