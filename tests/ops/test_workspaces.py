"""S-245, S-246: sandboxes and trials beside the company's installation, and what never leaves them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from core import egress
from core.backup.scheduled import GROUP, find_backups
from core.backup.workspaces import TEND, begin, carry_out, find, keep_longer, plan
from core.cli.neighbours import Neighbours
from core.config import Config, ConfigError
from core.egress import EgressClient, EgressPolicy, EgressRefused, close_egress
from core.errors import Forbidden, Invalid, NotFound, Refused
from core.mail import FolderMailer, open_mailer
from core.notifications.tables import notification_table
from core.security.actor import SYSTEM
from core.settings.service import put_settings
from core.work.jobs import JobContext
from core.work.tables import job_table
from core.workspace import (
    PORTS,
    WorkspaceBusy,
    alone,
    find_workspaces,
    folder_of,
    free_name,
    write_workspace,
)

sqlite = pytest.mark.databases("sqlite", later=("postgresql",))
PAGE = "/admin/workspaces"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def planned(runtime, unit_of_work, admin_id):
    """``planned(kind="sandbox", **more)``: noted, as an administrator does it, and not made yet."""

    def make(kind="sandbox", **more):
        with unit_of_work(admin_id) as uow:
            return plan(uow, kind, **more)

    yield make
    for each in find_workspaces(runtime.config.home):
        carry_out(runtime, each.name, "remove")


@sqlite
def test_a_workspace_takes_nothing_of_the_companys_from_the_environment(runtime, planned):
    """Whatever is set, its database, store, key and mail are its own."""
    made = planned("trial", is_copy=True)
    folder = folder_of(runtime.config.home, made.name)
    theirs = {
        "DOUGONG_HOME": str(folder),
        "DOUGONG_DATABASE_URL": "postgresql://company@db/company",
        "DOUGONG_REPLICA_URL": "postgresql://company@replica/company",
        "DOUGONG_REDIS_URL": "redis://queue",
        "DOUGONG_STORAGE_URL": "s3://bucket",
        "DOUGONG_SMTP_URL": "smtp://mail",
        "DOUGONG_SECRET_KEY": runtime.config.secret_key,
        "DOUGONG_BASE_URL": "https://crm.example",
    }
    config = Config.from_environment(theirs)
    assert config.workspace == made
    assert config.database_url == f"sqlite:///{folder}/dougong.db"
    assert config.storage_url == f"file://{folder}/files"
    assert (config.smtp_url, config.redis_url, config.replica_url) == (None, None, None)
    assert config.secret_key != runtime.config.secret_key
    assert config.base_url == made.url == f"http://localhost:{PORTS[0]}"
    assert isinstance(
        open_mailer(config.smtp_url, sender="a@b.example", folder=folder), FolderMailer
    )
    assert runtime.config.workspace is None
    for path, mode in ((folder, 0o700), (folder / "workspace.json", 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_where_workspaces_answer_can_be_said(tmp_path):
    given = {"DOUGONG_HOME": str(tmp_path), "DOUGONG_WORKSPACE_URL": "https://{name}.crm.example"}
    config = Config.from_environment(given)
    assert config.workspace_url("trial-2", 8102) == "https://trial-2.crm.example"
    with pytest.raises(ConfigError, match="DOUGONG_WORKSPACE_URL"):
        Config.from_environment(given | {"DOUGONG_WORKSPACE_URL": "https://crm.example"})


def test_nothing_leaves_a_process_that_serves_one(monkeypatch):
    monkeypatch.setattr(egress, "_is_closed", egress.threading.Event())
    close_egress()
    client = EgressClient(EgressPolicy(), resolver=lambda host, port: ["93.184.216.34"])
    with pytest.raises(EgressRefused, match="workspace"):
        client.request("GET", "https://example.com/")


@sqlite
def test_only_administrators_have_them(
    runtime, unit_of_work, planned, make_person, bearer, admin_id, client, sign_in
):
    """Nobody else sees, makes, resets or removes one, by whatever way; and a workspace has none."""
    planned()
    someone = make_person("员工", password="a long enough password")
    limited = bearer(admin_id, scopes=["*.read"])
    browser = sign_in("person1@example.com", "a long enough password")
    csrf = {"csrf_token": browser.csrf}
    for path in (PAGE, f"{PAGE}/sandbox/reset", f"{PAGE}/sandbox/remove"):
        assert browser.get(path).status_code == 403
        assert client.get(path).status_code in (302, 401, 403)
        assert client.get(path, headers=limited).status_code in (401, 403)
    posts = {PAGE: {"kind": "trial", "contents": "copy"}}
    posts |= {f"{PAGE}/sandbox/{act}": {} for act in ("keep", "reset", "remove")}
    for path, data in posts.items():
        assert browser.post(path, data=csrf | data).status_code == 403
        assert client.post(path, data=data, headers=limited).status_code in (400, 401, 403)
    for act in (
        lambda uow: plan(uow, "trial", is_copy=True),
        lambda uow: begin(uow, "sandbox", "remove"),
        lambda uow: keep_longer(uow, "sandbox"),
    ):
        with pytest.raises(Forbidden), unit_of_work(someone) as uow:
            act(uow)
    assert [each.name for each in find_workspaces(runtime.config.home)] == ["sandbox"]
    with unit_of_work(write=False) as uow:
        assert (
            uow.execute(select(job_table.c.id).where(job_table.c.kind == "core.workspace")).all()
            == []
        )
    runtime.config = replace(runtime.config, workspace=find(runtime, "sandbox"))
    try:
        with pytest.raises(Refused, match="本身"):
            planned()
    finally:
        runtime.config = replace(runtime.config, workspace=None)


@sqlite
def test_what_is_asked_for_is_checked(runtime, unit_of_work, planned, admin_id):
    for wrong, field in (
        ({"kind": "server"}, "kind"),
        ({"name": "../main"}, "name"),
        ({"name": "Trial"}, "name"),
        ({"plugins": ["nothing"]}, "plugins"),
        ({"days": 0}, "days"),
        ({"days": 91}, "days"),
    ):
        with pytest.raises(Invalid) as caught:
            planned(**wrong)
        assert list(caught.value.by_field()) == [field]
    assert find_workspaces(runtime.config.home) == []
    names = {planned().name for _each in PORTS}
    assert len(names) == len(PORTS)
    with pytest.raises(Refused, match="上限"):
        planned()
    for name in ("../../etc", "nothing-here"):
        with pytest.raises(NotFound), unit_of_work(admin_id) as uow:
            begin(uow, name, "remove")


@sqlite
def test_it_is_kept_longer_but_not_for_ever(runtime, unit_of_work, planned, admin_id):
    first = planned(days=1)
    with unit_of_work(admin_id) as uow:
        assert keep_longer(uow, "sandbox").ends_at > first.ends_at
    home = runtime.config.home
    latest = first.made_at + timedelta(days=90)
    write_workspace(home, first, ends_at=latest)
    with pytest.raises(Refused, match="不能再延长"), unit_of_work(admin_id) as uow:
        keep_longer(uow, "sandbox")


@sqlite
def test_its_end_is_told_once_and_it_goes_a_week_later(runtime, unit_of_work, planned, admin_id):
    """Who made it hears of it; the folder and everything in it are gone."""
    made, home = planned(days=14), runtime.config.home
    write_workspace(home, made, state="ready")

    def tend(days):
        runtime.clock.move(made.made_at + timedelta(days=days) - runtime.clock.now())
        TEND.handler(JobContext(runtime, 0, "", SYSTEM))
        found = select(notification_table.c.user_id).where(
            notification_table.c.kind == "core.workspace_ends"
        )
        with unit_of_work(write=False) as uow:
            return list(uow.execute(found).scalars())

    assert tend(10) == []
    assert tend(12) == [admin_id]
    assert tend(13) == [admin_id]
    assert tend(20) == [admin_id]
    assert folder_of(home, made.name).is_dir()
    tend(22)
    assert not folder_of(home, made.name).exists()


@sqlite
def test_a_copy_of_our_settings_leaves_our_backups_alone(
    runtime, unit_of_work, planned, run_jobs, tmp_path
):
    """In a workspace none are made by the clock, and one that is asked for lies in its own home."""
    ours = tmp_path / "ours"
    with unit_of_work() as uow:
        put_settings(uow, GROUP, {"daily": True, "hour": 0, "folder": str(ours)})
    made = planned("trial", is_copy=True)
    runtime.config = replace(runtime.config, workspace=made)
    try:
        with unit_of_work() as uow:
            uow.enqueue("core.backup", {"scheduled": True})
        run_jobs()
        with unit_of_work(write=False) as uow:
            assert find_backups(uow) == []
        with unit_of_work() as uow:
            uow.enqueue("core.backup", {})
        run_jobs()
        with unit_of_work(write=False) as uow:
            (row,) = find_backups(uow)
        assert row.folder == str(runtime.config.home / "backups")
        assert not ours.exists()
    finally:
        runtime.config = replace(runtime.config, workspace=None)


@sqlite
def test_every_page_says_where_one_is_and_signs_in_apart(runtime, app, planned, sign_in, client):
    """Browsers do not tell ports apart: the cookies of two have other names."""
    assert "workspace-bar" not in client.get("/sign-in").get_data(as_text=True)
    runtime.config = replace(runtime.config, workspace=planned("trial", is_copy=True))
    try:
        browser = sign_in()
        assert browser.get_cookie("dougong-sandbox") is None
        assert browser.get_cookie("dougong-trial") is not None
        assert browser.get_cookie("dougong") is None
        assert browser.get(PAGE).status_code >= 400
    finally:
        runtime.config = replace(runtime.config, workspace=None)


@pytest.mark.databases("sqlite")
def test_a_server_starts_what_is_ready_and_ends_what_is_not(runtime, planned, monkeypatch):
    """Its master is told by the files alone."""
    started = []

    def start(self, name):
        started.append(name)
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    monkeypatch.setattr(Neighbours, "_start", start)
    home = runtime.config.home
    neighbours = Neighbours(home, "127.0.0.1")
    made = planned()
    neighbours.tend()
    assert started == []
    made = write_workspace(home, made, state="ready")
    neighbours.tend()
    neighbours.tend()
    assert started == ["sandbox"]
    process = neighbours._running["sandbox"].process
    write_workspace(home, made, state="resetting")
    neighbours.tend()
    assert process.wait(10) != 0
    neighbours.tend()
    write_workspace(home, made, state="ready")
    neighbours.tend()
    assert started == ["sandbox", "sandbox"]
    write_workspace(home, made, state="ready", ends_at=made.made_at - timedelta(days=1))
    last = neighbours._running["sandbox"].process
    neighbours.tend()
    assert last.wait(10) != 0


@sqlite
def test_one_that_is_served_is_left_alone(runtime, planned, monkeypatch):
    made = planned()
    monkeypatch.setattr("core.backup.workspaces._PATIENCE", 0)
    with alone(folder_of(runtime.config.home, made.name)):
        with pytest.raises(WorkspaceBusy), alone(folder_of(runtime.config.home, made.name)):
            pass
        with pytest.raises(Refused, match="运行"):
            carry_out(runtime, made.name, "remove")
    assert find(runtime, made.name).state == "failed"
    assert free_name(runtime.config.home, "sandbox") == "sandbox-2"


# With processes of its own


@pytest.fixture
def dougong(tmp_path):
    """``dougong(*arguments, fails=False) -> JSON`` of the command line, over a home of its own."""
    kept = {key: value for key, value in os.environ.items() if "DOUGONG" not in key}
    environment = kept | {"DOUGONG_HOME": str(tmp_path / "home"), "DOUGONG_LOCALE": "en"}
    environment |= {"PYTHONPATH": str(ROOT)}

    def run(*arguments, fails=False, home=""):
        done = subprocess.run(
            [sys.executable, "-c", "from core.cli import main; main()", *arguments],
            env=environment | ({"DOUGONG_HOME": home} if home else {}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stderr
        return done.stderr if fails else json.loads(done.stdout)

    run.home = tmp_path / "home"
    return run


@pytest.mark.long
@pytest.mark.databases("sqlite")
def test_a_sandbox_and_a_trial_are_made_reset_promoted_and_removed(dougong):
    """The demonstration in the one, all data in the other, and neither touches the company's."""
    dougong(
        "init", "--admin", "boss@example.com", "--password", "a calm roof of brackets", "--json"
    )
    person = ("user", "create", "li@example.com", "--name", "李", "--password", "seven kites above")
    dougong(*person, "--json")
    sandbox = dougong("workspace", "new", "sandbox", "--admin", "boss@example.com", "--json")
    trial = dougong("workspace", "new", "trial", "--json")
    assert (sandbox["state"], trial["state"]) == ("ready", "ready")
    assert "password" not in sandbox
    homes = {name: str(folder_of(dougong.home, name)) for name in ("sandbox", "trial")}

    def people(home=""):
        rows = dougong("export", "user", str(dougong.home / "people.csv"), "--json", home=home)
        assert rows
        return (dougong.home / "people.csv").read_text("utf-8-sig")

    assert "li@example.com" in people(homes["trial"])
    assert "li@example.com" not in people(homes["sandbox"])
    key = (dougong.home / "secret.key").read_text().split()[0]
    first, *before = (Path(homes["trial"]) / "secret.key").read_text().split()
    assert first != key
    assert key in before
    assert key not in (Path(homes["sandbox"]) / "secret.key").read_text()

    dougong("user", "create", "neu@example.com", "--name", "新", "--json", home=homes["trial"])
    dougong("user", "create", "test@example.com", "--name", "试", "--json", home=homes["sandbox"])
    assert "test@example.com" in people(homes["sandbox"])
    dougong("workspace", "reset", "sandbox", "--json")
    assert "test@example.com" not in people(homes["sandbox"])
    assert "neu@example.com" not in people()

    dougong("user", "create", "later@example.com", "--name", "后", "--json")
    refused = dougong("workspace", "promote", "trial", "--yes", fails=True)
    assert "--lose-newer" in refused
    assert "later@example.com" in people()
    assert "Only a trial" in dougong("workspace", "promote", "sandbox", "--yes", fails=True)
    done = dougong("workspace", "promote", "trial", "--yes", "--lose-newer", "--json")
    assert Path(done["backup"]).is_file()
    assert done["problems"] == []
    now = people()
    assert "neu@example.com" in now
    assert "later@example.com" not in now
    assert (dougong.home / "secret.key").read_text().split()[0] == key or first in (
        dougong.home / "secret.key"
    ).read_text()
    for name in ("sandbox", "trial"):
        dougong("workspace", "remove", name, "--yes", "--json")
    assert dougong("workspace", "list", "--json") == []
    assert not any((dougong.home / "workspaces").iterdir())
