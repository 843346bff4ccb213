"""The command line as it is typed: what it prints, what it says on failure, its exit status."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pytest

from core.cli import main

DOUGONG = [sys.executable, "-c", "from core.cli import main; main()"]
ROOT = Path(__file__).parents[2]


class Shell:
    """Runs `dougong …` against one home, in this process: most of a process's time is its start."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def environment(self, **more: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if "DOUGONG" not in key}
        return {**kept, "DOUGONG_HOME": str(self.home), "DOUGONG_LOCALE": "en", **more}

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        out, err, status = io.StringIO(), io.StringIO(), 0
        root = logging.getLogger()
        level, handlers = root.level, list(root.handlers)
        with (
            mock.patch.dict(os.environ, self.environment(**environment), clear=True),
            mock.patch.object(sys, "argv", ["dougong", *arguments]),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                main()
            except SystemExit as end:
                status = end.code
            finally:
                root.setLevel(level)
                root.handlers = handlers
        return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())

    def good(self, *arguments: str, **environment: str) -> str:
        done = self.run(*arguments, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def bad(self, *arguments: str, **environment: str) -> str:
        """The one line on stderr of a command that fails."""
        done = self.run(*arguments, **environment)
        assert done.returncode != 0
        assert done.stdout == ""
        (line,) = done.stderr.strip().splitlines()
        assert "Traceback" not in line
        return line


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """An installation with an administrator and no module."""
    found = Shell(tmp_path_factory.mktemp("home"))
    answer = json.loads(found.good("init", "--plugins", "", "--json"))
    assert answer["admin"] == "admin@example.com"
    assert len(answer["password"]) >= 12
    return found


def test_help_names_every_command(shell):
    done = subprocess.run(
        [*DOUGONG, "--help"], env=shell.environment(), cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    text = done.stdout
    for name in ("init", "serve", "worker", "migrate", "plugin", "user", "token", "import"):
        assert f"\n  {name} " in text


def test_help_imports_neither_the_kernel_nor_the_database():
    code = (
        "import sys, core.cli.main; print([m for m in ('sqlalchemy', 'flask') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_second_installation_is_refused(shell):
    assert "already" in shell.bad("init")


def test_commands_without_an_installation_say_what_to_do(tmp_path):
    for command in (["serve", "--no-setup"], ["worker"], ["plugin", "list"], ["migrate"]):
        assert "dougong init" in Shell(tmp_path / "new").bad(*command)


def test_a_module_that_does_not_exist_is_refused_before_anything_is_made(tmp_path):
    fresh = Shell(tmp_path / "new")
    assert "nonsense" in fresh.bad("init", "--plugins", "nonsense")
    assert "dougong init" in fresh.bad("plugin", "list")


def test_people_are_made_with_roles_and_departments(shell):
    made = shell.good(
        "user", "create", "li@example.com", "--name", "李", "--role", "viewer",
        "--department", "销售部/华东组", "--json",
    )  # fmt: skip
    assert json.loads(made)["email"] == "li@example.com"
    assert "nobody_has" in shell.bad(
        "user", "create", "wu@example.com", "--name", "吴", "--role", "nobody_has"
    )
    assert "email" in shell.bad("user", "create", "li@example.com", "--name", "又一个")


def test_a_token_is_printed_alone_and_works(shell):
    token = shell.good("token", "create", "--user", "admin@example.com")
    assert token.startswith("dg_")
    assert len(token.split()) == 1
    limited = shell.good(
        "token", "create", "--user", "admin@example.com", "--scope", "user.read", "--days", "3",
        "--json",
    )  # fmt: skip
    assert json.loads(limited)["token"] != token
    assert "nobody@example.com" in shell.bad("token", "create", "--user", "nobody@example.com")


def test_records_go_out_and_come_in(shell, tmp_path):
    file = tmp_path / "departments.csv"
    file.write_text("name\n生产部\n质检部\n", encoding="utf-8-sig")
    counts = json.loads(shell.good("import", "department", str(file), "--json"))
    assert (counts["created"], counts["refused"]) == (2, 0)
    out = tmp_path / "out.csv"
    condition = json.dumps({"field": "name", "op": "eq", "value": "质检部"})
    answer = json.loads(
        shell.good("export", "department", str(out), "--filter", condition, "--json")
    )
    assert answer["rows"] == 1
    assert "质检部" in out.read_text("utf-8-sig")
    same = json.loads(shell.good("import", "department", str(file), "--keys", "name", "--json"))
    assert (same["created"], same["duplicates"]) == (0, 2)
    undone = json.loads(shell.good("import", "--undo", str(counts["job"]), "--json"))
    assert (undone["removed"], undone["kept"]) == (2, 0)
    assert shell.bad("import", "--undo", str(counts["job"]))
    shell.good("export", "department", str(out))
    assert "质检部" not in out.read_text("utf-8-sig")


def test_a_plan_is_rehearsed_followed_and_undone(shell, tmp_path):
    plan, data = tmp_path / "plan.toml", tmp_path / "data"
    data.mkdir()
    (data / "teams.csv").write_text("team,above\nNorth,\nHarbour,North\nQuay,Nort\n")
    columns = 'team = "name"\nabove = { field = "parent", by = "name" }\n'
    steps = [
        "[[step]]\nentity = 'department'\nkey = ['name']\nrows = [{ name = 'North' }]\n",
        "[[step]]\nfile = 'teams.csv'\nentity = 'department'\nkey = ['name']\n"
        "duplicates = 'update'\n[step.columns]\n" + columns,
    ]
    plan.write_text("".join(steps))
    command = ["import", "--plan", str(plan), "--data", str(data)]
    told = shell.good(*command, "--dry-run")
    assert "2 teams.csv → department: created 1, duplicates 1, refused 1" in told
    assert "line 4, above: There is no “Nort” that you may see; is it “North”?" in told
    result = json.loads(shell.good(*command, "--json"))
    assert (result["created"], result["refused"]) == (2, 1)
    assert "removed 2, restored 0, kept 0" in shell.good("import", "--undo", str(result["job"]))
    plan.write_text(plan.read_text().replace('"parent"', '"parents"'))
    assert "step 2 (teams.csv), column 'above': entity department has no field 'parents'" in (
        shell.run(*command).stderr
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "department", "out.csv", "--filter", "{"],
        ["import", "--plan", "plan.toml"],
        ["import", "--dry-run"],
        ["import", "department", __file__, "--report", "."],
        ["import", "department", "there is no such file.csv"],
        ["import", "department", "--undo", "1"],
        ["nonsense"],
        ["dev", "clock", "tomorrow"],
    ],
)
def test_wrong_usage_is_told_as_such(shell, arguments):
    done = shell.run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_modules_are_listed(shell):
    rows = json.loads(shell.good("plugin", "list", "--json"))
    assert {row["name"] for row in rows} >= {"crm_leads"}
    assert "nonsense" in shell.bad("plugin", "enable", "nonsense")


def test_the_doctor_finds_everything_in_order_and_then_not(shell):
    rows = json.loads(shell.good("doctor", "--json"))
    assert [row for row in rows if row["state"] == "problem"] == []
    lost = Shell(shell.home).run("doctor", "--json", DOUGONG_DATABASE_URL="sqlite:////dev/null/x")
    assert lost.returncode == 1


def test_the_clock_moves_only_where_it_may(shell):
    assert "DOUGONG_TEST_CLOCK" in shell.bad("dev", "clock", "+3d")
    assert shell.good("dev", "clock", "+3d", DOUGONG_TEST_CLOCK="1") == "+259200 s"
    assert shell.good("dev", "clock", "-3d", DOUGONG_TEST_CLOCK="1") == "+0 s"


def test_a_wrong_setting_is_named(shell):
    assert "DOUGONG_TIMEZONE" in shell.bad("plugin", "list", DOUGONG_TIMEZONE="Mars/Olympus")


def test_migrate_reports_where_each_owner_is(shell):
    assert "core" in json.loads(shell.good("migrate", "--json"))
