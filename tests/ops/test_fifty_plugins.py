"""P7: what fifty plugins cost at the start, in memory and in each request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.ops.lifecycle import enable
from core.security.actor import SYSTEM
from core.testing.installation import ADMIN, PASSWORD, Template
from core.work.uow import Origin, UnitOfWork

ROOT = Path(__file__).parents[2]
WANTED = 50
#: Asked: seconds of the start, milliseconds that a request may take more. Both of the processor: what
#: others on the machine take of it is none of ours.
START, REQUEST = 5.0, 3.0

MODULE = """
from flask import Blueprint

from core.http.requests import public
from core.plugins import hookimpl
from core.plugins.contributions import Permission

blueprint = Blueprint("{name}", __name__, url_prefix="/{name}")


@blueprint.get("/page")
@public
def page():
    return "{name}"


@hookimpl
def register_blueprints():
    return [blueprint]


@hookimpl
def register_permissions():
    return [Permission("{name}.use", "Use {name}")]


@hookimpl
def resolve_theme(request):
    return None


@hookimpl
def adjust_list(entity, actor):
    return ()


@hookimpl
def record_actions(entity, actor):
    return ()


@hookimpl
def validate_changes(changes, uow):
    return ()


@hookimpl
def after_changes(changes, uow):
    return None
"""
ASKING = """
import json, resource, sys, time

begun = time.process_time()
from core.app import create_app

app = create_app()
browser = app.test_client()
browser.get("/healthz")
start = time.process_time() - begun
browser.post("/sign-in", data={"email": sys.argv[1], "password": sys.argv[2]})
if len(sys.argv) > 3:
    assert browser.get(f"/{sys.argv[3]}/page").text == sys.argv[3]
took = []
for _turn in range(40):
    begun = time.process_time()
    assert browser.get("/r/department").status_code == 200
    took.append((time.process_time() - begun) * 1000)
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"start": start, "request": sorted(took[10:])[15], "memory": memory}))
"""


def _write(folder: Path, number: int) -> str:
    name = f"p{number:02}"
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").touch()
    (folder / name / "plugin.py").write_text(MODULE.replace("{name}", name))
    (folder / name / "plugin.cfg").write_text(
        f"[plugin]\nname = {name}\ntitle = {name}\nversion = 1.0\n"
    )
    return name


def _run(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def measured(tmp_path):
    """``measured(number)``: start, a request and memory of a process with so many plugins on."""
    with ExitStack() as stack:

        def measure(number: int) -> dict[str, float]:
            folder = tmp_path / f"plugins{number}"
            folder.mkdir()
            names = [_write(folder, each) for each in range(number)]
            template = Template(tmp_path / f"home{number}", "sqlite", (), (folder,))
            stack.callback(template.remove)
            with UnitOfWork(template.runtime, SYSTEM, origin=Origin("test")) as uow:
                for name in names:
                    enable(uow, name)
            config = template.runtime.config
            environment = {
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "DOUGONG_HOME": str(config.home),
                "DOUGONG_DATABASE_URL": config.database_url,
                "DOUGONG_SECRET_KEY": config.secret_key,
                "DOUGONG_PLUGINS_PATH": str(folder),
            }
            command = [sys.executable, "-c", ASKING, ADMIN, PASSWORD, *names[-1:]]
            runs = [_run(command, environment) for _turn in range(2)]
            return {key: min(run[key] for run in runs) for key in runs[0]}

        yield measure


@pytest.mark.long
def test_fifty_plugins_cost_little(measured):
    """P7: the start takes less than five seconds of the processor, a request less than 3 ms more."""
    none, fifty = measured(0), measured(WANTED)
    more = {key: fifty[key] - none[key] for key in none}
    print(
        f"{WANTED} plugins: start {fifty['start']:.2f} s ({more['start']:+.2f}), a request"
        f" {fifty['request']:.1f} ms ({more['request']:+.2f}), {fifty['memory']:.0f} MB"
        f" ({more['memory']:+.0f})"
    )
    assert fifty["start"] < START
    assert more["request"] < REQUEST
